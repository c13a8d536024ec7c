"""Training curves of the models that `jobs.train` made: the loss of each model, and the learning rates of all."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.columns import Columns
from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.drawing.figure import FigureSpec, Panel
from tda.report.drawing.style import INK, ModelStyle, model_styles
from tda.report.topics.rules import loss_ends
from tda.report.topics.training import findings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOW = 0.04  # width of the running median, as a share of the curve
POINTS = 2000  # a longer curve is thinned to about this many


def _running_median(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    width = max(1, round(len(values) * WINDOW)) | 1
    padded = np.pad(values, width // 2, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1))


def _draw_loss(axes: "Axes", curve: Columns, style: ModelStyle) -> None:
    step, loss = curve["step"], curve["loss"].astype(np.float64)
    every = max(1, len(step) // POINTS)
    axes.plot(step[::every], loss[::every], color=style.color, alpha=0.35, linewidth=0.7)
    smooth = _running_median(loss)
    axes.plot(step[::every], smooth[::every], color=style.color, linewidth=1.6)
    axes.annotate(
        f"{loss_ends(curve)[1]:.3g}", (step[-1], smooth[-1]), (0, 7), textcoords="offset points", ha="right", fontsize=8, color=INK
    )
    axes.set(xlabel="step", ylabel="loss", xlim=(0, None))
    axes.locator_params(nbins=5)


def _draw_rates(axes: "Axes", curves: dict[str, Columns], styles: dict[str, ModelStyle]) -> None:
    for encoder, curve in curves.items():
        axes.plot(curve["step"], curve["learning_rate"], **styles[encoder].marked(len(curve["step"]), 4))
    axes.set(xlabel="step", ylabel="learning rate", xlim=(0, None), ylim=(0, None))
    axes.locator_params(nbins=5)


def _panels(run: Run) -> list[Panel]:
    styles = model_styles(run.encoders, run.config)
    losses = [
        Panel(title=name(encoder, run.config), draw=partial(_draw_loss, curve=curve, style=styles[encoder]))
        for encoder, curve in run.curves.items()
    ]
    rates = Panel(title="Learning rate", draw=partial(_draw_rates, curves=run.curves, styles=styles))
    return [*losses, rates] if losses else []


def _trained(run: Run) -> list[Cell]:
    """One cell for each encoder that was trained under this root."""
    first = {cell.encoder: cell for cell in reversed(run.cells)}
    return [first[encoder] for encoder in run.encoders if encoder in run.curves]


FIGURES = (
    FigureSpec(
        name="training",
        label="Training",
        title="Loss and learning rate",
        reading="The loss at each step, and its running median. Different objectives have different zeros: compare shapes, not heights.",
        panels=_panels,
        sentence=lambda run: findings.training(run.curves, run.config),
        cells=_trained,
        needs="curve",
        absent="No model here was trained under this root; python -m jobs.train makes one and its curve",
        size=(2.1, 1.9),
        keys=("model",),
    ),
)
