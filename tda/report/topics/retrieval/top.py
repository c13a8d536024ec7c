"""What the head of the page says of retrieval."""

from collections.abc import Mapping
from typing import Any

from tda.report.data.evidence import name, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import percent
from tda.report.topics.heads import PAPER, heads, wilson
from tda.report.topics.rules import TOP1, queries
from tda.report.topics.topic import Finding


def retrieval(run: Run) -> Finding | None:
    """Which model finds the partner more often, by paired ranks; without these each model's own top-1."""
    return next(filter(None, (_paired(run, dataset) for dataset in run.datasets)), None) or _alone(run)


def _paired(run: Run, dataset: str) -> Finding | None:
    numbers = (run.comparisons.get(dataset, {}).get("prediction_1") or {}).get("numbers") or {}
    found = (numbers.get("top1_difference") or {}).get("image_to_text")
    roles = {run.config.models.get(cell.encoder): cell for cell in run.of(dataset)}
    if not isinstance(found, Mapping) or not found.get("ci95") or not all(role in roles for role in PAPER):
        return None
    clip, cloob = (roles[role] for role in PAPER)
    return _difference(found, clip, cloob, run)


def _difference(found: Mapping[str, Any], clip: Cell, cloob: Cell, run: Run) -> Finding:
    low, high = found["ci95"]
    better, worse = (clip, cloob) if found["value"] >= 0 else (cloob, clip)
    by = abs(found["value"])
    ends = sorted((low, high) if found["value"] >= 0 else (-high, -low))
    first, second = clip.modalities
    clear = low > 0 or high < 0
    verb = "finds the partner more often than" if clear else "finds the partner about as often as"
    interval = f"{_signed(ends[0])} to {_signed(ends[1])}"
    points = f"{100 * by:.1f} points of top-1, {first} to {second} (95% interval {interval})"
    who = f"{name(better.encoder, run.config)} {verb} {name(worse.encoder, run.config)}"
    return Finding(sentence=f"{who} on {clip.shown}: by {points}.", clear=clear)


def _alone(run: Run) -> Finding | None:
    found = heads(run, TOP1[0])
    if not found:
        return None
    parts = []
    for cell in found:
        share = value(cell, *TOP1[0]) or 0.0
        low, high = wilson(share, queries(cell))
        parts.append(f"{percent(share)} ({percent(low)} to {percent(high)}) of queries in {name(cell.encoder, run.config)}")
    ends = [wilson(value(cell, *TOP1[0]) or 0.0, queries(cell)) for cell in found]
    clear = len(ends) == 1 or ends[0][0] > ends[1][1] or ends[1][0] > ends[0][1]
    first, second = found[0].modalities
    return Finding(sentence=f"The partner ranks first, {first} to {second}, for {' and for '.join(parts)}.", clear=clear)


def _signed(share: float) -> str:
    """A difference of shares in points."""
    return f"{100 * share:+.1f}".replace("-", "−")
