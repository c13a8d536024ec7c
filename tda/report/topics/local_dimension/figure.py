"""Fig. 15: dimension of a cluster against retrieval in it, and the correlations with their intervals.

K clusters of a model.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.drawing.figure import FigureSpec, Panel, every_cell, model_panels
from tda.report.drawing.ridges import name_rows
from tda.report.drawing.style import INK, MUTED, ModelStyle, model_styles
from tda.report.topics.local_dimension import findings as findings_local

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = {"auc": "area under the curve", "effective_rank": "effective rank"}
PLAIN, PARTIAL = "spearman", "partial_spearman_given_size"
SMALLEST, LARGEST = 6.0, 60.0  # points² of a marker


def clusters(cell: Cell, dimension: str) -> npt.NDArray[Any]:
    """Dimension, top-1 over both directions and size of every cluster that has them, (3, K)."""
    rows = [(row.get(dimension), top1_of(row), row.get("size")) for row in cell.metrics.get("per_cluster") or []]
    return np.array([row for row in rows if None not in row], dtype=np.float64).reshape(-1, 3).T


def top1_of(row: Mapping[str, Any]) -> float | None:
    """Top-1 of a cluster over both directions: the stored one, else the mean of those directions that were measured."""
    both = [row.get(f"top1_{direction}") for direction in ("image_to_text", "text_to_image")]
    known = [one for one in both if one is not None]
    return row["top1"] if row.get("top1") is not None else float(np.mean(known)) if known else None


def associations(cell_or_pooled: Mapping[str, Any], dimension: str) -> Mapping[str, Any] | None:
    """Correlations of a dimension with top-1: over both directions for AUC, from image to text for another."""
    if dimension == "auc":
        return cell_or_pooled or None
    found = (cell_or_pooled.get("by") or {}).get(dimension, {}).get("image_to_text")
    return found if isinstance(found, Mapping) else None


def _draw(axes: "Axes", cell: Cell, dimension: str, styles: Mapping[str, ModelStyle], frame: tuple[float, float, float]) -> None:
    dimension_K, top1_K, size_K = clusters(cell, dimension)
    low, high, largest = frame
    area_K = SMALLEST + (LARGEST - SMALLEST) * size_K / largest
    order = np.argsort(-size_K)  # small ones are drawn last, over the large
    color = styles[cell.encoder].color
    axes.scatter(dimension_K[order], top1_K[order], s=area_K[order], color=color, alpha=0.55, linewidths=0.4, edgecolors=INK)
    if (found := fit(dimension_K, top1_K)) is not None:
        x_P, y_P, half_P = found
        axes.fill_between(x_P, y_P - half_P, y_P + half_P, color=MUTED, alpha=0.25, linewidth=0, zorder=0)
        axes.plot(x_P, y_P, color=INK, linewidth=1.1, label="fit")
    axes.set(xlim=(low, high), ylim=(-0.03, 1.03), xlabel=NAMES[dimension], ylabel="top-1")
    axes.locator_params(nbins=5)
    _name_the_sizes(axes, largest, color)


def _name_the_sizes(axes: "Axes", largest: float, color: str) -> None:
    """The largest cluster, and one of a tenth of its rows, beneath the axes."""
    from matplotlib.lines import Line2D

    sizes = [round(largest / 10), round(largest)]
    area = {size: SMALLEST + (LARGEST - SMALLEST) * size / largest for size in sizes}
    disc: dict[str, Any] = {
        "marker": "o",
        "color": color,
        "alpha": 0.55,
        "markeredgewidth": 0.4,
        "markeredgecolor": INK,
        "linestyle": "none",
    }
    handles = [Line2D([], [], markersize=area[size] ** 0.5, label=f"{size:,} rows", **disc) for size in sizes]
    where: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.3), "ncols": 2, "frameon": False, "fontsize": 7}
    axes.legend(handles=handles, labelcolor=INK, handletextpad=0.2, columnspacing=1.0, borderpad=0, **where)


def fit(x_K: npt.NDArray[Any], y_K: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]] | None:
    """The line of least squares over the range of x, and half the 95% interval of its height; None for fewer than four points."""
    from scipy.stats import t

    spread = float(((x_K - x_K.mean()) ** 2).sum()) if len(x_K) > 3 else 0.0
    if spread == 0:
        return None
    slope = float(((x_K - x_K.mean()) * (y_K - y_K.mean())).sum()) / spread
    x_P = np.linspace(x_K.min(), x_K.max(), 40)
    rest_K = y_K - y_K.mean() - slope * (x_K - x_K.mean())
    error = np.sqrt(float((rest_K**2).sum()) / (len(x_K) - 2))
    half_P = float(t.ppf(0.975, len(x_K) - 2)) * error * np.sqrt(1 / len(x_K) + (x_P - x_K.mean()) ** 2 / spread)
    return x_P, y_K.mean() + slope * (x_P - x_K.mean()), half_P


def _range(cells: Sequence[Cell], dimension: str) -> tuple[float, float, float]:
    """The dimensions of all panels and the largest cluster."""
    found = np.concatenate([clusters(cell, dimension) for cell in cells], axis=1)
    low, high = float(found[0].min()), float(found[0].max())
    air = 0.06 * max(high - low, 1e-3)
    return low - air, high + air, float(found[2].max())


def _draw_forest(axes: "Axes", entries: Sequence[tuple[str, Mapping[str, Any], str]]) -> None:
    """One row for each model: the plain correlation as a hollow circle, the one given size as a full one, each with its interval."""
    axes.axvline(0, color=MUTED, linewidth=0.8, zorder=0)
    for place, (_, found, color) in enumerate(reversed(entries)):
        for kind, above in ((PLAIN, 0.16), (PARTIAL, -0.16)):
            _draw_interval(axes, found, kind, place + above, color)
    name_rows(axes, [label for label, _, _ in reversed(entries)])
    axes.set(xlim=(-1.05, 1.05), ylim=(-0.6, len(entries) - 0.4), xlabel="rank correlation: ○ plain, ● given size")
    axes.locator_params(axis="x", nbins=5)


def _draw_interval(axes: "Axes", found: Mapping[str, Any], kind: str, place: float, color: str) -> None:
    value, interval = found.get(kind), (found.get("ci95") or {}).get(kind)
    if value is None:
        return
    if interval is not None:
        axes.plot(interval, [place, place], color=color, linewidth=1.4, solid_capstyle="butt")
    face = color if kind == PARTIAL else "none"
    axes.plot([value], [place], marker="o", markersize=5, markerfacecolor=face, markeredgecolor=color, linestyle="none")


def _panels(run: Run, dimension: str) -> list[Panel]:
    cells = [cell for cell in run.cells if clusters(cell, dimension).size]
    if not cells:
        return []
    styles = model_styles(run.encoders, run.config)
    return model_panels(run, cells, partial(_draw, dimension=dimension, styles=styles, frame=_range(cells, dimension)))


def _forests(run: Run) -> list[Panel]:
    styles = model_styles(run.encoders, run.config)
    found = [(dataset, dimension, _entries(run, dataset, dimension, styles)) for dataset in run.datasets for dimension in NAMES]
    return [
        Panel(title=NAMES[dimension].capitalize(), row=run.shown(dataset), draw=partial(_draw_forest, entries=entries))
        for dataset, dimension, entries in found
        if entries
    ]


def _entries(run: Run, dataset: str, dimension: str, styles: Mapping[str, ModelStyle]) -> list[tuple[str, Mapping[str, Any], str]]:
    """Label, correlations and colour of each model, and of all pooled."""
    sources = [
        (name(cell.encoder, run.config), cell.metrics.get("local_dimension"), styles[cell.encoder].color) for cell in run.of(dataset)
    ]
    sources.append(("all models", run.comparisons.get(dataset, {}).get("pooled"), MUTED))
    found = [(label, associations(source or {}, dimension), color) for label, source, color in sources]
    return [(label, one, color) for label, one, color in found if one and one.get(PLAIN) is not None]


def _spec(figure: str, label: str, dimension: str, what: str) -> FigureSpec:
    return FigureSpec(
        name=figure,
        label=label,
        title=f"{NAMES[dimension].capitalize()} of a cluster against retrieval in it",
        reading=f"A disc is a cluster; its area is the cluster's size. Horizontal: {what}. Vertical: the share of its queries whose "
        "partner ranks first, over both directions. The line is fitted by least squares over clusters, grey its 95% interval; size is "
        "not taken out of it.",
        panels=partial(_panels, dimension=dimension),
        sentence=lambda run: findings_local.local_dimension(run, dimension),
        cells=every_cell,
        needs="metrics.per_cluster",
        size=(2.1, 2.25),
    )


FIGURES = (
    _spec("fig15", "Fig. 15", "auc", "the area under its log-scaled spectrum (1 is flat)"),
    _spec("fig15_by_rank", "Fig. 15, by rank", "effective_rank", "the effective rank of its rows"),
    FigureSpec(
        name="fig15_correlations",
        label="Fig. 15, correlations",
        title="Correlation of a cluster's dimension and retrieval in it",
        reading="Spearman's correlation over clusters, plain and given cluster size, which influences both; lines are 95% intervals by "
        "bootstrap over clusters. The area under the curve against top-1 over both directions, the effective rank against top-1 from "
        "{first} to {second}. All models: pooled, with model as a factor.",
        panels=_forests,
        sentence=findings_local.taken_out,
        cells=every_cell,
        needs="metrics.local_dimension",
        size=(4.2, 2.5),
    ),
)
