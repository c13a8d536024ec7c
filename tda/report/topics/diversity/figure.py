"""Diversity against fidelity: a curve over the strength of guidance for each arm, so that equal fidelity is a vertical line."""

from functools import partial
from typing import TYPE_CHECKING, Any

from tda.report.data.load import Cell, Run
from tda.report.drawing.figure import FigureSpec, Panel
from tda.report.drawing.style import MUTED, ModelStyle, model_styles
from tda.report.topics.diversity.findings import conjectures
from tda.report.topics.diversity.tables import MEASURES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _draw(axes: "Axes", found: dict[str, Any], measure: str, styles: dict[str, ModelStyle]) -> None:
    for arm, curve in found["curves"].items():
        style = styles[arm]
        axes.plot(
            curve["fidelity"], curve[measure], color=style.color, linestyle=style.line, linewidth=1.4, marker=".", markersize=4, label=arm
        )
    for level in found["levels"]:
        axes.axvline(level, color=MUTED, linewidth=0.5)
    axes.set(xlabel="fidelity to the prompt", ylim=(0, None))
    if measure == "distance":
        axes.legend(fontsize=6, frameon=False)


def _panels(run: Run) -> list[Panel]:
    styles = model_styles(list(dict.fromkeys(arm for found in run.diversity.values() for arm in found["arms"])), run.config)
    return [
        Panel(title=words, row=dataset, draw=partial(_draw, found=found, measure=measure, styles=styles))
        for dataset, found in run.diversity.items()
        for measure, words in MEASURES.items()
    ]


def _cells(run: Run) -> list[Cell]:
    """Any cell, where guided images were measured."""
    return (list(run.cells[:1]) or [Cell(dataset="", encoder="", metrics={})]) if run.diversity else []


FIGURES = (
    FigureSpec(
        name="diversity",
        label="Diversity",
        title="Diversity against fidelity under guidance",
        reading="A line is a guide, from weak to strong guidance; grey lines are the levels of fidelity at which guides are compared.",
        panels=_panels,
        sentence=conjectures,
        cells=_cells,
        needs="diversity",
        size=(2.6, 2.3),
    ),
)
