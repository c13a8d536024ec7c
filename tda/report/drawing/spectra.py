"""What figures of spectra have in common: the values of a cell, the noise floor, and an axis in powers of ten.

D values, in descending order.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.report.data.load import Cell
from tda.report.data.words import power
from tda.report.drawing.style import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FAR = 1e3  # a noise floor below every value by this factor is not drawn


def has_spectrum(cell: Cell, modality: str) -> bool:
    return "spectra" in cell.parquet and bool(np.any(cell.parquet["spectra"]["modality"] == modality))


def spectrum_of(cell: Cell, modality: str) -> tuple[npt.NDArray[Any], float]:
    """The singular values in descending order, and the noise floor, 0 where it is unknown."""
    columns = cell.parquet["spectra"]
    of_modality = columns["modality"] == modality
    order = np.argsort(columns["index"][of_modality], kind="stable")
    values = columns["singular_value"][of_modality][order].astype(np.float64)
    floor = columns["floor"][of_modality].astype(np.float64)
    return values, float(floor[0]) if len(floor) and np.isfinite(floor[0]) else 0.0


def global_spectrum(cell: Cell, modality: str) -> tuple[npt.NDArray[Any], float] | None:
    """The spectrum of all rows of a cell, where it was measured."""
    return spectrum_of(cell, modality) if has_spectrum(cell, modality) else None


def draw_floor(axes: "Axes", floors: Sequence[float], below: str = "noise floor {}, under the frame") -> None:
    """Draw a grey band up to the noise floor, or write its value where it is below the frame."""
    bottom = axes.get_ylim()[0]
    if not floors:
        return
    if max(floors) < bottom:
        text = below.format(power(round(np.log10(max(floors)))))
        axes.text(0.985, 0.985, text, transform=axes.transAxes, ha="right", va="top", fontsize=8, color=INK)
        return
    axes.axhspan(bottom, max(floors), color=MUTED, alpha=0.14, linewidth=0, zorder=0)
    for floor in {min(floors), max(floors)}:
        axes.axhline(floor, color=MUTED, linewidth=0.7, linestyle=(0, (1, 2)), zorder=0)
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    axes.annotate("noise floor", (0.015, max(floors)), (0, -3), va="top", fontsize=8, color=INK, **place)


def show_decades(axes: "Axes") -> None:
    """Label the logarithmic y-axis by powers of ten, without minor ticks."""
    axes.yaxis.set_major_formatter(powers())
    axes.minorticks_off()


def powers() -> Any:
    """A formatter that writes powers of ten."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: power(round(np.log10(value))) if value > 0 else "0")
