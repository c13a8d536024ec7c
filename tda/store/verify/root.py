"""Check the other files of a root: files that no record names, temporary files, models, joins and views.

The root is listed one folder at a time, so memory is bounded by one listing. Every problem is one line that begins with the name of the
file, as in `tda.store.verify.shard`.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tda.errors import LacunaError
from tda.store.commit.versions import sha256_if_there
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import NearestSet
from tda.store.files import exists, filesystem, is_local, join, list_files, read_json
from tda.store.paths import RootPaths
from tda.store.verify.shard import Checked

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp|\.writable-[0-9a-f]{12}")


@dataclass(frozen=True)
class Temporary:
    """A temporary file of a writer. `age`: seconds since its last change."""

    url: str
    age: float


@dataclass
class Folder:
    """The listings of one data set under one encoder."""

    dataset: str
    encoder: str
    shards: list[str] = field(default_factory=list)  # those with a record
    files: set[str] = field(default_factory=set)
    quarantine_files: set[str] = field(default_factory=set)

    def strays(self, layout: RootPaths, checked: list[Checked]) -> tuple[list[str], list[str]]:
        """(problems, URLs of files that a later attempt replaced and that no record can name again)."""
        problems: list[str] = []
        superseded: list[str] = []
        named = {one.shard: one for one in checked}
        for folder, files, attribute in (
            (layout.embeddings_dir(self.dataset, self.encoder), self.files, "file"),
            (layout.quarantine_dir(self.dataset, self.encoder), self.quarantine_files, "quarantine_file"),
        ):
            for name in sorted(files - {getattr(one, attribute) for one in checked}):
                owner = named.get(name.removesuffix(".parquet")) or named.get(name.rsplit(".", 2)[0])
                unreachable = owner is not None and owner.config_hash and (name in owner.replaces or name == f"{owner.shard}.parquet")
                superseded += [join(folder, name)] if unreachable else []
                problems.append(f"{join(folder, name)}: {'left behind by an earlier attempt' if unreachable else 'no record names it'}")
        return problems, superseded

    def mixed(self, layout: RootPaths, checked: list[Checked]) -> list[str]:
        """Shards whose configuration differs from the first shard's."""
        known = [one for one in checked if one.config_hash]
        return [
            f"{layout.record(self.dataset, self.encoder, one.shard)}: config {one.config_hash}, {known[0].shard} has {known[0].config_hash}"
            for one in known
            if one.config_hash != known[0].config_hash
        ]


def folders(layout: RootPaths) -> Iterator[Folder]:
    """Every (data set, encoder) with embeddings or a quarantine in the root."""
    pairs = set()
    for top in ("embeddings", "quarantine"):
        for dataset in sub_folders(join(layout.root, top)):
            pairs |= {(dataset, encoder) for encoder in sub_folders(join(layout.root, top, dataset))}
    for dataset, encoder in sorted(pairs):
        yield Folder(
            dataset,
            encoder,
            [name.removesuffix(".json") for name in list_files(layout.records_dir(dataset, encoder), ".json")],
            set(list_files(layout.embeddings_dir(dataset, encoder))),
            set(list_files(layout.quarantine_dir(dataset, encoder))),
        )


def temporaries(root: str) -> Iterator[Temporary]:
    """Temporary files anywhere under the root."""
    fs, path = filesystem(root)
    now, waiting = time.time(), [path]
    while waiting:
        try:
            entries = fs.ls(waiting.pop(), detail=True)
        except FileNotFoundError:  # removed during the walk
            continue
        for entry in entries:
            name = str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]
            if entry["type"] == "directory":
                waiting.append(entry["name"])
            elif TEMPORARY.fullmatch(name):
                yield Temporary(entry["name"] if is_local(fs) else str(fs.unstrip_protocol(entry["name"])), now - _touched(entry, now))


def _touched(entry: dict[str, Any], now: float) -> float:
    when: Any = entry.get("mtime") or entry.get("LastModified") or entry.get("created") or now
    return float(when.timestamp() if hasattr(when, "timestamp") else when)


