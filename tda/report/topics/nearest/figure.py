"""Fig. 1: cosines of rows to the closest row of the training data, for every data set and model."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.geometry.shift import BINS, Counts, coarser, quantile
from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.data.words import fixed
from tda.report.drawing.figure import FigureSpec, Panel, every_cell
from tda.report.drawing.ridges import HEIGHT, draw_density, name_rows
from tda.report.drawing.style import INK, MUTED, ModelStyle, model_styles
from tda.report.topics.nearest.findings import compared, nearest, references
from tda.store.types import VECTORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN_BINS = (2000, 1000, 500, 400, 250, 200, 125, 100, 80, 50, 40, 20)  # over [-1, 1]; each a whole number of stored bins
STYLES: tuple[dict[str, Any], ...] = (  # of data sets, in the order of the page
    {"linestyle": "solid", "alpha": 0.32},
    {"linestyle": (0, (4, 1.5)), "alpha": 0.0},
    {"linestyle": (0, (1.2, 1.2)), "alpha": 0.0},
)


def _bins(cells: Sequence[Cell], reference: str) -> int:
    """The bin count of the narrowest density by the rule of Freedman and Diaconis (1981), so that few rows do not look like noise."""
    widths = []
    for cell in cells:
        closest = cell.closest[reference]
        for counts in closest.counts.values():
            spread = quantile(counts, 0.75) - quantile(counts, 0.25)
            widths.append(2 * max(spread, 2 / BINS) / np.cbrt(closest.rows))
    return next((bins for bins in DRAWN_BINS if 2 / bins >= min(widths)), DRAWN_BINS[-1])


def _density(counts: Counts, bins: int) -> npt.NDArray[Any]:
    count = coarser(counts, bins)
    density: npt.NDArray[Any] = count / count.sum() * (bins / 2)
    return density


def _span(cells: Sequence[Cell], reference: str) -> tuple[float, float]:
    """The range from the lowest 0.1% quantile of any data set to the highest cosine, and a little air."""
    counts = [one for cell in cells for one in cell.closest[reference].counts.values()]
    low, high = min(quantile(one, 0.001) for one in counts), max(quantile(one, 1.0) for one in counts)
    air = 0.03 * max(high - low, 0.1)
    return max(low - air, -1), min(high + air, 1.01)


def _draw_ridges(axes: "Axes", run: Run, cells: Sequence[Cell], reference: str, modality: str) -> None:
    """One ridge for each model, with one density for each data set."""
    everyone = compared(run.cells, reference)
    bins, span, styles = _bins(everyone, reference), _span(everyone, reference), model_styles(run.encoders, run.config)
    encoders = [encoder for encoder in run.encoders if any(cell.encoder == encoder for cell in cells)]
    datasets = list(dict.fromkeys(cell.dataset for cell in cells))
    tallest = max(float(_density(cell.closest[reference].counts[modality], bins).max()) for cell in cells)
    for place, encoder in enumerate(reversed(encoders)):
        axes.axhline(place, color=MUTED, linewidth=0.5, zorder=0)
        for cell in (cell for cell in cells if cell.encoder == encoder):
            counts = cell.closest[reference].counts[modality]
            look = STYLES[datasets.index(cell.dataset) % len(STYLES)]
            _draw_data_set(axes, counts, place, bins=bins, scale=HEIGHT / tallest, style=styles[encoder], look=look)
    labels = [_label(run, [cell for cell in cells if cell.encoder == encoder], reference, modality) for encoder in reversed(encoders)]
    name_rows(axes, labels)
    word = cells[0].modalities[VECTORS.index(modality)]
    axes.set(xlim=span, ylim=(-0.3, len(encoders) + 0.1 * len(datasets)), xlabel=f"cosine to the closest {word}")
    _name_the_data_sets(axes, [run.shown(dataset) for dataset in datasets])


def _draw_data_set(axes: "Axes", counts: Counts, place: int, *, bins: int, scale: float, style: ModelStyle, look: dict[str, Any]) -> None:
    edges, density = np.linspace(-1, 1, bins + 1), _density(counts, bins)
    draw_density(axes, edges, place + density * scale, place, style.color, **look)
    median = quantile(counts, 0.5)
    axes.plot([median, median], [place, place - 0.08], color=style.color, linewidth=1.6, linestyle=look["linestyle"], clip_on=False)


def _name_the_data_sets(axes: "Axes", datasets: Sequence[str]) -> None:
    """A legend of data sets; models are named at their ridges."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    for place, dataset in enumerate(datasets):
        look = STYLES[place % len(STYLES)]
        if look["alpha"]:
            handles.append(Patch(facecolor=MUTED, edgecolor=INK, alpha=0.5, label=dataset))
        else:
            handles.append(Line2D([], [], color=INK, linewidth=1.2, linestyle=look["linestyle"], label=dataset))
    axes.legend(handles=handles, loc="upper left", frameon=False, fontsize=8, labelcolor=INK, borderpad=0, handlelength=1.8)


def _label(run: Run, cells: Sequence[Cell], reference: str, modality: str) -> str:
    """The model's name, the medians of its data sets below."""
    medians = " / ".join(fixed(cell.closest[reference].median(modality)) for cell in cells)
    return f"{name(cells[0].encoder, run.config)}\n{medians}"


def _panels(run: Run) -> list[Panel]:
    return [
        Panel(
            title=f"Closest {cells[0].modalities[place]}",
            row=f"Against {reference}",
            draw=partial(_draw_ridges, run=run, cells=cells, reference=reference, modality=modality),
        )
        for reference in references(run.cells)
        for cells in [compared(run.cells, reference)]
        for place, modality in enumerate(VECTORS)
    ]


FIGURES = (
    FigureSpec(
        name="fig01",
        label="Fig. 1",
        title="How near the training data comes",
        reading="For each row, the cosine to the closest row of the reference; areas are equal. Ticks below a ridge: medians. Below a "
        "model's name: medians in the order of the legend. Intervals cover 95%, by resampling rows.",
        panels=_panels,
        sentence=lambda run: nearest(run.cells, run.config),
        cells=every_cell,
        needs="closest",
        size=(5.2, 3.6),
    ),
)
