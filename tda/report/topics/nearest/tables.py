"""Tables of the shift between data sets (Fig. 1) and of planted repeats found."""

from itertools import combinations

import numpy as np

from tda.columns import Columns
from tda.geometry.shift import Shift
from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.data.words import listing, percent
from tda.report.drawing.table import Column, Table, Value
from tda.report.topics.nearest.findings import compared, references, shifts
from tda.store.types import VECTORS


def shift_table(run: Run) -> Table:
    """Two data sets against each other, for every reference, modality and model."""
    rows: list[list[Value]] = []
    for reference in references(run.cells):
        group = compared(run.cells, reference)
        medians = {(cell.dataset, cell.encoder): cell.closest[reference] for cell in group}
        for place, modality in enumerate(VECTORS):
            for pair in combinations(dict.fromkeys(cell.dataset for cell in group), 2):
                for encoder, one in shifts(group, pair, reference, modality).items():
                    block = f"Closest {group[0].modalities[place]} of {reference}: {run.shown(pair[0])} against {run.shown(pair[1])}"
                    both = [medians[dataset, encoder].median(modality) for dataset in pair]
                    rows.append([block, name(encoder, run.config), *both, *_numbers(one)])
    return Table(
        name="shift",
        label="Shift",
        title="How near two data sets are to a reference",
        columns=[
            Column(label="Closest"),
            Column(label="Model"),
            Column(label="First", group="Median cosine"),
            Column(label="Second", group="Median cosine"),
            Column(label="Difference", group="Median cosine"),
            Column(label="from", group="Its 95% interval"),
            Column(label="to", group="Its 95% interval"),
            Column(label="Distance", group="Kolmogorov-Smirnov"),
            Column(label="from", group="95% interval"),
            Column(label="to", group="95% interval"),
        ],
        rows=rows,
        sentences=[],
        note="The Kolmogorov-Smirnov distance is the largest difference of two distribution functions: 0 for the same, 1 for distributions "
        "that do not overlap. The interval of two equal ones begins at 0. All are of the cosines themselves, with intervals over the rows "
        "of both data sets.",
    )


def _numbers(one: Shift) -> list[Value]:
    return [one.median_difference, *one.median_ci95, one.ks, *one.ks_ci95]


def recovery_table(run: Run) -> Table:
    """Planted repeats found: as decided, then by the rule in use at every threshold."""
    cells = [cell for cell in run.cells if "evaluation" in cell.parquet]
    kinds = list(dict.fromkeys(kind for cell in cells for kind in cell.parquet["evaluation"]["kind"].tolist() if kind))
    rows = [row for cell in cells for row in _recovered(run, cell, kinds)]
    return Table(
        name="repeats",
        label="Repeats",
        title="Planted repeats found, by kind and threshold",
        columns=[
            Column(label="Data set"),
            Column(label="Rule and threshold"),
            *(Column(label=kind, show=percent, group="Recall") for kind in kinds),
            Column(label="all", show=percent, group="Recall"),
            Column(label="from", show=percent, group="95% interval"),
            Column(label="to", show=percent, group="95% interval"),
            Column(label="Precision", show=percent),
            Column(label="Others dropped", show=lambda number: f"{number:,.0f}"),
        ],
        rows=rows,
        sentences=_dropped(run),
        note="Copies of reference pairs planted in the drawn data set: the same bytes, encoded again, resized, cropped, or captioned anew. "
        "“Others dropped” are rows that are no planted copy, though they may look like the reference by chance. "
        "Every rule at every threshold is in evaluation.parquet, beside kept.parquet.",
    )


def _recovered(run: Run, cell: Cell, kinds: list[str]) -> list[list[Value]]:
    """One row for what was decided, then one a threshold of the rule in use."""
    found, rule = cell.parquet["evaluation"], str(cell.dedupe.get("settings", {}).get("rule", "image"))
    block = f"{cell.shown}, {name(cell.encoder, run.config)}"
    decided = _line(found, found["rule"] == "decided", kinds)
    swept = found["rule"] == rule
    thresholds = np.unique(found["threshold"][swept]).tolist()
    lines = {f"{rule}, {threshold:g}": swept & (found["threshold"] == threshold) for threshold in thresholds}
    return [[block, "as decided", *decided], *([block, reported, *_line(found, rows, kinds)] for reported, rows in lines.items())]


def _line(found: Columns, rows: np.ndarray, kinds: list[str]) -> list[Value]:
    at = {str(kind): int(row) for kind, row in zip(found["kind"][rows], np.flatnonzero(rows), strict=True)}
    recall = [float(found["recall"][at[kind]]) if kind in at else None for kind in (*kinds, "")]
    whole = at[""]
    return [*recall, *(float(found[column][whole]) for column in ("recall_low", "recall_high", "precision", "others"))]


def _dropped(run: Run) -> list[str]:
    """How many rows a view lacks, and why; once for all models under which the numbers are the same."""
    models: dict[str, list[str]] = {}
    views = [cell for cell in run.cells if cell.dedupe]
    for cell in views:
        reasons = [f"{number:,} by {reason.replace('_', ' ')}" for reason, number in cell.dedupe["dropped"].items()]
        kept = f"{cell.shown} keeps {cell.dedupe['rows_kept']:,} of {cell.dedupe['rows']:,} pairs"
        reported = f"{kept}; {name(cell.dedupe['by'], run.config)} drops {listing(reasons) or 'none'}"
        models.setdefault(reported, []).append(name(cell.encoder, run.config))
    return [f"{reported}. The same under {listing(who)}." if len(who) > 1 else f"{reported}." for reported, who in models.items()]
