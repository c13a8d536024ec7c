"""Alignment and uniformity (Wang and Isola 2020): their table, and one sentence a data set."""

from collections.abc import Sequence

from tda.config.stages import ReportConfig
from tda.report.data.evidence import each, known, name, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import fixed
from tda.report.drawing.table import Column, Table

DISTANCE = ("alignment", "mean_squared_distance")
SPACES = ("image", "text", "across")
ACROSS = ("alignment", "uniformity", "across", "value")


def alignment(run: Run) -> Table:
    """How close pairs are, and how evenly rows spread over the sphere."""
    headings = dict(zip(SPACES, [*(modality.capitalize() for modality in run.modalities), "Across"], strict=True))
    columns = [
        Column(label="Data set"),
        Column(label="Model", numeric=False),
        Column(label="Squared distance", group="Pairs"),
        *(Column(label=label, group="Uniformity") for label in headings.values()),
        *(Column(label=label, group="Uniformity, standard error", paged=False) for label in headings.values()),
    ]
    rows = [
        [
            cell.shown,
            name(cell.encoder, run.config),
            value(cell, *DISTANCE),
            *(value(cell, "alignment", "uniformity", space, "value") for space in SPACES),
            *(value(cell, "alignment", "uniformity", space, "standard_error") for space in SPACES),
        ]
        for cell in run.cells
        if cell.metrics.get("alignment")
    ]
    return Table(
        name="alignment",
        label="Alignment",
        title="Alignment and uniformity",
        columns=columns,
        rows=rows,
        sentences=closest(run.cells, run.config),
        note="Mean squared distance of the unit rows of a pair: 0 is the same direction, 2 a right angle. Uniformity is log E exp(−2 d²) "
        "over rows of different pairs, d their distance: 0 where all rows are equal, about −4 where they are at right angles. “Across” "
        "takes one row of each modality. Large sets are sampled; standard errors are in the CSV.",
    )


def closest(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """In which model pairs are closest, and in which the rows of different pairs spread most evenly."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        near, spread = min(group, key=lambda cell: known(cell, *DISTANCE)), min(group, key=lambda cell: known(cell, *ACROSS))
        distance, even = fixed(known(near, *DISTANCE)), fixed(known(spread, *ACROSS))
        if len(group) == 1:
            who = name(near.encoder, config)
            return f"On {dataset}, the mean squared distance of pairs is {distance} in {who}; uniformity across modalities is {even}."
        return (
            f"On {dataset}, pairs are closest in {name(near.encoder, config)} (mean squared distance {distance}); rows spread most evenly "
            f"across modalities in {name(spread.encoder, config)} (uniformity {even})."
        )

    return each(cells, [DISTANCE, ACROSS], sentence)
