"""What the checkpoints of a run show, in sentences."""

from collections.abc import Sequence

from tda.report.data.evidence import name
from tda.report.data.load import Run
from tda.report.data.watched import Point
from tda.report.data.words import listing
from tda.report.topics.over_training.numbers import Number, label_of, measured, series

SAID = 3  # numbers in a sentence; the table has all
NAMED = 5  # steps that are named


def over_training(run: Run) -> list[str]:
    """For each model and data set: from what to what the numbers went, and which steps are missing."""
    sentences = []
    for (model, dataset), points in series(run).items():
        analysed = [point for point in points if point.metrics]
        if len(analysed) > 1:
            sentences.append(_went(run, f"{name(model, run.config)} on {run.shown(dataset)}", analysed))
        if lacking := [point for point in points if not point.metrics]:
            sentences.append(f"{name(model, run.config)} on {run.shown(dataset)} has no numbers at {_steps(lacking)}.")
    return sentences


def _went(run: Run, subject: str, points: Sequence[Point]) -> str:
    first, last = points[0], points[-1]
    parts = [_change(run, number, first, last) for number in measured(run)]
    return f"{subject}, from step {first.step:,} to {last.step:,}: {listing(list(filter(None, parts))[:SAID])}."


def _change(run: Run, number: Number, first: Point, last: Point) -> str:
    before, after = first.value(*number.path), last.value(*number.path)
    if before is None or after is None:
        return ""
    return f"{label_of(number, run)} {number.show(before)} to {number.show(after)}"


def _steps(points: Sequence[Point]) -> str:
    named = [f"{point.step:,} ({point.state})" for point in points[:NAMED]]
    more = [f"{len(points) - NAMED} more"] if len(points) > NAMED else []
    return f"step{'s' * (len(points) > 1)} {listing([*named, *more])}"
