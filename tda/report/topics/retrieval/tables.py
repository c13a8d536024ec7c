"""The table of retrieval: Table II of the paper."""

from tda.report.data.evidence import name, value
from tda.report.data.load import Run
from tda.report.data.published import PAIRS, RETRIEVAL, published
from tda.report.data.words import percent
from tda.report.drawing.table import Column, Table, Value, count
from tda.report.topics.retrieval import findings
from tda.report.topics.retrieval.predictions import prediction_one


def retrieval(run: Run) -> Table:
    tasks = {"text_to_image": (1, 0), "image_to_text": (0, 2)}  # metric -> place of the query's modality, and of the paper's figures
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
            f"{cell.modalities[query].capitalize()} to {cell.modalities[1 - query]}",
            cell.dataset,
            name(cell.encoder, run.config),
            *(value(cell, "retrieval", key, score) for score in ("top5", "top1", "median_rank")),
            value(cell, "retrieval", "pairs_used") or value(cell, "pairs"),
            *published(run, cell, RETRIEVAL, run.config.models, 4)[place : place + 2],
        ]
        for key, (query, place) in tasks.items()
        for cell in run.cells
        if cell.metrics.get("retrieval")
    ]
    return Table(
        name="table2",
        label="Table II",
        title="Cross-modal retrieval",
        columns=columns,
        rows=rows,
        sentences=[*findings.retrieval(run.cells, run.config), *prediction_one(run)],
        note=f"Rank of the true partner by cosine among all candidates; ties count against it. The paper ranked among {PAIRS:,}; more "
        "candidates make it harder. Its figures are as printed; the results published with its code differ on LAION by up to "
        "half a point.",
        outer=2,
    )


def _rank(rank: float) -> str:
    return f"{rank:,.1f}".removesuffix(".0")
