"""Figs 13 and 14: singular values of each cluster as a line, beside those of all rows.

K clusters, D singular values of each, in descending order.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.report.data.load import Cell, Run
from tda.report.drawing.figure import FigureSpec, Panel, every_cell, model_panels
from tda.report.drawing.spectra import FAR, draw_floor, global_spectrum, show_decades
from tda.report.drawing.style import INK, ModelStyle, model_styles
from tda.report.topics.local_dimension import findings as findings_local

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 300  # lines; clusters are numbered from the largest
Line = npt.NDArray[Any]  # (P, 2): index from 1 and singular value, of values above the floor


def _lines(cell: Cell, modality: str) -> tuple[list[Line], float]:
    """One line for each cluster, and the highest noise floor."""
    columns = cell.parquet["cluster_spectra"]
    here = (columns["modality"] == modality) & (columns["cluster"] < MOST)
    cluster, index, value, floor = (columns[column][here] for column in ("cluster", "index", "singular_value", "floor"))
    order = np.lexsort((index, cluster))
    cluster, value, floor = cluster[order], value[order].astype(np.float64), floor[order].astype(np.float64)
    starts = np.flatnonzero(np.diff(cluster, prepend=-1))
    lines = []
    for one, low in zip(np.split(value, starts[1:]), np.split(floor, starts[1:]), strict=True):
        real = (one > low) & (one > 0)
        lines.append(np.stack([np.arange(1, len(one) + 1)[real], one[real]], axis=1))
    return [line for line in lines if len(line)], float(floor.max(initial=0.0))


def _limits(found: Sequence[tuple[list[Line], float]]) -> tuple[float, float]:
    """One range for all panels: from below the noise floor where values come near it, else from below the smallest value."""
    values = np.concatenate([line[:, 1] for lines, _ in found for line in lines] or [np.array([1e-6, 1.0])])
    floor = max(floor for _, floor in found)
    low, high = float(values.min()), float(values.max())
    return (floor / 3 if floor > 0 and low < floor * FAR else low / 3), high * 4


def _draw(axes: "Axes", cell: Cell, modality: str, styles: Mapping[str, ModelStyle], frame: tuple[float, float, int]) -> None:
    from matplotlib.collections import LineCollection

    lines, floor = _lines(cell, modality)
    low, high, longest = frame
    color = styles[cell.encoder].color
    axes.set(yscale="log", xlim=(0, longest + 1), ylim=(low, high), xlabel=f"index ({len(lines):,} clusters)")
    axes.set_ylabel("singular value")
    show_decades(axes)
    thin = max(0.25, 0.9 - len(lines) / 150)
    axes.add_collection(LineCollection(lines, colors=color, linewidths=thin, alpha=0.6, rasterized=True, zorder=1))
    ends = np.array([line[-1] for line in lines]).reshape(-1, 2)
    axes.scatter(ends[:, 0], ends[:, 1], s=3, color=color, linewidths=0, rasterized=True, zorder=2)
    if (whole := global_spectrum(cell, modality)) is not None:
        real = whole[0] > whole[1]
        axes.plot(np.arange(1, len(whole[0]) + 1)[real], whole[0][real], color=INK, linewidth=1.8, linestyle=(0, (4, 1.5)), zorder=3)
    draw_floor(axes, [floor] if floor > 0 else [], below="floor at {}")


def _panels(run: Run, modality: str) -> list[Panel]:
    cells = [cell for cell in run.cells if "cluster_spectra" in cell.parquet and _lines(cell, modality)[0]]
    if not cells:
        return []
    low, high = _limits([_lines(cell, modality) for cell in cells])
    longest = max(int(line[-1, 0]) for cell in cells for line in _lines(cell, modality)[0])
    styles = model_styles(run.encoders, run.config)
    return model_panels(run, cells, partial(_draw, modality=modality, styles=styles, frame=(low, high, longest)))


def _spec(figure: str, label: str, modality: str, rows: str) -> FigureSpec:
    return FigureSpec(
        name=figure,
        label=label,
        title=f"Singular values per cluster, {rows}",
        reading="A thin line is one cluster's spectrum down to its noise floor; a dot marks its end. A cluster of n rows has rank below n: "
        "short lines may be small clusters. Dashed: the spectrum of all rows. Grey: below the highest noise floor.",
        panels=partial(_panels, modality=modality),
        sentence=lambda run: findings_local.cluster_ranks(run.cells, run.config, modality),
        cells=every_cell,
        needs="cluster_spectra",
        size=(2.1, 2.0),
    )


FIGURES = (
    _spec("fig13", "Fig. 13", "image", "{first} embeddings"),
    _spec("fig14", "Fig. 14", "text", "{second} embeddings"),
    _spec("fig14_both", "Figs 13, 14", "both", "{first} and {second} embeddings together"),
)
