"""The table of dimension."""

from collections.abc import Callable

from tda.geometry.spectrum.fall import Fall
from tda.report.data.evidence import value
from tda.report.data.load import Run
from tda.report.data.published import COLLAPSE
from tda.report.drawing.table import Column, Table, Value, count, model_columns, model_values, remarks_of, tenth
from tda.report.topics.spectrum import findings
from tda.report.topics.spectrum.falls import fall_in

FALLS: dict[str, Callable[[Fall | None], Value]] = {
    "Above the floor": lambda one: one and one.numerical_rank,
    "Largest drop, after": lambda one: one and one.largest_drop and one.largest_drop.index,
    "Largest drop, decades": lambda one: one and one.largest_drop and one.largest_drop.decades,
    "Power law": lambda one: one and one.alpha,
}


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
            COLLAPSE.get(run.config.models.get(cell.encoder, "")),
            *(value(cell, *groups[group], modality, "value") for group in list(groups)[1:] for modality in modalities),
            *(value(cell, *groups[group], modality, "stderr") for group in list(groups)[1:] for modality in modalities),
            *(value(cell, "spectrum", modality, "participation_ratio") for modality in modalities),
            *(show(fall_in(cell, modality)) for show in FALLS.values() for modality in modalities),
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
        note="Effective rank and the dimension at which the spectrum collapses describe the linear space; in the paper CLIP uses all of "
        "512 and CLOOB collapses near 400. Two-NN and maximum likelihood estimate the dimension of the manifold from nearest neighbours; "
        "their sampling errors, and how each spectrum falls, are in the CSV. Above some 5 dimensions both are too low by more than these "
        "errors.",
    )
