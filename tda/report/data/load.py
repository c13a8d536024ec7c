"""Read everything that `jobs.analyze` and `jobs.train` wrote under a root.

N pairs, D dimensions. Every file but metrics.json may be missing; figures then name it.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tda.columns import Columns
from tda.config.stages import ReportConfig
from tda.errors import LacunaError, UserError
from tda.report.data.closest import Closest, closest_of
from tda.report.data.names import distinct, shown_names
from tda.report.data.read import columns_of, json_of
from tda.report.data.standing import of_other_rows
from tda.report.data.sweeps import Sweep, sweeps_of
from tda.report.data.watched import Point, earlier, watched_points
from tda.store.datasets.views import read_summary, view_of
from tda.store.documents import named_files
from tda.store.files import exists, filesystem, join, list_files, list_folders
from tda.store.paths import RootPaths

CAPTION_ROWS = 10_000_000  # a larger set's caption column is not read for a few examples

DATASETS = ("LAION", "COCO", "Stories")
ROLES = ("CLIP", "InfoNCE", "InfoNCE + Hopfield", "InfoLOOB", "InfoLOOB + Hopfield", "CLOOB", "CARP")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A pair that retrieval ranked badly. Ranks count from 1."""

    row: int
    caption: str
    image_to_text: int
    text_to_image: int


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One data set embedded by one encoder."""

    dataset: str
    encoder: str
    metrics: dict[str, Any]
    parquet: dict[str, Columns] = field(default_factory=dict)  # table of the analysis, and sweep -> columns
    sweep: dict[str, Any] = field(default_factory=dict)  # sweep.json: the layout under other settings
    failures: tuple[Failure, ...] = ()
    closest: dict[str, Closest] = field(default_factory=dict)  # reference -> closest cosines in it
    stale: bool = False  # its numbers are of other rows than the root holds now
    dedupe: dict[str, Any] = field(default_factory=dict)  # of a view: its summary.json, without the rows kept in each shard
    label: str = ""  # the data set's display name; empty: the data set

    @property
    def shown(self) -> str:
        """The data set, as the page names it."""
        return self.label or self.dataset

    @property
    def modalities(self) -> tuple[str, str]:
        """The names of the two members of a pair."""
        first, second = self.metrics.get("modalities") or ("image", "text")
        return str(first), str(second)


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything one report is made from. `digest` is the hash of all its input bytes."""

    root: str
    config: ReportConfig
    cells: tuple[Cell, ...]
    curves: dict[str, Columns] = field(default_factory=dict)
    comparisons: dict[str, dict[str, Any]] = field(default_factory=dict)  # data set -> comparisons.json of its models
    watched: tuple[Point, ...] = ()  # checkpoints of training runs; of each run the last alone is among the cells
    sweeps: tuple[Sweep, ...] = ()
    diversity: dict[str, dict[str, Any]] = field(default_factory=dict)  # data set -> diversity.json of guided images
    digest: str = ""

    @property
    def datasets(self) -> list[str]:
        return list(dict.fromkeys(cell.dataset for cell in self.cells))

    @property
    def encoders(self) -> list[str]:
        return list(dict.fromkeys(cell.encoder for cell in self.cells))

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The pairs of modality names of its data sets, each once."""
        return list(dict.fromkeys(cell.modalities for cell in self.cells))

    @property
    def modalities(self) -> tuple[str, str]:
        """The names of the two modalities over all data sets."""
        if not self.cells:  # sweeps alone
            return "image", "text"
        first, second = (" / ".join(dict.fromkeys(names)) for names in zip(*self.kinds, strict=True))
        return first, second

    def of(self, dataset: str) -> list[Cell]:
        return [cell for cell in self.cells if cell.dataset == dataset]

    def shown(self, dataset: str) -> str:
        """A data set, as the page names it."""
        return next((cell.shown for cell in self.cells if cell.dataset == dataset), self.config.names.get(dataset) or dataset)


def load_run(root: str, config: ReportConfig, tables: Collection[str] | None = None) -> Run:
    """Read everything there is to report about `root`; of the tables of an analysis only those of these names, where any are given.

    Raises UserError when nothing was analysed or swept there, or when a metrics.json or Parquet file cannot be understood.
    """
    digest = hashlib.sha256(json.dumps([root, vars(config)]).encode())
    names, sweeps = _analysed(root), sweeps_of(root, digest)
    diversity = _diversity(root, digest)
    if not names and not sweeps and not diversity:
        command = f"python -m jobs.analyze dataset.name=NAME encoder.name=NAME root={root}"
        raise UserError(f"root={root} holds nothing that was analysed; run {command} first")
    watched = watched_points(root, set(names), digest)
    hidden = earlier(watched) - set(config.models) - set(config.ablation)
    names = [(dataset, encoder) for dataset, encoder in names if encoder not in hidden]
    ordered = _in_order([_cell(root, one, config, tables, digest) for one in names], config)
    encoders = dict.fromkeys(cell.encoder for cell in ordered)
    config = replace(config, names=distinct(encoders, config.names))
    curves = {encoder: curve for encoder in encoders if (curve := _curve(root, encoder, digest))}
    datasets = dict.fromkeys(cell.dataset for cell in ordered)
    labels = shown_names(datasets, config.names)
    ordered = [replace(cell, label=labels[cell.dataset]) for cell in ordered]
    comparisons = {dataset: found for dataset in datasets if (found := _comparisons(root, dataset, digest))}
    return Run(
        root=root,
        config=config,
        cells=tuple(ordered),
        curves=curves,
        comparisons=comparisons,
        watched=watched,
        sweeps=sweeps,
        diversity=diversity,
        digest=digest.hexdigest(),
    )


def _analysed(root: str) -> list[tuple[str, str]]:
    fs, path = filesystem(join(root, "analysis"))
    if not fs.exists(path):
        return []
    found = [str(name).split("/") for name in fs.find(path, maxdepth=3)]
    return sorted((parts[-3], parts[-2]) for parts in found if parts[-1] == "metrics.json")


def _diversity(root: str, digest: Any) -> dict[str, dict[str, Any]]:
    """What was measured of guided images, by data set."""
    datasets = list_folders(join(root, "analysis"))
    return {dataset: found for dataset in sorted(datasets) if (found := _beside(root, digest, dataset, "diversity.json"))}


def _in_order(cells: Sequence[Cell], config: ReportConfig) -> list[Cell]:
    """Sort by the paper's order of data sets and models, then by name."""

    def place(cell: Cell) -> tuple[int, str, int, str]:
        role = config.models.get(cell.encoder) or config.ablation.get(cell.encoder, "")
        return _place(DATASETS, config.datasets.get(cell.dataset, "")), cell.dataset, _place(ROLES, role), cell.encoder

    return sorted(cells, key=place)


