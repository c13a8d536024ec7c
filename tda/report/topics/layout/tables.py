"""Tables of layouts and clusters, and of layouts under other settings."""

from collections.abc import Mapping
from typing import Any

from tda.report.data.evidence import value
from tda.report.data.load import Cell, Run
from tda.report.data.words import fixed, percent
from tda.report.drawing.table import Column, Table, Value, count, model_columns, model_values, remarks_of
from tda.report.topics.layout import findings as findings_layout
from tda.report.topics.rules import other_share


def layouts(run: Run) -> Table:
    """Trustworthiness, mixing of modalities, and clusters of each layout."""
    columns = [
        *model_columns(),
        Column(label="Trust", group="Layout"),
        Column(label="Mixing", show=percent, group="Layout"),
        Column(label="Mixing", show=percent, group="Space itself"),
        Column(label="Number", show=count, group="Clusters"),
        Column(label="Noise", show=percent, group="Clusters"),
        Column(label="One modality", show=percent, group="Clusters"),
        Column(label="Seeds", group="Cluster agreement"),
        Column(label="Sizes", group="Cluster agreement"),
        *(Column(label=label, paged=False, group="Layout") for label in ("n_neighbors", "min_dist")),
    ]
    paths = [
        ("clusters", "count"), ("clusters", "noise_fraction"), ("clusters", "modality", "pure_fraction"),
        ("clusters", "stability", "across_seeds"), ("clusters", "stability", "across_sizes"), ("umap", "n_neighbors"), ("umap", "min_dist"),
    ]  # fmt: skip
    rows: list[list[Value]] = [
        [
            *model_values(run, cell),
            value(cell, *findings_layout.TRUST),
            other_share(cell, "layout"),
            other_share(cell, "ambient"),
            *(value(cell, *path) for path in paths),
        ]
        for cell in run.cells
        if any(cell.metrics.get(part) for part in ("umap", "clusters", "mixing"))
    ]
    return Table(
        name="layouts",
        label="Layouts",
        title="Layouts and clusters in numbers",
        columns=columns,
        rows=rows,
        sentences=findings_layout.clusters(run.cells, run.config),
        remarks=remarks_of(run, "umap", "mixing", "clusters"),
        note="“Trust” is trustworthiness. “Mixing” is the share of the other modality among nearest neighbours; half would be chance. “One "
        "modality”: clusters with at least 95% of their rows from one. Agreement is the adjusted Rand index of clusterings under other "
        "seeds, and under other smallest sizes: 1 is the same, 0 is chance.",
    )


def sweeps(run: Run) -> Table:
    """The layout under every setting of a sweep."""
    shows = {
        "trustworthiness": ("Trust", fixed),
        "mixing": ("Mixing", percent),
        "clusters": ("Clusters", count),
        "noise_fraction": ("Noise", percent),
        "agreement": ("Cluster agreement", fixed),
    }
    columns = [
        *model_columns(),
        Column(label="n_neighbors", show=count),
        Column(label="min_dist", show=lambda number: f"{number:g}"),
        *(Column(label=label, show=show) for label, show in shows.values()),
        Column(label="Seconds", paged=False),
    ]
    keys = ("n_neighbors", "min_dist", *shows, "seconds")
    rows: list[list[Value]] = [[*model_values(run, cell), *(one.get(key) for key in keys)] for cell in run.cells for one in _in_order(cell)]
    return Table(
        name="sweep",
        label="Sweep",
        title="The layout and its clusters under other settings",
        columns=columns,
        rows=rows,
        sentences=findings_layout.sweeps(run.cells, run.config),
        note="One row a setting. Columns are those of the layouts' table; agreement is the adjusted Rand index with clusters under other "
        "settings.",
        outer=2,
    )


def _in_order(cell: Cell) -> list[Mapping[str, Any]]:
    return sorted(cell.sweep.get("cells") or [], key=lambda one: (one.get("n_neighbors", 0), one.get("min_dist", 0)))
