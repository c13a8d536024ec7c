"""The headline numbers of a checkpoint, and where metrics.json has them."""

from collections.abc import Callable
from dataclasses import dataclass

from tda.report.data.load import Run
from tda.report.data.watched import Point
from tda.report.data.words import fixed, percent


@dataclass(frozen=True)
class Number:
    label: str
    path: tuple[str, ...]
    show: Callable[[float], str] = fixed


NUMBERS = (
    Number("Gap", ("gap", "centroid_distance")),
    Number("Pair cosine", ("cosine", "pair", "mean")),
    Number("Random cosine", ("cosine", "random", "mean")),
    Number("SVM held out", ("separability", "heldout", "accuracy"), percent),
    Number("Top-1, {first} to {second}", ("retrieval", "image_to_text", "top1"), percent),
    Number("Top-1, {second} to {first}", ("retrieval", "text_to_image", "top1"), percent),
    Number("Effective rank, {first}", ("spectrum", "image", "effective_rank")),
    Number("Effective rank, {second}", ("spectrum", "text", "effective_rank")),
    Number("Squared pair distance", ("alignment", "mean_squared_distance")),
)


def label_of(number: Number, run: Run) -> str:
    first, second = run.modalities
    return number.label.format(first=first, second=second)


def measured(run: Run) -> list[Number]:
    """The numbers that any checkpoint has."""
    return [number for number in NUMBERS if any(point.value(*number.path) is not None for point in run.watched)]


def series(run: Run) -> dict[tuple[str, str], list[Point]]:
    """(model, data set) -> its checkpoints by step, those without numbers among them."""
    found: dict[tuple[str, str], list[Point]] = {}
    for point in run.watched:
        found.setdefault((point.model, point.dataset), []).append(point)
    return found
