"""`report/explore.html`: the spheres of a run to turn, search and compare, with its data files in `report/explore/`.

The page and its scripts are the same for every run; what differs are data files, written as scripts, and sheets of pictures. The manifest
beside them is written last: the same input is not made again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from tda.report.data.evidence import name as label
from tda.report.data.load import Run
from tda.report.data.names import shown_names
from tda.report.data.words import visible
from tda.report.explorer.columns import columns_of_model
from tda.report.explorer.content import dataset_content, dataset_entry, model_content, model_entry, pictured
from tda.report.explorer.models import TABLES, Model, models_of
from tda.report.explorer.pairs import shown_pairs
from tda.report.explorer.payload import script
from tda.report.explorer.placing import placed
from tda.report.explorer.sprites import sprites_of
from tda.source_digest import source_digest
from tda.store.commit.versions import sha256_if_there
from tda.store.documents import document_if_whole, entry_of, named_files, sealed
from tda.store.files import join, list_files, publish_bytes, publish_json, remove
from tda.store.paths import RootPaths

FOLDER, PAGE, MANIFEST = "explore", "explore.html", "manifest.json"
SETTINGS = ("explorer", "pictures", "picture_side", "formats", "max_pixels", "network", "models", "ablation", "names")


@dataclass(frozen=True, kw_only=True)
class Explorer:
    """`page` goes beside the report as explore.html. `digest` is of everything that was shown."""

    digest: str
    page: bytes = b""
    files: tuple[str, ...] = ()


def has_explorer(run: Run) -> bool:
    """Whether a run has anything to explore, and its settings ask for it."""
    return bool(run.config.explorer) and any(set(TABLES) & set(cell.parquet) for cell in run.cells)


def build_explorer(run: Run) -> Explorer | None:
    """Write `report/explore/` unless it stands; None where nothing is to be shown."""
    if not has_explorer(run):
        return None
    found, notes = models_of(run)
    folder = join(RootPaths(run.root).report().rpartition("/")[0], FOLDER)
    digest = _digest(run, found, notes)
    page = resources.files("tda.report.explorer").joinpath("web", PAGE).read_bytes()
    url = join(folder, MANIFEST)
    before = document_if_whole(url)
    if before.get("digest") == digest and all(sha256_if_there(file) == entry.get("sha256") for file, entry in named_files(url, before)):
        return Explorer(digest=digest, page=page, files=tuple(before["files"]))
    made = _made(run, found, notes)
    for name, data in made.items():
        publish_bytes(join(folder, name), data)
    publish_json(url, sealed({"digest": digest, "files": {name: entry_of(data) for name, data in made.items()}}))
    for name in set(list_files(folder)) - set(made) - {MANIFEST}:
        remove(join(folder, name))
    return Explorer(digest=digest, page=page, files=tuple(made))


def _digest(run: Run, found: Mapping[str, Sequence[Model]], notes: Sequence[str]) -> str:
    settings = {name: getattr(run.config, name) for name in SETTINGS}
    rows = [[model.dataset, model.encoder, model.digest] for models in found.values() for model in models]
    whole = [run.digest, settings, rows, list(notes), source_digest("tda.report")]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _made(run: Run, found: Mapping[str, Sequence[Model]], notes: Sequence[str]) -> dict[str, bytes]:
    """Every file of the folder, by name."""
    names = shown_names(found, run.config.names)
    files, datasets, entries = _web(), list[dict[str, Any]](), list[dict[str, Any]]()
    for number, (dataset, models) in enumerate(found.items()):
        pairs = shown_pairs(models, run.config.explorer)
        columns = [columns_of_model(run.root, model, pairs) for model in models]
        contents = []
        for model, shown, place in zip(models, columns, placed(run.root, models, columns), strict=True):
            contents.append(model_content(model, shown, place, pairs.captions))
            name = f"model-{len(entries)}"
            files[f"{name}.js"] = script(name, contents[-1])
            role = run.config.models.get(model.encoder) or run.config.ablation.get(model.encoder, "")
            shown_as = "" if model.track else label(model.encoder, run.config)
            entries.append({"dataset": number, "role": role, "shown": shown_as, "file": name, **model_entry(model, contents[-1], pairs)})
        sprites = sprites_of(run.root, models, pairs, pictured(contents, len(pairs)), run.config)
        sheets = [f"pictures-{number}-{sheet}.jpg" for sheet in range(len(sprites.sheets))]
        files |= dict(zip(sheets, sprites.sheets, strict=True))
        files[f"dataset-{number}.js"] = script(f"dataset-{number}", dataset_content(pairs, sprites))
        datasets.append(
            {"name": dataset, "shown": names[dataset], "file": f"dataset-{number}", **dataset_entry(models, pairs, sprites, sheets)}
        )
    index = {"datasets": datasets, "models": entries, "notes": [visible(note, 400) for note in notes]}
    return {**files, "index.js": script("index", index)}


def _web() -> dict[str, bytes]:
    """The scripts and styles of this package."""
    folder = resources.files("tda.report.explorer").joinpath("web")
    return {item.name: item.read_bytes() for item in folder.iterdir() if item.name.endswith((".js", ".css"))}
