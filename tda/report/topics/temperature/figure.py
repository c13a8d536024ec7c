"""Numbers of every arm against the temperature that it was trained at: a line for each arm, a point for each seed."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tda.report.data.load import Cell, Run
from tda.report.drawing.figure import FigureSpec, Panel
from tda.report.drawing.style import INK, ModelStyle, model_styles
from tda.report.topics.temperature.findings import temperature_findings
from tda.report.topics.temperature.numbers import NUMBERS, Number, Trained, label_of, trained

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _draw(axes: "Axes", found: Sequence[Trained], number: Number, styles: dict[str, ModelStyle]) -> None:
    for encoder in dict.fromkeys(one.encoder for one in found):
        own = [one for one in found if one.encoder == encoder and number.path in one.numbers]
        if not own:
            continue
        places = sorted({one.inv_tau for one in own})
        means = [np.mean([one.numbers[number.path] for one in own if one.inv_tau == place]) for place in places]
        style = styles[encoder]
        axes.plot(places, means, **style.marked(len(places)), linewidth=1.4, label=own[0].arm)
        axes.plot(
            [one.inv_tau for one in own], [one.numbers[number.path] for one in own], ".", color=style.color, markersize=3.5, alpha=0.7
        )
    axes.set_xscale("log")
    ticks = sorted({one.inv_tau for one in found})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.set(xlabel="1 / temperature", ylim=(0, None))


def _draw_first(axes: "Axes", found: Sequence[Trained], number: Number, styles: dict[str, ModelStyle]) -> None:
    _draw(axes, found, number, styles)
    axes.legend(fontsize=6.5, frameon=False, labelcolor=INK)


def _panels(run: Run) -> list[Panel]:
    found = trained(run)
    styles = model_styles(list(dict.fromkeys(one.encoder for one in found)), run.config)
    panels = []
    for dataset in dict.fromkeys(one.dataset for one in found):
        own = [one for one in found if one.dataset == dataset]
        measured = [number for number in NUMBERS if any(number.path in one.numbers for one in own)]
        for number in measured:
            draw = _draw_first if number is measured[0] else _draw
            panels.append(
                Panel(title=label_of(number, run), row=run.shown(dataset), draw=partial(draw, found=own, number=number, styles=styles))
            )
    return panels


def _cells(run: Run) -> list[Cell]:
    """Any cell, where a sweep over the temperature is whole enough to draw."""
    return (list(run.cells[:1]) or [Cell(dataset="", encoder="", metrics={})]) if trained(run) else []


FIGURES = (
    FigureSpec(
        name="temperature",
        label="Temperature",
        title="Loss, Hopfield retrieval and temperature",
        reading="A line is an arm of the ablation, the mean over seeds; a point is one training run.",
        panels=_panels,
        sentence=temperature_findings,
        cells=_cells,
        needs="sweeps",
        size=(2.6, 2.3),
    ),
)