def _place(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _cell(root: str, names: tuple[str, str], config: ReportConfig, tables: Collection[str] | None, digest: Any) -> Cell:
    dataset, encoder = names
    metrics = json_of(RootPaths(root).metrics(dataset, encoder), digest)
    folder = RootPaths(root).analysis_dir(dataset, encoder)
    sweep = _beside(root, digest, dataset, encoder, "sweep.json")
    present = [file.removesuffix(".parquet") for file in list_files(folder, ".parquet")]
    wanted = [
        name for name in present if name.isidentifier() and (tables is None or name in {*tables, "ranks"})
    ]  # sweep.<hash> is named by sweep.json
    hashes = {name: _hashes(sweep if name == "sweep" else metrics) for name in [*wanted, "sweep"]}
    urls = {name: join(folder, f"{name}.parquet") for name in wanted if name != "sweep" or sweep}
    entries = _entries(metrics)
    for url, entry in named_files(join(folder, "sweep.json"), sweep):
        urls |= {"sweep": url} if exists(url) else {}
        entries["sweep"] = entry
    found = {name: columns_of(url, digest, hashes[name], entries.get(name)) for name, url in urls.items()}
    parquet = {name: columns for name, columns in found.items() if columns is not None}
    failures = _failures(root, names, parquet.get("ranks"), config.failures, digest)
    closest = closest_of(root, dataset, encoder)
    digest.update(json.dumps({reference: one.digest for reference, one in closest.items()}).encode())
    dedupe, evaluation = _made(root, dataset, encoder, digest)
    parquet |= {"evaluation": evaluation} if evaluation else {}
    stale = of_other_rows(root, dataset, encoder, metrics)
    digest.update(b"stale" * stale)
    return Cell(
        dataset=dataset,
        encoder=encoder,
        metrics=metrics,
        stale=stale,
        parquet=parquet,
        sweep=sweep,
        failures=failures,
        closest=closest,
        dedupe=dedupe,
    )


def _made(root: str, dataset: str, encoder: str, digest: Any) -> tuple[dict[str, Any], Columns | None]:
    """A view's summary, and the evaluation on planted repeats where there is one."""
    view = view_of(dataset)
    if view is None:
        return {}, None
    try:
        summary = read_summary(RootPaths(root), view, encoder)
    except UserError:  # the view was built under another root
        return {}, None
    reported = {name: value for name, value in summary.items() if name != "kept_per_shard"}
    digest.update(json.dumps(reported, sort_keys=True).encode())
    url = join(RootPaths(root).dedupe_dir(view.base, encoder, view.reference), "evaluation.parquet")
    return reported, columns_of(url, digest) if exists(url) else None


def _hashes(found: dict[str, Any]) -> set[str]:
    """Hashes that a table may carry: of the whole configuration, or of one part."""
    return {str(one) for one in (found.get("config_hash"), *(found.get("part_hashes") or {}).values()) if one}


def _entries(found: dict[str, Any]) -> dict[str, Any]:
    """The sha256 and bytes of each table that a JSON names; empty for one of an earlier version."""
    tables = found.get("tables")
    return dict(tables) if isinstance(tables, dict) else {}


def _beside(root: str, digest: Any, *path: str) -> dict[str, Any]:
    """A JSON file under analysis/, {} where it is missing."""
    url = join(root, "analysis", *path)
    return json_of(url, digest) if exists(url) else {}


def _comparisons(root: str, dataset: str, digest: Any) -> dict[str, Any]:
    """comparisons.json, with the comparisons of other sets of encoders that it does not have."""
    found = _beside(root, digest, dataset, "comparisons.json")
    known = {_sides(one): one for one in found.get("comparisons", [])}
    folder = join(root, "analysis", dataset, "comparisons")
    for name in list_files(folder, ".json") if found else ():
        known = {_sides(one): one for one in json_of(join(folder, name), digest)["comparisons"]} | known
    return found | {"comparisons": list(known.values())} if found else {}


def _sides(one: dict[str, Any]) -> tuple[str, str, str]:
    a, b = sorted((str(one["a"]), str(one["b"])))
    return a, b, str(one["modality"])


def _curve(root: str, encoder: str, digest: Any) -> Columns | None:
    folder = RootPaths(root).model_dir(encoder)
    if "curve.parquet" not in list_files(folder, ".parquet"):
        return None
    curve = columns_of(join(folder, "curve.parquet"), digest)
    return curve if curve and len(curve["step"]) else None


def _failures(root: str, cell: tuple[str, str], ranks: Columns | None, most: int, digest: Any) -> tuple[Failure, ...]:
    """The pairs with the largest sum of their two ranks, with captions where the embeddings can be read."""
    if ranks is None or not len(ranks["row"]):
        return ()
    both_N = ranks["image_to_text"].astype(np.int64) + ranks["text_to_image"].astype(np.int64)
    worst = np.argsort(-both_N, kind="stable")[:most]
    captions = _captions(root, *cell, ranks["row"][worst])
    digest.update(json.dumps(captions).encode())
    return tuple(
        Failure(
            row=int(ranks["row"][i]),
            caption=caption,
            image_to_text=int(ranks["image_to_text"][i]),
            text_to_image=int(ranks["text_to_image"][i]),
        )
        for i, caption in zip(worst, captions, strict=True)
    )


def _captions(root: str, dataset: str, encoder: str, rows: npt.NDArray[Any]) -> list[str]:
    from tda.store.datasets.embedding_set import EmbeddingSet

    try:
        embeddings = EmbeddingSet(root, dataset, encoder)
        if len(embeddings) > CAPTION_ROWS:
            return [""] * len(rows)
        captions = embeddings.table(["caption"])["caption"]
    except LacunaError:  # the embeddings are under another root
        return [""] * len(rows)
    return [str(captions[row]) if row < len(captions) else "" for row in rows.tolist()]
