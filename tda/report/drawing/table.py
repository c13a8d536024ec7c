"""A table: its columns on the page, and its CSV with every digit."""

import csv
import io
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from tda.report.data.evidence import name, remarks
from tda.report.data.load import Cell, Run
from tda.report.data.stale import MARK
from tda.report.data.words import fixed

Value = str | float | None
NOTHING = "–"


@dataclass(frozen=True, kw_only=True)
class Column:
    """`group` is the heading over neighbouring columns; `show` formats a number."""

    label: str
    show: Callable[[float], str] = fixed
    group: str = ""
    paged: bool = True  # False: in the CSV only
    filed: bool = True  # False: on the page only
    numeric: bool = True

    @property
    def of_paper(self) -> bool:
        return self.group.startswith(("Paper", "Published", "Less the"))


@dataclass(frozen=True, kw_only=True)
class Table:
    """The first `outer` columns name a block of rows, the next names a row. None: not measured, or not in the paper."""

    name: str
    label: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    sentences: Sequence[str]
    note: str = ""
    remarks: Sequence[str] = ()  # of the analysis
    missing: Sequence[str] = ()  # missing inputs, each with the command that makes it
    outer: int = 1
    section: str = ""  # of the page: its topic's
    topic: int = field(default=0, compare=False)  # identity of its topic
    stale: Collection[int] = ()  # rows whose numbers are of other rows of the data set than there are now: marked on the page

    @property
    def _places(self) -> list[int]:
        """Columns of the page: without those that name a block, and without empty columns of the paper."""
        known = [any(row[place] is not None for row in self.rows) for place in range(len(self.columns))]
        paged = [column.paged and (known[place] or not column.of_paper) for place, column in enumerate(self.columns)]
        return [place for place in range(self.outer, len(self.columns)) if paged[place]]

    @property
    def paged(self) -> list[Column]:
        return [self.columns[place] for place in self._places]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings over the page's columns, each with the number of columns it spans."""
        spans: list[tuple[str, int]] = []
        for column in self.paged:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans

    @property
    def blocks(self) -> dict[str, list[list[str]]]:
        """The page's rows as text, under the names of their block."""
        blocks: dict[str, list[list[str]]] = {}
        for number, row in enumerate(self.rows):
            text = [_shown(self.columns[place], row[place]) for place in self._places]
            text[0] += f" {MARK}" if number in self.stale else ""
            blocks.setdefault(", ".join(str(part) for part in row[: self.outer]), []).append(text)
        return blocks

    def csv(self) -> bytes:
        """One header line, then numbers with all their digits, fractions not percentages; an empty cell is unknown."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        filed = [place for place, column in enumerate(self.columns) if column.filed]
        writer.writerow([plain(": ".join(filter(None, (self.columns[place].group, self.columns[place].label)))) for place in filed])
        writer.writerows([["" if row[place] is None else _filed(row[place]) for place in filed] for row in self.rows])
        return buffer.getvalue().encode()


def plain(text: str) -> str:
    """Text that a spreadsheet does not compute: with an apostrophe before what would begin a formula."""
    return f"'{text}" if text.lstrip()[:1] in {"=", "+", "-", "@"} or text[:1] in {"\t", "\r", "\n"} else text


def _filed(cell: Value) -> Value:
    return plain(cell) if isinstance(cell, str) else cell


def _shown(column: Column, cell: Value) -> str:
    return NOTHING if cell is None else cell if isinstance(cell, str) else column.show(cell)


def count(number: float) -> str:
    return f"{number:,.0f}"


def tenth(number: float) -> str:
    return f"{number:,.1f}"


def model_values(run: Run, cell: Cell) -> list[Value]:
    return [cell.shown, name(cell.encoder, run.config)]


def model_columns() -> list[Column]:
    return [Column(label="Data set"), Column(label="Model", numeric=False)]


def remarks_of(run: Run, *parts: str) -> list[str]:
    """Notes of the analysis about these parts, each with its data set and model."""
    return [f"{cell.shown}, {name(cell.encoder, run.config)}: {note}" for cell in run.cells for note in remarks(cell, *parts)]


def interval_text(found: Any, show: Callable[[float], str]) -> str | None:
    """An interval for the page; None where an end is unknown."""
    return f"{show(found[0])} to {show(found[1])}" if found and None not in found else None
