"""The head of the page: the layouts of two models as globes, side by side.

N rows; a globe is seen from outside, its far side shows through.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.columns import Columns
from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.drawing import projection
from tda.report.drawing.figure import FigureSpec, Panel
from tda.report.drawing.style import MODALITIES, MUTED
from tda.report.topics.heads import heads

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TURNS = 8  # modalities are drawn alternately in so many parts
NEAR, FAR = 0.75, 0.16  # opacity of rows on the near and on the far side
TILT = 0.45  # radians: between the face of the map and its side, so that both modalities show


def _draw(axes: "Axes", cell: Cell, most: int) -> None:
    columns = cell.parquet["layout"]
    if not projection.on_sphere(columns):
        projection.draw_outline(axes, sphere=False)
        projection.draw_points(axes, projection.on_paper(columns, most), size=5)
    else:
        _draw_globe(axes, globe(columns, most))
    axes.set(xlim=(-1.06, 1.06), ylim=(-1.06, 1.06), aspect="equal")
    axes.set_axis_off()


def globe(columns: Columns, most: int) -> dict[str, npt.NDArray[Any]]:
    """Modality -> unit vectors (N, 3): x to the viewer, y to the right, z up; turned as the maps are, and a little aside."""
    picked = projection.picked(columns, most)
    turn_33 = projection.frame(picked)
    aside_33 = np.array([[np.cos(TILT), 0, np.sin(TILT)], [0, 1, 0], [-np.sin(TILT), 0, np.cos(TILT)]])
    return {modality: unit_N3 @ turn_33.T @ aside_33.T for modality, unit_N3 in picked.items()}


def _draw_globe(axes: "Axes", where: dict[str, npt.NDArray[Any]]) -> None:
    turn = np.linspace(0, 2 * np.pi, 181)
    axes.plot(np.cos(turn), np.sin(turn), color=MUTED, linewidth=0.9, zorder=1)
    for near, opacity, size, order in ((False, FAR, 3.5, 0), (True, NEAR, 6, 2)):
        for part in range(TURNS):
            for modality, unit_N3 in where.items():
                seen_N3 = unit_N3[(unit_N3[:, 0] >= 0) == near][part::TURNS]
                style: dict[str, Any] = {"marker": MODALITIES[modality].marker, "color": MODALITIES[modality].color}
                axes.scatter(
                    seen_N3[:, 1],
                    seen_N3[:, 2],
                    s=size,
                    alpha=opacity,
                    linewidths=0,
                    rasterized=True,
                    zorder=order,
                    label=modality,
                    **style,
                )


def _cells(run: Run) -> list[Cell]:
    """The two models that the head of the page is about, where both are laid out; else any two of one data set that are."""
    chosen = heads(run)
    if chosen and all("layout" in cell.parquet for cell in chosen):
        return chosen
    groups = ([cell for cell in run.of(dataset) if "layout" in cell.parquet] for dataset in run.datasets)
    return next((group[:1] + group[-1:] if len(group) > 1 else group for group in groups if group), chosen[:1])


def _panels(run: Run) -> list[Panel]:
    cells = [cell for cell in _cells(run) if "layout" in cell.parquet]
    return [
        Panel(title=f"{name(cell.encoder, run.config)}, {cell.shown}", draw=partial(_draw, cell=cell, most=run.config.points))
        for cell in cells
    ]


FIGURES = (
    FigureSpec(
        name="spheres",
        label="Spheres",
        title="{first} and {second} on the sphere",
        reading="All {first} and {second} rows of a data set, laid out together by UMAP and seen from outside; faint: the far side.",
        panels=_panels,
        sentence=lambda _: [],
        cells=_cells,
        needs="layout",
        size=(3.0, 3.15),
        keys=("modality",),
    ),
)
