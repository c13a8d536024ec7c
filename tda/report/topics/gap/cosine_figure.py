"""Fig. 3: cosine of true pairs and of random image-text pairs, one ridge a model."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.columns import Columns
from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.data.words import fixed
from tda.report.drawing.figure import FigureSpec, Panel, every_cell
from tda.report.drawing.ridges import HEIGHT, draw_density, name_rows
from tda.report.drawing.style import INK, MUTED, ModelStyle, model_styles
from tda.report.topics.gap import findings

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _density(cell: Cell, kind: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Bin edges and the density of each bin: its area is 1."""
    columns = cell.parquet["cosine"]
    of_kind = columns["kind"] == kind
    left, right = columns["left"][of_kind], columns["right"][of_kind]
    count = columns["count"][of_kind].astype(np.float64)
    merged = _merge(columns)
    left, right, count = left[::merged], right[merged - 1 :: merged], count.reshape(-1, merged).sum(axis=1)
    return np.append(left, right[-1:]), count / max(count.sum(), 1) / (right - left)


def _merge(columns: Columns) -> int:
    """How many stored bins are drawn as one, so that few pairs do not look like noise; the same for both kinds."""
    pair = columns["count"][columns["kind"] == "pair"]
    wanted = 4 * np.cbrt(pair.sum())  # twice Rice's rule
    return next((width for width in (1, 2, 4, 5, 8, 10) if len(pair) % width == 0 and (pair > 0).sum() / width <= wanted), 1)


def _range(cells: Sequence[Cell]) -> tuple[float, float]:
    """The range of the occupied bins of all models, and a little air."""
    columns = [cell.parquet["cosine"] for cell in cells]
    low = min(float(c["left"][c["count"] > 0].min(initial=1)) for c in columns)
    high = max(float(c["right"][c["count"] > 0].max(initial=-1)) for c in columns)
    air = 0.03 * max(high - low, 0.1)
    return max(low - air, -1), min(high + air, 1)


def _draw_ridges(
    axes: "Axes", cells: Sequence[Cell], styles: dict[str, ModelStyle], labels: Sequence[str], span: tuple[float, float]
) -> None:
    tallest = max(float(_density(cell, kind)[1].max(initial=0)) for cell in cells for kind in ("pair", "random")) or 1.0
    for place, cell in enumerate(reversed(cells)):
        axes.axhline(place, color=MUTED, linewidth=0.5, zorder=0)
        _ridge(axes, cell, "random", (place, tallest), ModelStyle(color=MUTED))
        _ridge(axes, cell, "pair", (place, tallest), styles[cell.encoder])
    name_rows(axes, list(reversed(labels)))
    axes.set(xlim=span, ylim=(-0.3, len(cells) + 0.05), xlabel="cosine of {} and {}".format(*cells[0].modalities))
    _name_the_kinds(axes, cells[0], len(cells) - 1, tallest)


def _ridge(axes: "Axes", cell: Cell, kind: str, at: tuple[int, float], style: ModelStyle) -> None:
    place, tallest = at
    edges, density = _density(cell, kind)
    draw_density(axes, edges, place + density / tallest * HEIGHT, place, style.color)
    mean = cell.metrics.get("cosine", {}).get(kind, {}).get("mean")
    if mean is not None:
        axes.plot([mean, mean], [place, place - 0.05], color=style.color, linewidth=2, solid_capstyle="butt", clip_on=False)


def _name_the_kinds(axes: "Axes", cell: Cell, place: int, tallest: float) -> None:
    """Label the two densities of the uppermost ridge at their peaks; to the left and the right where the peaks coincide."""
    peaks = {}
    for kind in ("random", "pair"):
        edges, density = _density(cell, kind)
        peak = int(density.argmax())
        peaks[kind] = ((edges[peak] + edges[peak + 1]) / 2, place + density[peak] / tallest * HEIGHT)
    order = sorted(peaks, key=lambda kind: peaks[kind][0])
    near = abs(peaks["pair"][0] - peaks["random"][0]) < 0.2 * float(np.diff(axes.get_xlim())[0])
    for kind, aside in zip(order, ("right", "left"), strict=True):
        x, y = peaks[kind]
        offset = (-6 if aside == "right" else 6, 1) if near else (0, 2)
        axes.annotate(kind, (x, y), offset, textcoords="offset points", ha=aside if near else "center", va="bottom", fontsize=8, color=INK)


def _panels(run: Run) -> list[Panel]:
    styles = model_styles(run.encoders, run.config)
    groups = {dataset: [cell for cell in run.of(dataset) if "cosine" in cell.parquet] for dataset in run.datasets}
    span = _range([cell for cells in groups.values() for cell in cells])
    return [
        Panel(
            title=run.shown(dataset),
            draw=partial(_draw_ridges, cells=cells, styles=styles, labels=[_label(run, cell) for cell in cells], span=span),
        )
        for dataset, cells in groups.items()
        if cells
    ]


def _label(run: Run, cell: Cell) -> str:
    """The model's name, its two means below."""
    who = name(cell.encoder, run.config)
    means = [cell.metrics.get("cosine", {}).get(kind, {}).get("mean") for kind in ("pair", "random")]
    return f"{who}\n{fixed(means[0])} / {fixed(means[1])}" if None not in means else who


FIGURES = (
    FigureSpec(
        name="fig03",
        label="Fig. 3",
        title="Cosine between {first} and {second}",
        reading="In colour: true pairs. In grey: {first} and {second} of different pairs. Areas are equal. Below a model's name: means, "
        "pair / random.",
        panels=_panels,
        sentence=lambda run: findings.cosine(run.cells, run.config),
        cells=every_cell,
        needs="cosine",
        size=(4.2, 3.4),
    ),
)
