"""The tables of the gap: Table I of the paper, and the ablation."""

from typing import TYPE_CHECKING

from tda.report.data.evidence import name, value
from tda.report.data.load import Cell, Run
from tda.report.data.published import ARMS_TOP1, PAIRS, SEPARABILITY, less, published
from tda.report.data.words import percent, points
from tda.report.drawing.table import Column, Table, Value, tenth
from tda.report.topics.gap import findings
from tda.report.topics.rules import GAP, TOP1, gap_by_chance

if TYPE_CHECKING:
    from collections.abc import Callable


def separability(run: Run) -> Table:
    targets = list(dict.fromkeys(target for cell in run.cells for target in cell.metrics.get("separability", {}).get("transfer", {})))
    scores = ("accuracy", "precision", "recall")
    columns = [
        Column(label="Data set"),
        Column(label="Model"),
        *(Column(label=score.capitalize(), show=percent, group="All rows") for score in scores),
        *(Column(label=score.capitalize(), show=percent, group="Paper") for score in scores),
        Column(label="Accuracy", show=points, group="Less the paper's"),
        *(Column(label=score.capitalize(), show=percent, group="Held out", paged=score == "accuracy") for score in scores),
        Column(label="Accuracy", show=percent, group="Two PCs"),
        *(Column(label=target, show=percent, group="Accuracy on") for target in targets),
    ]
    rows = [
        [
            cell.shown,
            name(cell.encoder, run.config),
            *(value(cell, "separability", "train", score) for score in scores),
            *(papers := published(run, cell, SEPARABILITY, run.config.models, 3)),
            less(value(cell, "separability", "train", "accuracy"), papers[0]),
            *(value(cell, "separability", "heldout", score) for score in scores),
            value(cell, "separability", "pca2", "accuracy"),
            *(value(cell, "separability", "transfer", target, "accuracy") for target in targets),
        ]
        for cell in run.cells
        if cell.metrics.get("separability")
    ]
    return Table(
        name="table1",
        label="Table I",
        title="A linear classifier of {1} rows against {0} rows".format(*run.modalities),
        columns=columns,
        rows=rows,
        sentences=findings.separability(run.cells, run.config),
        note=f"Linear SVM; {run.modalities[1]} is the positive class. “All rows” is the paper's protocol: fit and score the same rows. "
        "“Held out” fits one half of the pairs and scores the other. “Two PCs” uses the first two principal components alone. The last "
        "columns fit on the row's data set and score another.",
    )


def ablation(run: Run) -> Table:
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
    paper += [Column(label=label, show=points, group="Less the published") for label in ("Img→txt", "Txt→img")]
    arms = [cell for cell in run.cells if cell.encoder in run.config.ablation]
    several = len({(cell.dataset, run.config.ablation[cell.encoder]) for cell in arms}) < len(arms)
    rows: list[list[Value]] = [
        [
            cell.shown,
            run.config.ablation[cell.encoder],
            cell.encoder,
            *(measure(cell) for measure in measured.values()),
            *(papers := published(run, cell, ARMS_TOP1, run.config.ablation, 2)),
            *(less(value(cell, *path), known) for path, known in zip(TOP1, papers, strict=True)),
        ]
        for cell in arms
    ]
    return Table(
        name="ablation",
        label="Ablation",
        title="Loss and Hopfield retrieval, one by one",
        columns=[Column(label="Data set"), Column(label="Arm"), Column(label="Model", numeric=False, paged=several), *measured, *paper],
        rows=rows,
        sentences=[*findings.gap(arms, run.config), *findings.ablation(arms, run.config)],
        note="The gap is the distance of the two modalities' mean vectors, with what as many pairs without a gap show by chance; the "
        "relative gap divides it by the root mean square distance of a row from its own mean. The last columns, top-1, are not printed in "
        f"the paper: its authors published them with their code, for ResNet-50 models and {PAIRS:,} pairs of COCO.",
    )
