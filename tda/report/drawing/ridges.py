"""Ridges: one density a model above a common axis, and rows of a figure named at the left."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 0.82  # of the highest density, where ridges are 1 apart


def draw_density(
    axes: "Axes",
    edges: npt.NDArray[Any],
    top: npt.NDArray[Any],
    baseline: float,
    color: str,
    *,
    alpha: float = 0.32,
    linestyle: Any = "solid",
) -> None:
    """A density in bins: filled unless `alpha` is 0, outlined where it rises above the baseline."""
    if alpha:
        axes.stairs(top, edges, baseline=baseline, fill=True, color=color, alpha=alpha, linewidth=0)
    outline = np.where(top > baseline, top, np.nan)
    axes.stairs(outline, edges, baseline=None, color=color, linewidth=1.2, linestyle=linestyle)


def name_rows(axes: "Axes", labels: Sequence[str]) -> None:
    """Label rows 0, 1, 2 ... from below, without an axis line."""
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
