"""The table of retrieval: Table II of the paper."""

from tda.report.data.evidence import name, value
from tda.report.data.load import Cell, Run
from tda.report.data.published import PAIRS, RETRIEVAL, less, published
from tda.report.data.words import percent, points
from tda.report.drawing.table import Column, Table, Value, count, interval_text
from tda.report.topics.predictions import prediction_sentences
from tda.report.topics.retrieval import findings
from tda.report.topics.rules import queries

DRAWN_NOTE = " Where queries were drawn, each was ranked among all candidates; intervals are binomial."


def retrieval(run: Run) -> Table:
    tasks = {"text_to_image": (1, 0), "image_to_text": (0, 2)}  # metric -> place of the query's modality, and of the paper's figures
    sampled = any(value(cell, "retrieval", "n_queries") is not None for cell in run.cells)
    columns = [
        Column(label="Task"),
        Column(label="Data set"),
        Column(label="Model"),
        Column(label="Top-5", show=percent, group="This run"),
        Column(label="Top-1", show=percent, group="This run"),
        Column(label="Median rank", show=_rank, group="This run"),
        Column(label="Candidates", show=count, group="This run"),
        *(_drawn_columns() if sampled else ()),
        Column(label="Top-5", show=percent, group="Paper"),
        Column(label="Top-1", show=percent, group="Paper"),
        Column(label="Top-1", show=points, group="Less the paper's"),
    ]
    rows: list[list[Value]] = [
        [
            f"{cell.modalities[query].capitalize()} to {cell.modalities[1 - query]}",
            cell.shown,
            name(cell.encoder, run.config),
            *(value(cell, "retrieval", key, score) for score in ("top5", "top1", "median_rank")),
            value(cell, "retrieval", "pairs_used") or value(cell, "pairs"),
            *(_drawn(cell, key) if sampled else ()),
            *(papers := published(run, cell, RETRIEVAL, run.config.models, 4)[place : place + 2]),
            less(value(cell, "retrieval", key, "top1"), papers[1]),
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
        sentences=[*findings.retrieval(run.cells, run.config), *prediction_sentences(run)],
        note=f"Rank of the true partner by cosine among all candidates; ties count against it. The paper ranked among {PAIRS:,}; more "
        "candidates make it harder. Its figures stand beside about as many alone, as "
        "printed; the results published with its code differ on LAION by up to "
        "half a point." + (DRAWN_NOTE if sampled else ""),
        outer=2,
    )


def _drawn_columns() -> list[Column]:
    ends = [
        Column(label=f"Top-{k}, {end} end of 95% interval", group="This run", paged=False) for k in (5, 1) for end in ("lower", "upper")
    ]
    shown = [Column(label=label, group="This run", filed=False) for label in ("Top-5, 95%", "Top-1, 95%", "Median rank, 95%")]
    return [Column(label="Queries", show=count, group="This run"), *shown, *ends]


def _drawn(cell: Cell, direction: str) -> list[Value]:
    """Queries and intervals of a model; without intervals where every pair was a query."""
    found = (cell.metrics["retrieval"].get(direction) or {}).get("ci95") or {}
    texts = [interval_text(found.get(name), show) for name, show in (("top5", percent), ("top1", percent), ("median_rank", _rank))]
    ends = [end for name in ("top5", "top1") for end in found.get(name) or (None, None)]
    return [queries(cell), *texts, *ends]


def _rank(rank: float) -> str:
    return f"{rank:,.1f}".removesuffix(".0")
