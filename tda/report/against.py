"""Two roots side by side: the same numbers of the same data sets and models, their differences, and which of them moved.

The roots may be two versions of the code, two seeds, or two trainings; rows are matched by the names of data set and model.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tda.config.stages import ReportConfig
from tda.errors import UserError
from tda.report.data.evidence import name, value
from tda.report.data.load import Cell, Run, load_run
from tda.report.data.words import fixed, percent, signed
from tda.report.drawing.table import Column, Table, Value
from tda.report.topics.heads import Z, gap_interval, wilson
from tda.report.topics.rules import GAP, queries
from tda.store.files import join, publish_bytes
from tda.store.paths import RootPaths

Ends = tuple[float, float]


@dataclass(frozen=True)
class Measure:
    """A number that two roots are compared by. `ends` is its 95% interval; None where none is known."""

    label: str
    path: tuple[str, ...]
    ends: Callable[[Cell, float], Ends | None]
    show: Callable[[float], str] = fixed


def _share_of(draws: Callable[[Cell], float]) -> Callable[[Cell, float], Ends | None]:
    return lambda cell, found: wilson(min(max(found, 0.0), 1.0), max(draws(cell), 1.0))


def _pairs(cell: Cell) -> float:
    return value(cell, "pairs") or 1.0


def _of_mean(kind: str) -> Callable[[Cell, float], Ends | None]:
    """The interval of a mean cosine over pairs, from its standard deviation."""

    def ends(cell: Cell, found: float) -> Ends | None:
        std = value(cell, "cosine", kind, "std")
        return None if std is None else (found - Z * std / math.sqrt(_pairs(cell)), found + Z * std / math.sqrt(_pairs(cell)))

    return ends


def _stored(*path: str) -> Callable[[Cell, float], Ends | None]:
    """The interval beside a number in metrics.json."""

    def ends(cell: Cell, _: float) -> Ends | None:
        found: Any = cell.metrics
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return (float(found[0]), float(found[1])) if found and None not in found else None

    return ends


def _within_errors(cell: Cell, found: float) -> Ends | None:
    error = value(cell, "dimension", "two_nn", "both", "stderr")
    return None if error is None else (found - Z * error, found + Z * error)


_PARTIAL = "partial_spearman_given_size"
MEASURES = (
    Measure("Gap", GAP, lambda cell, _: gap_interval(cell)),
    Measure("Pair cosine", ("cosine", "pair", "mean"), _of_mean("pair")),
    Measure("SVM held out", ("separability", "heldout", "accuracy"), _share_of(_pairs), percent),
    Measure("Top-1, image to text", ("retrieval", "image_to_text", "top1"), _share_of(queries), percent),
    Measure("Top-1, text to image", ("retrieval", "text_to_image", "top1"), _share_of(queries), percent),
    Measure("Effective rank", ("spectrum", "both", "effective_rank"), lambda *_: None),
    Measure("Two-NN dimension", ("dimension", "two_nn", "both", "value"), _within_errors),
    Measure("Local dimension, given size", ("local_dimension", _PARTIAL), _stored("local_dimension", "ci95", _PARTIAL), signed),
)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The finished comparison: the page's URL, how many numbers were compared, and how many moved."""

    url: str
    numbers: int
    moved: int
    alone: tuple[str, ...]  # cells that one root alone has
    table: Table


def compare(root: str, against: str, config: ReportConfig) -> Compared:
    """Write `<root>/report/against.html` and against.csv. Raises UserError where the roots have no data set and model in common."""
    from tda.report.against_page import page

    one, other = load_run(root, config, frozenset()), load_run(against, config, frozenset())
    table, alone = compared_table(one, other), _alone(one, other)
    if not table.rows:
        raise UserError(f"root={root} and against={against} have no number of the same data set and model in common")
    folder = RootPaths(root).report().rpartition("/")[0]
    publish_bytes(join(folder, "against.csv"), table.csv())
    publish_bytes(join(folder, "against.html"), page(table, alone, (root, against)).encode())
    moved = sum(row[-1] == MOVED for row in table.rows)
    return Compared(url=join(folder, "against.html"), numbers=len(table.rows), moved=moved, alone=tuple(alone), table=table)


MOVED, SAME, UNKNOWN = "moved", "within the intervals", "no interval"


def compared_table(one: Run, other: Run) -> Table:
    """One row a data set, model and number: both values, the difference, its 95% interval, and whether it moved."""
    those = {(cell.dataset, cell.encoder): cell for cell in other.cells}
    rows = [
        row
        for cell in one.cells
        if (beside := those.get((cell.dataset, cell.encoder)))
        for measure in MEASURES
        if (row := _row(one, cell, beside, measure))
    ]
    moved = [row for row in rows if row[-1] == MOVED]
    return Table(
        name="against",
        label="Against",
        title="The same numbers of two roots",
        columns=[
            Column(label="Data set"), Column(label="Model", numeric=False), Column(label="Number", numeric=False),
            Column(label="First"), Column(label="Second"), Column(label="Difference"),
            Column(label="95% interval", filed=False), Column(label="from", paged=False), Column(label="to", paged=False),
            Column(label="Verdict", numeric=False),
        ],
        rows=rows,
        sentences=[f"{len(moved)} of {len(rows)} numbers moved."] if rows else [],
        note="Second less first. The interval of a difference joins those of both numbers as of different pairs, which is wide where the "
        "pairs are the same. A gap's interval is wide enough whatever direction pairs scatter in.",
        outer=2,
    )  # fmt: skip


def _row(run: Run, cell: Cell, beside: Cell, measure: Measure) -> list[Value] | None:
    first, second = value(cell, *measure.path), value(beside, *measure.path)
    if first is None or second is None:
        return None
    between = second - first
    ends = _difference(between, (first, measure.ends(cell, first)), (second, measure.ends(beside, second)))
    verdict = UNKNOWN if ends is None and between else MOVED if ends and (ends[0] > 0 or ends[1] < 0) else SAME
    shown = f"{measure.show(ends[0])} to {measure.show(ends[1])}" if ends else None
    named: list[Value] = [cell.shown, name(cell.encoder, run.config), measure.label]
    return [*named, first, second, between, shown, *(ends or (None, None)), verdict]


def _difference(between: float, one: tuple[float, Ends | None], other: tuple[float, Ends | None]) -> Ends | None:
    """The interval of a difference from the two of its numbers (Newcombe 1998, method 10)."""
    (first, of_first), (second, of_second) = one, other
    if of_first is None or of_second is None:
        return None
    below = math.hypot(second - of_second[0], of_first[1] - first)
    above = math.hypot(of_second[1] - second, first - of_first[0])
    return between - below, between + above


def _alone(one: Run, other: Run) -> list[str]:
    """Lines on what one root alone has."""
    first, second = ({(cell.dataset, cell.encoder) for cell in run.cells} for run in (one, other))
    lines = []
    for run, own in ((one, first - second), (other, second - first)):
        lines += [f"{dataset}, {encoder}: in {run.root} alone" for dataset, encoder in sorted(own)]
    return lines


def as_lines(table: Table) -> Sequence[str]:
    """What moved, for a terminal."""
    moved = [row for row in table.rows if row[-1] == MOVED]
    words = [f"{row[0]}, {row[1]}: {row[2]} {fixed(float(row[3] or 0))} to {fixed(float(row[4] or 0))}" for row in moved]
    return words or ["nothing moved beyond its interval"]
