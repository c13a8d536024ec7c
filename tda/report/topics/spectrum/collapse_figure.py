"""Fig. 9: complete and dimensional collapse, as drawn rows and spectra of known kind, beside this run's models.

N rows, D dimensions.
"""

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.geometry.spectrum.collapse import KINDS, POINT_VARIANCE, Collapse, classify, collapsed_rows
from tda.geometry.spectrum.moments import Moments, Spectrum
from tda.report.data.evidence import value
from tda.report.data.load import Cell, Run
from tda.report.drawing import projection
from tda.report.drawing.figure import FigureSpec, Panel, every_cell
from tda.report.drawing.spectra import show_decades
from tda.report.drawing.style import INK, MODALITIES, MUTED, ModelStyle, model_styles
from tda.report.topics.rules import rows_of
from tda.report.topics.spectrum import findings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIM, ROWS, KEPT = 128, 4000, 0.5  # of the drawn cases; `dimensional` keeps this share of the dimensions
PICTURED = 220  # rows of the two pictures on the sphere
TITLES = {"complete": "Complete collapse", "dimensional": "Dimensional collapse"}
DASHES: dict[str, Any] = {"none": "solid", "dimensional": (0, (5, 1.6)), "complete": (0, (1.4, 1.4))}


@cache
def example(kind: str) -> tuple[Spectrum, Collapse]:
    """The spectrum of drawn rows whose collapse is known, and what the classifier finds."""
    kept = round(KEPT * DIM) if kind == "dimensional" else None
    spectrum = Moments.of(collapsed_rows(kind, ROWS, DIM, kept=kept)).spectrum()
    return spectrum, classify(spectrum)


def _draw_rows(axes: "Axes", kind: str) -> None:
    """Rows on the sphere in three dimensions: near one point, or along one great circle."""
    rows_N3 = collapsed_rows(kind, PICTURED, 3, kept=2 if kind == "dimensional" else None, spread=0.12, seed=1)
    projection.draw_outline(axes, sphere=True)
    points = projection.mollweide(rows_N3 @ _towards(rows_N3).T)
    axes.scatter(points[:, 0], points[:, 1], s=7, color=INK, alpha=0.6, linewidths=0, rasterized=True, zorder=2)
    axes.set(xlim=(-2.02, 2.02), ylim=(-1.3, 1.02), aspect="equal")
    axes.set_axis_off()
    reported = {"complete": "all rows near one point", "dimensional": "all rows on one great circle"}[kind]
    axes.text(0, -1.06, reported, ha="center", va="top", fontsize=8, color=INK)


