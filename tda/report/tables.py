"""The tables of the report: for the page, and as CSV with every digit."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tda.report import findings
from tda.report.evidence import GAP, gap_by_chance, name, value
from tda.report.load import Cell, Run
from tda.report.published import ARMS_TOP1, PAIRS, RETRIEVAL, SEPARABILITY
from tda.report.words import fixed, percent

Value = str | float | None
NOTHING = "–"


@dataclass(frozen=True, kw_only=True)
class Column:
    """`group` is the heading over neighbouring columns; `show` writes a number."""

    label: str
    show: Callable[[float], str] = fixed
    group: str = ""
    paged: bool = True  # False: in the CSV alone
    numeric: bool = True

    @property
    def of_paper(self) -> bool:
        return self.group.startswith(("Paper", "Published"))


@dataclass(frozen=True, kw_only=True)
class Table:
    """`outer` columns at the left name a block of rows, the next names a row. None: not measured, or not in the paper."""

    name: str
    label: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    sentences: Sequence[str]
    section: str  # of figures.SECTIONS
    note: str = ""
    outer: int = 1

    @property
    def _places(self) -> list[int]:
        """Columns of the page: not a block's names, which stand over it, nor what the paper has nothing for."""
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
        for row in self.rows:
            text = [_shown(self.columns[place], row[place]) for place in self._places]
            blocks.setdefault(", ".join(str(part) for part in row[: self.outer]), []).append(text)
        return blocks

    def csv(self) -> bytes:
        """One header line, then numbers with all their digits, fractions not percentages; an empty cell is unknown."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([": ".join(filter(None, (column.group, column.label))) for column in self.columns])
        writer.writerows([["" if cell is None else cell for cell in row] for row in self.rows])
        return buffer.getvalue().encode()


def _shown(column: Column, cell: Value) -> str:
    return NOTHING if cell is None else cell if isinstance(cell, str) else column.show(cell)


def tables(run: Run) -> list[Table]:
    """Every table for which something was measured."""
    from tda.report.tables_nearest import shift_table

    made = [shift_table(run), _separability(run), _retrieval(run), _ablation(run)]
    return [table for table in made if table.rows]


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _published(
    run: Run, cell: Cell, figures: Mapping[tuple[str, str], Sequence[float | None]], roles: Mapping[str, str], size: int
) -> Sequence[float | None]:
    """The paper's figures for what this cell stands for."""
    return figures.get((run.config.datasets.get(cell.dataset, ""), roles.get(cell.encoder, "")), (None,) * size)


def _separability(run: Run) -> Table:
    targets = list(dict.fromkeys(target for cell in run.cells for target in cell.metrics.get("separability", {}).get("transfer", {})))
    scores = ("accuracy", "precision", "recall")
    columns = [
        Column(label="Data set"),
        Column(label="Model"),
        *(Column(label=score.capitalize(), show=percent, group="All rows") for score in scores),
        *(Column(label=score.capitalize(), show=percent, group="Paper") for score in scores),
        *(Column(label=score.capitalize(), show=percent, group="Held out", paged=score == "accuracy") for score in scores),
        Column(label="Accuracy", show=percent, group="Two PCs"),
        *(Column(label=target, show=percent, group="Accuracy on") for target in targets),
    ]
    rows = [
        [
            cell.dataset,
            name(cell.encoder, run.config),
            *(value(cell, "separability", "train", score) for score in scores),
            *_published(run, cell, SEPARABILITY, run.config.models, 3),
            *(value(cell, "separability", "heldout", score) for score in scores),
            value(cell, "separability", "pca2", "accuracy"),
            *(value(cell, "separability", "transfer", target, "accuracy") for target in targets),
        ]
        for cell in run.cells
        if cell.metrics.get("separability")
    ]
    return Table(
        name="table1",
        section="gap",
        label="Table I",
        title="A linear classifier that tells {1} rows from {0} rows".format(*run.modalities),
        columns=columns,
        rows=rows,
        sentences=findings.separability(run.cells, run.config),
        note=f"Linear SVM; {run.modalities[1]} is the positive class. “All rows” is the paper's protocol: fit and score the same rows. "
        "“Held out” fits one half of the pairs and scores the other. “Two PCs” sees the two first principal components alone. The last "
        "columns fit on the row's data set and score another.",
    )


