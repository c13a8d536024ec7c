"""Tables of the shape of a space: layouts and clusters, the sweep, dimension."""

from collections.abc import Mapping
from typing import Any

from tda.report import findings_layout, findings_topology
from tda.report.evidence import name, other_share, remarks, value
from tda.report.load import Cell, Run
from tda.report.published import COLLAPSE
from tda.report.table import Column, Table, Value, count, tenth
from tda.report.words import fixed, percent


def _named(run: Run, cell: Cell) -> list[Value]:
    return [cell.dataset, name(cell.encoder, run.config)]


def _names() -> list[Column]:
    return [Column(label="Data set"), Column(label="Model", numeric=False)]


def told_remarks(run: Run, *parts: str) -> list[str]:
    """What the analysis noted about these parts, with whose it is."""
    return [f"{cell.dataset}, {name(cell.encoder, run.config)}: {note}" for cell in run.cells for note in remarks(cell, *parts)]


def layouts(run: Run) -> Table:
    """How far each layout may be trusted, how modalities mix, and the clusters."""
    columns = [
        *_names(),
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
            *_named(run, cell),
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
        section="gap",
        remarks=told_remarks(run, "umap", "mixing", "clusters"),
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
        *_names(),
        Column(label="n_neighbors", show=count),
        Column(label="min_dist", show=lambda number: f"{number:g}"),
        *(Column(label=label, show=show) for label, show in shows.values()),
        Column(label="Seconds", paged=False),
    ]
    keys = ("n_neighbors", "min_dist", *shows, "seconds")
    rows: list[list[Value]] = [[*_named(run, cell), *(one.get(key) for key in keys)] for cell in run.cells for one in _in_order(cell)]
    return Table(
        name="sweep",
        label="Sweep",
        title="The layout and its clusters under other settings",
        columns=columns,
        rows=rows,
        sentences=findings_layout.sweeps(run.cells, run.config),
        section="settings",
        note="One row a setting. Columns are those of the layouts' table; agreement is the adjusted Rand index with clusters under other "
        "settings.",
        outer=2,
    )


def _in_order(cell: Cell) -> list[Mapping[str, Any]]:
    return sorted(cell.sweep.get("cells") or [], key=lambda one: (one.get("n_neighbors", 0), one.get("min_dist", 0)))


def dimension(run: Run) -> Table:
    """How many dimensions the rows of each model take: by spectrum and by neighbours."""
    modalities = {"image": run.modalities[0].capitalize(), "text": run.modalities[1].capitalize(), "both": "Both"}
    groups = {"Effective rank": ("spectrum", "effective_rank"), "Two-NN": ("dimension", "two_nn"), "Neighbours, ML": ("dimension", "mle")}
    columns = [
        *_names(),
        *(Column(label=label, show=tenth, group="Effective rank") for label in modalities.values()),
        *(Column(label=label, show=count, group="Before collapse") for label in modalities.values()),
        Column(label="of", show=count, group="Before collapse"),
        Column(label="Collapse", show=count, group="Paper"),
        *(Column(label=label, show=tenth, group=group) for group in list(groups)[1:] for label in modalities.values()),
        *(Column(label=label, paged=False, group=f"{group}, error") for group in list(groups)[1:] for label in modalities.values()),
        *(Column(label=label, paged=False, group="Participation ratio") for label in modalities.values()),
    ]
    rows: list[list[Value]] = [
        [
            *_named(run, cell),
            *(value(cell, "spectrum", modality, "effective_rank") for modality in modalities),
            *(value(cell, "spectrum", modality, "collapse_index") for modality in modalities),
            value(cell, "dim"),
            COLLAPSE.get(run.config.models.get(cell.encoder, "")),
            *(value(cell, *groups[group], modality, "value") for group in list(groups)[1:] for modality in modalities),
            *(value(cell, *groups[group], modality, "stderr") for group in list(groups)[1:] for modality in modalities),
            *(value(cell, "spectrum", modality, "participation_ratio") for modality in modalities),
        ]
        for cell in run.cells
        if cell.metrics.get("spectrum") or cell.metrics.get("dimension")
    ]
    return Table(
        name="dimension",
        label="Dimension",
        title="How many dimensions the rows take",
        columns=columns,
        rows=rows,
        sentences=findings_topology.intrinsic(run.cells, run.config),
        section="dimension",
        remarks=told_remarks(run, "spectrum", "dimension"),
        note="Effective rank and the dimension at which the spectrum collapses are of the linear space; the paper sees CLIP use all of 512 "
        "and CLOOB collapse near 400. Two-NN and maximum likelihood look at nearest neighbours and tell the dimension of what the rows lie "
        "on; their standard errors are in the CSV.",
    )