def _towards(rows_N3: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A rotation (3, 3) that puts the mean of the rows in front, or tilts a circle of rows."""
    middle_3 = rows_N3.mean(axis=0)
    axes_33 = np.linalg.eigh(rows_N3.T @ rows_N3)[1].T[::-1]
    if np.linalg.norm(middle_3) > 0.5:
        return np.asarray(axes_33 * np.sign(axes_33[:1] @ middle_3))
    slant = np.radians(40)
    tilt_33 = np.array([[np.cos(slant), 0, -np.sin(slant)], [0, 1, 0], [np.sin(slant), 0, np.cos(slant)]])
    return np.asarray(tilt_33 @ axes_33)


def _scaled(found: Spectrum) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Share of the dimensions, and value times D, of values above the noise floor: 1 throughout where rows cover the sphere."""
    values = found.singular_values
    real = (values > found.floor) & (values > 0)
    return (np.arange(1, len(values) + 1) / len(values))[real], len(values) * values[real]


def _draw_spectra(axes: "Axes", cells: Sequence[Cell], styles: dict[str, ModelStyle]) -> None:
    for cell in cells:
        for modality in MODALITIES:
            if (found := spectrum_in(cell, modality)) is not None:
                axes.plot(*_scaled(found), color=styles[cell.encoder].color, linewidth=0.9, alpha=0.8, zorder=1)
    bottom = 1e-6
    for kind in KINDS:
        share, values = _scaled(example(kind)[0])
        if kind == "dimensional":  # no value beyond it is above the floor: the line drops
            share, values = np.append(share, share[-1]), np.append(values, bottom)
        axes.plot(share, values, color=MUTED, linewidth=2.4, linestyle=DASHES[kind], zorder=2)
    axes.set(yscale="log", xlim=(0, 1.02), ylim=(bottom, 60), xlabel="share of the dimensions", ylabel="singular value × dimensions")
    show_decades(axes)
    _name_examples(axes)


def _name_examples(axes: "Axes") -> None:
    """Write each drawn case's kind beside its spectrum."""
    complete = float(_scaled(example("complete")[0])[1][0])
    axes.text(0.99, 1.6, "none", ha="right", va="bottom", fontsize=8, color=INK)
    axes.text(KEPT - 0.02, 1e-5, "dimensional", ha="right", va="center", fontsize=8, color=INK)
    axes.text(0.02, complete / 2, "complete", ha="left", va="top", fontsize=8, color=INK)


def _draw_map(axes: "Axes", cells: Sequence[Cell], styles: dict[str, ModelStyle]) -> None:
    """Share of the dimensions before the collapse against total variance, with the classifier's limits."""
    axes.axhspan(1e-5, POINT_VARIANCE, color=MUTED, alpha=0.18, linewidth=0)
    axes.axvspan(0, 0.01, color=MUTED, alpha=0.18, linewidth=0)
    for kind in KINDS:
        _, found = example(kind)
        axes.plot([found.index / DIM], [max(found.variance, 2e-5)], marker="s", markersize=7, color=MUTED, linestyle="none")
    for cell in cells:
        for modality, style in MODALITIES.items():
            if (one := classified(cell, modality)) is not None:
                mark: dict[str, Any] = {"marker": style.marker, "markersize": 5.5, "alpha": 0.85, "markeredgewidth": 0, "linestyle": "none"}
                axes.plot([one.index / one.dim], [max(one.variance, 2e-5)], color=styles[cell.encoder].color, **mark)
    axes.set(yscale="log", xlim=(0, 1.06), ylim=(1e-5, 3), xlabel="share before the collapse", ylabel="total variance")
    show_decades(axes)
    axes.text(0.53, 10**-4.0, "complete", ha="center", va="center", fontsize=8, color=INK)
    axes.text(0.3, 10**-1.6, "dimensional", ha="center", va="center", fontsize=8, color=INK)
    axes.text(1.0, 10**-1.6, "none", ha="center", va="center", fontsize=8, color=INK)


def spectrum_in(cell: Cell, modality: str) -> Spectrum | None:
    """The whole spectrum in metrics.json; None where it is not there or holds the largest values only."""
    found = (cell.metrics.get("spectrum") or {}).get(modality) or {}
    if not found.get("singular_values"):
        return None
    values = np.asarray(found["singular_values"], dtype=np.float64)
    if len(values) < (value(cell, "dim") or 0):  # the largest alone: the collapse is unknown
        return None
    numbers = {key: found.get(key) or 0 for key in ("effective_rank", "participation_ratio", "auc", "floor")}
    return Spectrum(singular_values=values, collapse_index=int(found.get("collapse_index") or len(values)), **numbers)


def classified(cell: Cell, modality: str) -> Collapse | None:
    """The collapse that the classifier finds in a cell's spectrum."""
    found = spectrum_in(cell, modality)
    return None if found is None else classify(found, rows=rows_of(cell, modality))


def _panels(run: Run) -> list[Panel]:
    styles = model_styles(run.encoders, run.config)
    cells = list(run.cells)
    drawn = [Panel(title=TITLES[kind], draw=partial(_draw_rows, kind=kind)) for kind in TITLES]
    spectra = Panel(title="Spectra: drawn cases, this run", draw=partial(_draw_spectra, cells=cells, styles=styles))
    return [*drawn, spectra, Panel(title="Where each lies", draw=partial(_draw_map, cells=cells, styles=styles))]


def _sentences(run: Run) -> list[str]:
    found = [(cell, {modality: one for modality in MODALITIES if (one := classified(cell, modality)) is not None}) for cell in run.cells]
    return findings.collapse({kind: example(kind)[1] for kind in KINDS}, found, run)


FIGURES = (
    FigureSpec(
        name="fig09",
        label="Fig. 9",
        title="Two kinds of collapse, and where these models lie",
        reading="First, drawn rows on the sphere in three dimensions. Then spectra: grey, of drawn rows whose collapse is known; in "
        "colour, of this run; 1 throughout where rows cover the sphere. Then each as a point; squares are drawn rows. Complete: the total "
        f"variance of unit rows is under {POINT_VARIANCE:g}, or only a few dimensions come before the collapse. Dimensional: the "
        "collapse comes before the last dimension.",
        panels=_panels,
        sentence=_sentences,
        cells=every_cell,
        needs="metrics.spectrum",
        size=(2.7, 2.3),
        keys=("modality", "model"),
    ),
)
