"""The checkpoints of training runs that `jobs.watch` has followed, with their numbers on each data set."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tda.report.data.read import json_of
from tda.store.files import exists, join, list_folders
from tda.store.paths import RootPaths


@dataclass(frozen=True, kw_only=True)
class Point:
    """One checkpoint of the training run `model` on one data set; without metrics where it is not analysed."""

    model: str
    dataset: str
    step: int
    encoder: str
    state: str
    metrics: dict[str, Any] = field(default_factory=dict)

    def value(self, *path: str) -> float | None:
        """A number of metrics.json; None if it was not measured."""
        found: Any = self.metrics
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def watched_points(root: str, analysed: Collection[tuple[str, str]], digest: Any) -> tuple[Point, ...]:
    """Every checkpoint on every data set of its run, by model, data set and step; `analysed` are (data set, encoder)."""
    points: list[Point] = []
    for model in list_folders(join(root, "watch")):
        if not exists(url := RootPaths(root).watched(model)):
            continue
        listed = json_of(url, digest)
        for dataset in listed["datasets"]:
            for row in listed["checkpoints"]:
                there = row["state"] == "succeeded" and (dataset, row["encoder"]) in analysed
                metrics = json_of(RootPaths(root).metrics(dataset, row["encoder"]), digest) if there else {}
                named = {"encoder": row["encoder"], "state": row["state"], "step": int(row["step"])}
                points.append(Point(model=model, dataset=dataset, metrics=metrics, **named))
    return tuple(sorted(points, key=lambda point: (point.model, point.dataset, point.step, point.encoder)))


def earlier(points: Collection[Point]) -> set[str]:
    """The encoders of all analysed checkpoints but the last of each training run: the page shows these by their numbers alone."""
    analysed = sorted((point for point in points if point.metrics), key=lambda point: point.step)
    last = {point.model: point.encoder for point in analysed}
    return {point.encoder for point in analysed} - set(last.values())
