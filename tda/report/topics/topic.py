"""A topic: one question of the report, with all that answers it. The page is the list of them, in `registry`."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tda.report.data.load import Run
from tda.report.drawing.figure import FigureSpec
from tda.report.drawing.table import Table

SECTIONS = {  # of the page, with their titles
    "paper": "The paper's claims",
    "data": "The data",
    "gap": "The gap between modalities",
    "settings": "Other settings",
    "dimension": "Dimension and collapse",
    "retrieval": "Retrieval",
    "beyond": "Beyond the paper",
    "training": "Training",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One short sentence for the head of the page, with the number and the interval that carry it.

    `clear`: the interval excludes what chance shows. What is not clear stands there only where too little else does.
    """

    sentence: str
    clear: bool


@dataclass(frozen=True, kw_only=True)
class Headline:
    """A question of the page and its answer: one sentence a data set, none for what was not measured.

    `figure` and `table` name what shows it, of any topic; `top` is what the head of the page says of it.
    """

    subject: str
    sentences: Callable[[Run], list[str]]
    question: str = ""  # its title on the page; empty: the subject
    figure: str = ""  # several, with spaces between: the first that is drawn. Empty: the first of its topic that no other question has
    table: str = ""  # empty: likewise
    top: Callable[[Run], Finding | None] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One question of the report: its section, what it reads, and the figures, tables and headlines that answer it.

    `reads` names parts of metrics.json (with `metrics.` before them), Parquet files of an analysis, and other results by their field
    of `Cell` or `Run`. What a figure needs must be among them.
    """

    section: str  # of SECTIONS
    reads: tuple[str, ...]
    figures: tuple[FigureSpec, ...] = ()
    tables: tuple[Callable[[Run], Table], ...] = ()
    headlines: tuple[Headline, ...] = ()

    def __post_init__(self) -> None:
        if self.section not in SECTIONS:
            raise ValueError(f"section {self.section!r} of a topic is unknown; known are {', '.join(SECTIONS)}")
        for spec in self.figures:
            if spec.needs not in self.reads:
                raise ValueError(f"figure {spec.name} needs {spec.needs!r}, which its topic does not read: add it to `reads`")

    def made(self, run: Run) -> list[Table]:
        """Its tables with anything in them, in its section."""
        made = [table(run) for table in self.tables]
        return [replace(table, section=self.section, topic=id(self)) for table in made if table.rows or table.missing]
