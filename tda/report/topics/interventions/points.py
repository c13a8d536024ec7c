"""The interventions of a cell, looked up: each a point with its numbers, intervals and change."""

from collections.abc import Mapping
from typing import Any

from tda.report.data.load import Cell

PART = "interventions"
CLOSED = ("shift", 1.0)  # the intervention that brings the two means together and does nothing else
MARGIN = 0.02  # a change within it is none, as a share of the queries or of NDCG
LEAST_PAIRS = 200  # with fewer a change of `MARGIN` can be missed altogether
MEASURES = ("top1", "mixed")


def points(cell: Cell, kind: str | None = None) -> list[dict[str, Any]]:
    """All points, or those of one kind, in the order of their amounts."""
    found = (cell.metrics.get(PART) or {}).get("points") or []
    return [point for point in found if kind in (None, point["kind"])]


def along(cell: Cell, kind: str) -> list[dict[str, Any]]:
    """A curve: the rows as they are at 0, and every amount of one kind."""
    return sorted([*points(cell, "none"), *points(cell, kind)], key=lambda point: float(point["amount"]))


def at(cell: Cell, kind: str, amount: float) -> dict[str, Any] | None:
    return next((point for point in points(cell, kind) if point["amount"] == amount), None)


def mean_top1(point: Mapping[str, Any]) -> float:
    return float(point["image_to_text"] + point["text_to_image"]) / 2


def best_dropped(cell: Cell) -> dict[str, Any] | None:
    """The number of removed dimensions that leaves the smallest gap."""
    return min(points(cell, "drop"), key=lambda point: float(point["gap"]), default=None)


def verdict(cell: Cell, measure: str) -> str | None:
    """What closing the gap does to a measure: raised, lowered, unchanged (within `MARGIN`) or undecided.

    By the 99 % interval, as a sentence has two measures of several models. None where it was not measured, or on too few pairs.
    """
    point = at(cell, *CLOSED)
    if point is None or cell.metrics[PART]["pairs"] < LEAST_PAIRS:
        return None
    low, high = point["change"][measure]["ci99"]
    if low > 0 or high < 0:
        return "raised" if low > 0 else "lowered"
    return "unchanged" if low > -MARGIN and high < MARGIN else "undecided"
