"""What the explorer shows of each data set: the models on the page, and the earlier checkpoints of watched training runs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tda.columns import Columns
from tda.errors import LacunaError
from tda.report.data.load import Run
from tda.report.data.read import columns_of
from tda.report.data.watched import Point
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.files import exists, join
from tda.store.paths import RootPaths

TABLES = ("layout", "clusters", "pca", "ranks")


@dataclass(frozen=True, kw_only=True)
class Model:
    """One encoder on one data set. `track` and `step` are those of a checkpoint of a watched training run."""

    dataset: str
    encoder: str
    metrics: Mapping[str, Any]
    tables: Mapping[str, Columns] = field(default_factory=dict)
    embeddings: EmbeddingSet | None = None  # None where they are under another root
    track: str = ""
    step: int | None = None

    @property
    def digest(self) -> str:
        return self.embeddings.digest if self.embeddings else ""


def models_of(run: Run) -> tuple[dict[str, list[Model]], list[str]]:
    """By data set the models in the order of the page, then earlier checkpoints by step; and a line for each that is left out."""
    points = {(point.dataset, point.encoder): point for point in run.watched if point.metrics}
    found: dict[str, list[Model]] = {dataset: [] for dataset in run.datasets}
    notes: list[str] = []
    for cell in run.cells:
        if cell.stale:
            command = f"python -m jobs.analyze dataset.name={cell.dataset} encoder.name={cell.encoder} root={run.root}"
            notes.append(f"{cell.encoder} on {cell.dataset} was measured on other rows than there are now: {command}")
            continue
        point = points.pop((cell.dataset, cell.encoder), None)
        found[cell.dataset].append(_model(run.root, (cell.dataset, cell.encoder), cell.metrics, cell.parquet, point))
    for (dataset, encoder), point in points.items():
        found.setdefault(dataset, []).append(
            _model(run.root, (dataset, encoder), point.metrics, _tables(run.root, dataset, encoder, point.metrics), point)
        )
    return {dataset: models for dataset, models in found.items() if models}, notes


def _model(root: str, names: tuple[str, str], metrics: Mapping[str, Any], tables: Mapping[str, Columns], point: Point | None) -> Model:
    dataset, encoder = names
    try:
        embeddings = EmbeddingSet(root, dataset, encoder)
    except (LacunaError, OSError):
        embeddings = None
    shown = {name: tables[name] for name in TABLES if name in tables}
    track, step = (point.model, point.step) if point else ("", None)
    return Model(dataset=dataset, encoder=encoder, metrics=metrics, tables=shown, embeddings=embeddings, track=track, step=step)


def _tables(root: str, dataset: str, encoder: str, metrics: Mapping[str, Any]) -> dict[str, Columns]:
    """The tables of a checkpoint that the page shows by its numbers alone."""
    folder, entries = RootPaths(root).analysis_dir(dataset, encoder), metrics.get("tables") or {}
    urls = {name: join(folder, f"{name}.parquet") for name in TABLES}
    read = {name: columns_of(url, hashlib.sha256(), (), entries.get(name)) for name, url in urls.items() if exists(url)}
    return {name: columns for name, columns in read.items() if columns is not None}
