"""The table of dimension."""

from tda.report.data.evidence import value
from tda.report.data.load import Cell, Run
from tda.report.data.published import DIM, collapse_of
from tda.report.drawing.table import Column, Table, Value, count, model_columns, model_values, remarks_of, tenth
from tda.report.topics.rules import fall_in
from tda.report.topics.spectrum import findings

FALLS = ("Above the floor", "Largest drop, after", "Largest drop, decades", "Power law")


def _fall(cell: Cell, modality: str) -> list[Value]:
    """The numbers of FALLS."""
    one = fall_in(cell, modality)
    if one is None:
        return [None] * len(FALLS)
    drop = one.largest_drop
    return [one.numerical_rank, *((drop.index, drop.decades) if drop else (None, None)), one.alpha]


def dimension(run: Run) -> Table:
    """How many dimensions the rows of each model take, by spectrum and by neighbours."""
    modalities = {"image": run.modalities[0].capitalize(), "text": run.modalities[1].capitalize(), "both": "Both"}
    groups = {"Effective rank": ("spectrum", "effective_rank"), "Two-NN": ("dimension", "two_nn"), "Neighbours, ML": ("dimension", "mle")}
    columns = [
        *model_columns(),
        *(Column(label=label, show=tenth, group="Effective rank") for label in modalities.values()),
        *(Column(label=label, show=count, group="Before collapse") for label in modalities.values()),
        Column(label="of", show=count, group="Before collapse"),
        Column(label="Collapse", show=count, group="Paper"),
        *(Column(label=label, show=tenth, group=group) for group in list(groups)[1:] for label in modalities.values()),
        *(
            Column(label=label, paged=False, group=f"{group}, sampling error")
            for group in list(groups)[1:]
            for label in modalities.values()
        ),
        *(Column(label=label, paged=False, group="Participation ratio") for label in modalities.values()),
        *(Column(label=label, paged=False, group=group) for group in FALLS for label in modalities.values()),
    ]
    rows: list[list[Value]] = [
        [
            *model_values(run, cell),
            *(value(cell, "spectrum", modality, "effective_rank") for modality in modalities),
            *(value(cell, "spectrum", modality, "collapse_index") for modality in modalities),
            value(cell, "dim"),
            collapse_of(run, cell),
            *(value(cell, *groups[group], modality, "value") for group in list(groups)[1:] for modality in modalities),
            *(value(cell, *groups[group], modality, "stderr") for group in list(groups)[1:] for modality in modalities),
            *(value(cell, "spectrum", modality, "participation_ratio") for modality in modalities),
            *(number for numbers in zip(*(_fall(cell, modality) for modality in modalities), strict=True) for number in numbers),
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
        sentences=findings.intrinsic(run.cells, run.config),
        remarks=remarks_of(run, "spectrum", "dimension"),
        note="Effective rank and the dimension at which the spectrum collapses describe the linear space; the paper's stands "
        f"beside models of its {DIM} dimensions. "
        "Two-NN and maximum likelihood estimate the dimension of the manifold from nearest neighbours; "
        "their sampling errors, and how each spectrum falls, are in the CSV. Above some 5 dimensions both are too low by more than these "
        "errors.",
    )
