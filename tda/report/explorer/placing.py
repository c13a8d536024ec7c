"""The places of every model's points, turned onto those of the first model, and checkpoints onto the one after them.

P pairs, C coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tda.report.explorer.align import turned_alike
from tda.report.explorer.columns import Shown
from tda.report.explorer.density import density_of
from tda.report.explorer.models import Model

PROJECTIONS = ("sphere", "plane", "pca")


@dataclass(kw_only=True)
class Placed:
    """Of one model: (2, P, C) by projection, images first, and the counts of all rows where not all of them are shown."""

    place: dict[str, NDArray[Any]] = field(default_factory=dict)
    density: dict[str, Any] | None = None


def placed(root: str, models: Sequence[Model], columns: Sequence[Shown]) -> list[Placed]:
    """Turned places of every model, in their order."""
    fixed, found = _targets(models), [Placed() for _ in models]
    for name in PROJECTIONS:
        layouts = [shown.place.get(name) for shown in columns]
        for one, layout in zip(found, turned_alike(layouts, fixed, centred=name != "sphere"), strict=True):
            if layout is not None:
                one.place[name] = layout.astype(np.float32)
    for model, shown, one in zip(models, columns, found, strict=True):
        if "sphere" in one.place:
            one.density = density_of(root, model, _turn(shown.place["sphere"], one.place["sphere"]))
    return found


def _targets(models: Sequence[Model]) -> list[int | None]:
    """For each model the place of the one that it is turned onto: for a checkpoint the next step of its run, else the first model."""
    tracks: dict[str, list[int]] = {}
    for place, model in enumerate(models):
        if model.track:
            tracks.setdefault(model.track, []).append(place)
    targets: list[int | None] = [0] * len(models)
    for places in tracks.values():
        ordered = sorted(places, key=lambda place: models[place].step or 0)
        for now, after in pairwise(ordered):
            targets[now] = after
        targets[ordered[-1]] = 0 if 0 not in ordered else None
    targets[0] = targets[0] if models[0].track else None
    return targets


def _turn(before_2P3: NDArray[Any], after_2P3: NDArray[Any]) -> NDArray[Any]:
    """(3, 3): the turn between two layouts of the same points."""
    before, after = before_2P3.reshape(-1, 3), after_2P3.reshape(-1, 3)
    there = np.isfinite(before).all(axis=1) & np.isfinite(after).all(axis=1)
    if there.sum() < before.shape[1]:
        return np.eye(3)
    turn_33: NDArray[Any] = np.linalg.lstsq(before[there], after[there], rcond=None)[0]
    return turn_33