def _retrieval(run: Run) -> Table:
    tasks = {"text_to_image": (1, 0), "image_to_text": (0, 2)}  # metric -> place of what is asked with, and of the paper's figures
    columns = [
        Column(label="Task"),
        Column(label="Data set"),
        Column(label="Model"),
        Column(label="Top-5", show=percent, group="This run"),
        Column(label="Top-1", show=percent, group="This run"),
        Column(label="Median rank", show=_rank, group="This run"),
        Column(label="Candidates", show=_count, group="This run"),
        Column(label="Top-5", show=percent, group="Paper"),
        Column(label="Top-1", show=percent, group="Paper"),
    ]
    rows: list[list[Value]] = [
        [
            f"{cell.modalities[asked].capitalize()} to {cell.modalities[1 - asked]}",
            cell.dataset,
            name(cell.encoder, run.config),
            *(value(cell, "retrieval", key, score) for score in ("top5", "top1", "median_rank")),
            value(cell, "retrieval", "pairs_used") or value(cell, "pairs"),
            *_published(run, cell, RETRIEVAL, run.config.models, 4)[place : place + 2],
        ]
        for key, (asked, place) in tasks.items()
        for cell in run.cells
        if cell.metrics.get("retrieval")
    ]
    return Table(
        name="table2",
        section="retrieval",
        label="Table II",
        title="Cross-modal retrieval",
        columns=columns,
        rows=rows,
        sentences=[*findings.retrieval(run.cells, run.config), *findings.prediction_one(run.cells, run.config)],
        note=f"The true partner's rank by cosine among all candidates; ties count against it. The paper ranked among {PAIRS:,}; more "
        "candidates make it harder. Its figures are as printed; the results published with its code differ on LAION by up to "
        "half a point.",
        outer=2,
    )


def _rank(rank: float) -> str:
    return f"{rank:,.1f}".removesuffix(".0")


def _ablation(run: Run) -> Table:
    measured: dict[Column, Callable[[Cell], float | None]] = {
        Column(label="Distance", group="Gap"): lambda cell: value(cell, *GAP),
        Column(label="By chance", group="Gap"): gap_by_chance,
        Column(label="Relative", group="Gap"): lambda cell: value(cell, "gap", "relative"),
        Column(label="Pairs", group="Mean cosine"): lambda cell: value(cell, "cosine", "pair", "mean"),
        Column(label="Random", group="Mean cosine"): lambda cell: value(cell, "cosine", "random", "mean"),
        Column(label="Image", show=_rank_1, group="Effective rank"): lambda cell: value(cell, "spectrum", "image", "effective_rank"),
        Column(label="Text", show=_rank_1, group="Effective rank"): lambda cell: value(cell, "spectrum", "text", "effective_rank"),
        Column(label="Both", show=_rank_1, group="Effective rank"): lambda cell: value(cell, "spectrum", "both", "effective_rank"),
        Column(label="Img→txt", show=percent, group="Top-1"): lambda cell: value(cell, "retrieval", "image_to_text", "top1"),
        Column(label="Txt→img", show=percent, group="Top-1"): lambda cell: value(cell, "retrieval", "text_to_image", "top1"),
    }
    paper = [Column(label=label, show=percent, group="Published") for label in ("Img→txt", "Txt→img")]
    arms = [cell for cell in run.cells if cell.encoder in run.config.ablation]
    several = len({(cell.dataset, run.config.ablation[cell.encoder]) for cell in arms}) < len(arms)
    rows: list[list[Value]] = [
        [
            cell.dataset,
            run.config.ablation[cell.encoder],
            cell.encoder,
            *(measure(cell) for measure in measured.values()),
            *_published(run, cell, ARMS_TOP1, run.config.ablation, 2),
        ]
        for cell in arms
    ]
    return Table(
        name="ablation",
        section="gap",
        label="Ablation",
        title="Loss and Hopfield retrieval, one by one",
        columns=[Column(label="Data set"), Column(label="Arm"), Column(label="Model", numeric=False, paged=several), *measured, *paper],
        rows=rows,
        sentences=[*findings.gap(arms, run.config), *findings.ablation(arms, run.config)],
        note="The gap is the distance of the two modalities' mean vectors, beside what as many pairs without a gap show by chance; the "
        "relative gap divides it by the root mean square distance of a row from its own mean. The last columns, top-1, are not printed in "
        f"the paper: its authors published them with their code, for ResNet-50 models and {PAIRS:,} pairs of COCO.",
    )


def _rank_1(rank: float) -> str:
    return f"{rank:.1f}"
