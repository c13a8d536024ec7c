"""Figs 10, 11, 12: singular values of the covariance against their index, for image rows, text rows and both.

D values for each model, in descending order.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.report.data.evidence import name, value
from tda.report.data.load import Cell, Run
from tda.report.drawing.figure import FigureSpec, Panel, every_cell
from tda.report.drawing.spectra import FAR, draw_floor, has_spectrum, show_decades, spectrum_of
from tda.report.drawing.style import INK, MUTED, ModelStyle, model_styles, spread
from tda.report.topics.spectrum import findings

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _draw(axes: "Axes", cells: Sequence[Cell], modality: str, styles: dict[str, ModelStyle], labels: Sequence[str]) -> None:
    spectra = [spectrum_of(cell, modality) for cell in cells]
    lowest, highest = _limits(spectra)
    axes.set(yscale="log", ylim=(lowest / 1.5, highest * 1.6), xlabel="index", ylabel="singular value")
    axes.set_xlim(0, max(len(values) for values, _ in spectra) + 1)
    show_decades(axes)
    for cell, (values, floor) in zip(cells, spectra, strict=True):
        shown = np.maximum(values, lowest)
        _curve(axes, shown, values >= floor, styles[cell.encoder])
        _collapse(axes, cell, modality, shown, styles[cell.encoder])
    draw_floor(axes, [floor for _, floor in spectra if floor > 0])
    _name_the_lines(axes, spectra, [styles[cell.encoder] for cell in cells], labels)


def _limits(spectra: Sequence[tuple[npt.NDArray[Any], float]]) -> tuple[float, float]:
    """The range to draw: from below the noise floor where values come near it, else from below the smallest value above the floor."""
    highest = max(float(values.max(initial=1e-12)) for values, _ in spectra)
    real = [values[(values >= floor) & (values > 0)] for values, floor in spectra]
    smallest = min(float(values.min(initial=highest)) for values in real)
    floors = [floor for _, floor in spectra if floor > 0]
    near = bool(floors) and max(floors) * FAR > smallest
    return (min(floors) / 10 if near else smallest / 3), highest


def _curve(axes: "Axes", shown: npt.NDArray[Any], above: npt.NDArray[Any], style: ModelStyle) -> None:
    """A line for values above the noise floor, open circles for those below."""
    index = np.arange(1, len(shown) + 1)
    axes.plot(index[above], shown[above], **style.marked(int(above.sum())))
    hollow: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": style.color, "markeredgewidth": 0.6, "markersize": 2.6}
    axes.plot(index[~above], shown[~above], linestyle="none", marker="o", **hollow)


def _collapse(axes: "Axes", cell: Cell, modality: str, shown: npt.NDArray[Any], style: ModelStyle) -> None:
    """A wedge at the analysis's collapse index."""
    index = value(cell, "spectrum", modality, "collapse_index")
    if index is not None and index < len(shown):
        axes.plot(index + 1, shown[int(index)], marker="v", markersize=6, color=style.color, linestyle="none", zorder=3)


def _name_the_lines(axes: "Axes", spectra: Sequence[Any], styles: Sequence[ModelStyle], labels: Sequence[str]) -> None:
    """Write each model's name and a sample of its line beside the line's end; names are moved apart where lines end close together."""
    low, high = np.log(axes.get_ylim())
    ends = []
    for values, floor in spectra:
        last = max(int((values >= floor).sum()), 1)
        ends.append((last / axes.get_xlim()[1], (np.log(max(float(values[last - 1]), np.exp(low))) - low) / (high - low)))
    inside: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
    for (x, y), place, style, label in zip(ends, spread([y for _, y in ends], 0.085), styles, labels, strict=True):
        axes.plot([x, 1.03], [y, place], color=MUTED, linewidth=0.6, zorder=0, **inside)
        axes.plot([1.04, 1.085, 1.13], [place] * 3, **style.marked(3, 1), **inside)
        axes.text(1.15, place, label, transform=axes.transAxes, va="center", fontsize=8, color=INK)


def _panels(run: Run, modality: str) -> list[Panel]:
    styles = model_styles(run.encoders, run.config)
    groups = {dataset: [c for c in run.of(dataset) if has_spectrum(c, modality)] for dataset in run.datasets}
    return [
        Panel(
            title=run.shown(dataset),
            draw=partial(_draw, cells=cells, modality=modality, styles=styles, labels=[name(c.encoder, run.config) for c in cells]),
        )
        for dataset, cells in groups.items()
        if cells
    ]


def _spec(name: str, modality: str, rows: str) -> FigureSpec:
    return FigureSpec(
        name=name,
        label=f"Fig. {name[3:]}",
        title=f"Singular values of {rows}",
        reading="Singular values of the covariance matrix, largest first. A wedge marks a collapse. Values below the noise floor, drawn as "
        "open circles, come from storage and rounding.",
        panels=partial(_panels, modality=modality),
        sentence=lambda run: findings.spectrum(run.cells, run.config, modality),
        cells=every_cell,
        needs="spectra",
        size=(4.2, 3.0),
    )


FIGURES = (
    _spec("fig10", "image", "{first} embeddings"),
    _spec("fig11", "text", "{second} embeddings"),
    _spec("fig12", "both", "{first} and {second} embeddings together"),
)