def check_models(layout: RootPaths) -> Iterator[str]:
    """Compare weights and step checkpoints with the sha256 in their JSON files."""
    for encoder in sub_folders(join(layout.root, "models")):
        folder = layout.model_dir(encoder)
        names = set(list_files(folder))
        for name in sorted(names):
            stem, _, ending = name.rpartition(".")
            if ending == "pt" and (stem == "model" or stem.startswith("step_")) and f"{stem}.json" not in names:
                yield f"{join(folder, name)}: there is no {stem}.json: training was interrupted here"
            elif ending == "json" and (stem == "model" or stem.startswith("step_")):
                yield from _check_sentinel(folder, stem, names)


def _check_sentinel(folder: str, stem: str, names: set[str]) -> Iterator[str]:
    url = join(folder, f"{stem}.pt")
    try:
        content = read_json(join(folder, f"{stem}.json"))
        reported = (content["training"] if stem == "model" else content)["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        yield f"{join(folder, stem)}.json: cannot be read: {type(error).__name__}: {error}"
        return
    if f"{stem}.pt" not in names:
        yield f"{url}: missing, but there is a {stem}.json"
    elif (found := sha256_if_there(url)) != reported:
        yield f"{url}: sha256 {str(found)[:12]}, {stem}.json has {str(reported)[:12]}"


def check_derived(layout: RootPaths) -> Iterator[str]:
    """Compare joins, views and metrics with the rows that they were made from, by the checks of their readers."""
    for kind in ("nearest", "dedupe"):
        for dataset, encoder, reference in _triples(join(layout.root, kind)):
            folder = join(layout.root, kind, dataset, encoder, reference)
            try:
                if kind == "nearest":
                    yield from _check_join(layout, dataset, encoder, reference)
                elif made := _views(layout, dataset, encoder, reference):
                    for view in made:
                        next(EmbeddingSet(layout.root, f"{dataset}-minus-{view}", encoder).blocks(1), None)  # opens the kept rows
                else:
                    yield f"{folder}: there is no summary.json: the job did not finish"
            except LacunaError as error:
                yield f"{folder}: {error}"
    for dataset in sub_folders(join(layout.root, "analysis")):
        for encoder in sub_folders(join(layout.root, "analysis", dataset)):
            yield from _check_metrics(layout.metrics(dataset, encoder))


def _views(layout: RootPaths, dataset: str, encoder: str, reference: str) -> list[str]:
    """The references, with their labels, against which there are results."""
    labels = sub_folders(join(layout.dedupe_dir(dataset, encoder, reference), "views"))
    names = [reference, *(f"{reference}@{label}" for label in labels)]
    return [name for name in names if exists(layout.dedupe_summary(dataset, encoder, name))]


def _check_join(layout: RootPaths, dataset: str, encoder: str, reference: str) -> Iterator[str]:
    records = NearestSet(layout.root, dataset, encoder, reference).records
    folder = layout.nearest_dir(dataset, encoder, reference)
    for shard, record in records.items():
        url = layout.nearest(dataset, encoder, reference, shard)
        if (found := sha256_if_there(url)) != record.output["sha256"]:
            yield f"{url}: {'recorded, but not there' if found is None else 'its sha256 is not the one in its record'}"
    for name in list_files(folder, ".parquet"):
        if name.removesuffix(".parquet") not in records:
            yield f"{join(folder, name)}: no record names it"


def _check_metrics(url: str) -> Iterator[str]:
    try:
        if not isinstance(found := read_json(url), dict) or found.get("schema") != 1:
            yield f"{url}: its schema is not 1"
    except FileNotFoundError:
        yield f"{url}: missing: the job did not finish"
    except ValueError as error:
        yield f"{url}: cannot be read: {error}"


def sub_folders(url: str) -> list[str]:
    """Names of the folders in `url` that can be names of data sets or encoders, sorted; none if `url` is missing."""
    fs, path = filesystem(url)
    try:
        entries = fs.ls(path, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return []
    names = [str(entry["name"]).rstrip("/").rsplit("/", 1)[-1] for entry in entries if entry["type"] == "directory"]
    return sorted(name for name in names if name[0] not in "._")


def _triples(url: str) -> Iterator[tuple[str, str, str]]:
    for dataset in sub_folders(url):
        for encoder in sub_folders(join(url, dataset)):
            for reference in sub_folders(join(url, dataset, encoder)):
                yield dataset, encoder, reference
