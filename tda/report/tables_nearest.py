"""The shift between data sets by their closest rows (Fig. 1), and how planted repeats were found."""

from itertools import combinations

from tda.geometry.shift import Shift
from tda.report.evidence import name
from tda.report.findings_nearest import compared, references, shifts
from tda.report.load import Run
from tda.report.table import Column, Table, Value
from tda.store.parquet import VECTORS


def shift_table(run: Run) -> Table:
    """Two data sets against each other, for every reference, modality and model."""
    rows: list[list[Value]] = []
    for reference in references(run.cells):
        group = compared(run.cells, reference)
        medians = {(cell.dataset, cell.encoder): cell.closest[reference] for cell in group}
        for place, modality in enumerate(VECTORS):
            for pair in combinations(dict.fromkeys(cell.dataset for cell in group), 2):
                for encoder, one in shifts(group, pair, reference, modality).items():
                    block = f"Closest {group[0].modalities[place]} of {reference}: {pair[0]} against {pair[1]}"
                    both = [medians[dataset, encoder].median(modality) for dataset in pair]
                    rows.append([block, name(encoder, run.config), *both, *_numbers(one)])
    return Table(
        name="shift",
        section="data",
        label="Shift",
        title="Two data sets by how near a reference comes",
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
        "that do not overlap. Intervals by resampling the rows of both data sets.",
    )


def _numbers(one: Shift) -> list[Value]:
    return [one.median_difference, *one.median_ci95, one.ks, *one.ks_ci95]
