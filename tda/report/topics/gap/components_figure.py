"""Figs 2, 6 and 8: embeddings in the plane of their first two principal components, by modality.

N rows; `pca.parquet` holds the scores of image and text rows on the components of the stacked, centred rows.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.data.words import percent
from tda.report.drawing.figure import FigureSpec, Panel, every_cell, model_panels
from tda.report.drawing.projection import evenly
from tda.report.drawing.style import INK, MODALITIES, MUTED
from tda.report.topics.gap import findings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MIXED_ARMS = ("InfoLOOB", "InfoNCE + Hopfield")


def _scores(cell: Cell, most: int) -> dict[str, npt.NDArray[Any]]:
    columns = cell.parquet["pca"]
    picked = evenly(len(columns["row"]), most)
    return {name: np.stack([columns[f"{name}_pc1"][picked], columns[f"{name}_pc2"][picked]], axis=1) for name in MODALITIES}


def _reach(cells: Sequence[Cell], most: int) -> float:
    """Half the width of a square that holds the points of all panels, so that distances compare across panels."""
    return 1.04 * max((float(np.abs(points).max()) for cell in cells for points in _scores(cell, most).values()), default=1.0)


def _frame(axes: "Axes", cell: Cell, reach: float) -> None:
    explained = cell.metrics.get("separability", {}).get("pca2", {}).get("explained")
    shares = [f" ({percent(share)})" for share in explained] if explained else ["", ""]
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel=f"PC 1{shares[0]}", ylabel=f"PC 2{shares[1]}")
    axes.locator_params(nbins=5)


def _draw_points(axes: "Axes", cell: Cell, most: int, reach: float) -> None:
    for modality, points in _scores(cell, most).items():
        style = MODALITIES[modality]
        axes.scatter(points[:, 0], points[:, 1], s=7, marker=style.marker, color=style.color, alpha=0.55, linewidths=0, rasterized=True)
    accuracy = cell.metrics.get("separability", {}).get("pca2", {}).get("accuracy")
    if accuracy is not None:
        axes.text(0.98, 0.98, f"split {percent(accuracy)}", transform=axes.transAxes, ha="right", va="top", fontsize=8, color=INK)
    _frame(axes, cell, reach)


def _draw_pairs(axes: "Axes", cell: Cell, most: int, reach: float) -> None:
    from matplotlib.collections import LineCollection

    scores = _scores(cell, most)
    segments = np.stack([scores["image"], scores["text"]], axis=1)
    axes.add_collection(LineCollection(list(segments), colors=MUTED, linewidths=0.5, alpha=0.55, zorder=1))
    for modality, points in scores.items():
        style = MODALITIES[modality]
        axes.scatter(points[:, 0], points[:, 1], s=9, marker=style.marker, color=style.color, alpha=0.85, linewidths=0, zorder=2)
    _frame(axes, cell, reach)


def _by_dataset(run: Run) -> list[Panel]:
    """Every cell, in one row for each data set."""
    cells, most = _has_scores(run.cells), run.config.points
    return model_panels(run, cells, partial(_draw_points, most=most, reach=_reach(cells, most)))


def _side_by_side(run: Run, wanted: Sequence[Cell]) -> list[Panel]:
    cells, most = _has_scores(wanted), run.config.lines
    draw = partial(_draw_pairs, most=most, reach=_reach(cells, most))
    return [Panel(title=f"{cell.shown}\n{name(cell.encoder, run.config)}", draw=partial(draw, cell=cell)) for cell in cells]


def _main_models(run: Run) -> list[Cell]:
    """The models configured as CLIP and CLOOB; where none is, all that Fig. 8 does not show."""
    main = [cell for cell in run.cells if cell.encoder in run.config.models]
    return main or [cell for cell in run.cells if run.config.ablation.get(cell.encoder) not in MIXED_ARMS]


def _mixed_arms(run: Run) -> list[Cell]:
    return [cell for cell in run.cells if run.config.ablation.get(cell.encoder) in MIXED_ARMS]


def _has_scores(cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if "pca" in cell.parquet]


_PLANE = "The plane: the first two principal components of {first} and {second} rows together (share of variance); one scale in all panels."


def _pairs_spec(number: int, title: str, cells: Callable[[Run], list[Cell]], absent: str = "") -> FigureSpec:
    return FigureSpec(
        name=f"fig{number:02}",
        label=f"Fig. {number}",
        title=f"Pairs joined by lines: {title}",
        reading=f"{_PLANE} A line joins the {{first}} and the {{second}} of a pair; all lines have one thickness.",
        panels=lambda run: _side_by_side(run, cells(run)),
        sentence=lambda run: findings.joined_pairs(cells(run), run.config),
        cells=cells,
        needs="pca",
        absent=absent,
        size=(2.6, 2.75),
        keys=("modality",),
    )


FIGURES = (
    FigureSpec(
        name="fig02",
        label="Fig. 2",
        title="Two principal components, by modality",
        reading=f"{_PLANE} “split” is the accuracy of a line in this plane that separates the modalities (50% is chance).",
        panels=_by_dataset,
        sentence=lambda run: findings.two_components(run.cells, run.config),
        cells=every_cell,
        needs="pca",
        size=(2.1, 2.2),
        keys=("modality",),
    ),
    _pairs_spec(6, "the two models", _main_models),
    _pairs_spec(
        8,
        "InfoLOOB alone, and InfoNCE with Hopfield retrieval",
        _mixed_arms,
        "No encoder here is the arm InfoLOOB or InfoNCE + Hopfield: name them, ++report.ablation.ENCODER='InfoLOOB'",
    ),
)
