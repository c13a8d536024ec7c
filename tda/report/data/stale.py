"""Marks of numbers and figures that are of other rows than the root holds now."""

from collections.abc import Sequence
from typing import Any

from tda.config.stages import ReportConfig
from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run

MARK = "†"
_NOT_OF_ROWS = ("closest", "curve", "watched")  # what a figure needs, where it is not made of the rows of one analysis


def stale(run: Run) -> list[Cell]:
    """The cells of other rows."""
    return [cell for cell in run.cells if cell.stale]


def warning(run: Run) -> str:
    """One sentence for the page and for the command's result; "" where all numbers are of the rows that are there."""
    cells = [f"{cell.shown}, {name(cell.encoder, run.config)}" for cell in stale(run)]
    return f"Of other rows than there are now: {'; '.join(cells)}. Run jobs.analyze again" if cells else ""


def figure_warning(run: Run, needs: str) -> str:
    """The same for a figure, by what it needs."""
    return "" if needs in _NOT_OF_ROWS else warning(run)


def stale_rows(run: Run, rows: Sequence[Sequence[Any]]) -> frozenset[int]:
    """Numbers of a table's rows that name a stale cell: its data set first, its model in one of the columns that name the row."""
    named = {(cell.shown, word) for cell in stale(run) for word in _words(cell, run.config)}
    return frozenset(place for place, row in enumerate(rows) if any((row[0], word) in named for word in row[1:4] if isinstance(word, str)))


def _words(cell: Cell, config: ReportConfig) -> set[str]:
    return {cell.encoder, name(cell.encoder, config), *filter(None, [config.ablation.get(cell.encoder)])}
