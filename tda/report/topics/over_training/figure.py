"""Lines over the steps of training: a panel for each number, a line for each model, broken where a checkpoint has no numbers."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tda.report.data.load import Cell, Run
from tda.report.data.watched import Point
from tda.report.drawing.figure import FigureSpec, Panel
from tda.report.drawing.style import MUTED, ModelStyle, model_styles
from tda.report.topics.over_training import findings
from tda.report.topics.over_training.numbers import Number, label_of, measured, series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKED = 40  # points up to which each has its own mark


def _draw(axes: "Axes", lines: Mapping[str, Sequence[Point]], number: Number, styles: Mapping[str, ModelStyle]) -> None:
    for model, points in lines.items():
        step_N = np.array([point.step for point in points])
        found_N = np.array([np.nan if (one := point.value(*number.path)) is None else one for point in points])
        style = styles[model]
        axes.plot(step_N, found_N, **style.marked(len(points), MARKED))
        for step in step_N[np.isnan(found_N)]:
            axes.axvline(step, color=MUTED, linewidth=0.7, linestyle=":")
        if len(lines) > 1:
            _name(axes, model, step_N, found_N, style)
    axes.set(xlabel="step", xlim=(0, None))
    axes.locator_params(nbins=5)


def _name(
    axes: "Axes", model: str, step_N: "np.typing.NDArray[np.int64]", found_N: "np.typing.NDArray[np.float64]", style: ModelStyle
) -> None:
    known = np.flatnonzero(~np.isnan(found_N))
    if len(known):
        place = (step_N[known[-1]], found_N[known[-1]])
        axes.annotate(model, place, (0, 5), textcoords="offset points", ha="right", fontsize=7, color=style.color)


def _panels(run: Run) -> list[Panel]:
    found = series(run)
    models = list(dict.fromkeys(model for model, _ in found))
    styles = model_styles(models, run.config)
    panels = []
    for dataset in dict.fromkeys(dataset for _, dataset in found):
        lines = {model: points for (model, other), points in found.items() if other == dataset}
        panels += [
            Panel(title=label_of(number, run), draw=partial(_draw, lines=lines, number=number, styles=styles), row=run.shown(dataset))
            for number in measured(run)
        ]
    return panels


def _cells(run: Run) -> list[Cell]:
    """Any cell, where there are checkpoints with numbers: the figure is of the run as a whole."""
    return list(run.cells[:1]) if measured(run) else []


FIGURES = (
    FigureSpec(
        name="over_training",
        label="Over training",
        title="Numbers over the steps of training",
        reading="A line is a model as it is trained, a point a checkpoint. A dotted line marks a checkpoint that has no numbers.",
        panels=_panels,
        sentence=findings.over_training,
        cells=_cells,
        needs="watched",
        size=(2.4, 2.0),
    ),
)
