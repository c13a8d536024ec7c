"""The tables of the report: the paper's two and the ablation beside it, and those of `tables_shape`."""

from collections.abc import Callable, Mapping, Sequence

from tda.report import findings, findings_local
from tda.report.evidence import GAP, gap_by_chance, name, value
from tda.report.load import Cell, Run
from tda.report.published import ARMS_TOP1, PAIRS, RETRIEVAL, SEPARABILITY
from tda.report.table import Column, Table, Value, count, tenth
from tda.report.tables_alignment import alignment
from tda.report.tables_compared import compared, local, topology
from tda.report.tables_nearest import recovery_table, shift_table
from tda.report.tables_shape import dimension, layouts, sweeps
from tda.report.words import percent


def tables(run: Run) -> list[Table]:
    """Every table for which something was measured."""
    made = [recovery_table(run), shift_table(run), _separability(run), _ablation(run), alignment(run)]
    made += [layouts(run), sweeps(run), dimension(run)]
    made += [_retrieval(run), local(run), compared(run), topology(run)]
    return [table for table in made if table.rows or table.missing]


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
        Column(label="Candidates", show=count, group="This run"),
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
        sentences=[*findings.retrieval(run.cells, run.config), *findings_local.prediction_one(run)],
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
        Column(label="Image", show=tenth, group="Effective rank"): lambda cell: value(cell, "spectrum", "image", "effective_rank"),
        Column(label="Text", show=tenth, group="Effective rank"): lambda cell: value(cell, "spectrum", "text", "effective_rank"),
        Column(label="Both", show=tenth, group="Effective rank"): lambda cell: value(cell, "spectrum", "both", "effective_rank"),
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
