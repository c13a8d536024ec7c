"""Beyond the paper: Betti curves, the number of components and loops at each scale.

T steps of the scale, an angle in radians.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.report.data.load import Cell, Run
from tda.report.drawing.figure import FigureSpec, Panel, every_cell
from tda.report.drawing.style import ModelStyle, model_styles
from tda.report.topics.topology import findings as findings_topology

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DEGREES = {0: "components", 1: "loops"}


def _curve(cell: Cell, modality: str, degree: int) -> npt.NDArray[Any]:
    """Radius and Betti number, (T, 2)."""
    columns = cell.parquet["betti"]
    here = (columns["modality"] == modality) & (columns["degree"] == degree)
    found = np.stack([columns["radius"][here], columns["betti"][here]], axis=1).astype(np.float64)
    return found[np.argsort(found[:, 0], kind="stable")]


def _draw(axes: "Axes", cells: Sequence[Cell], modality: str, degree: int, styles: dict[str, ModelStyle]) -> None:
    for cell in cells:
        curve = _curve(cell, modality, degree)
        axes.plot(curve[:, 0], curve[:, 1], **styles[cell.encoder].marked(len(curve), 4))
    axes.set(xlabel="angle (radians)", ylabel=DEGREES[degree], xlim=(0, None), ylim=(0.8, None) if degree == 0 else (0, None))
    if degree == 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.minorticks_off()
    axes.locator_params(axis="x", nbins=5)


def _panels(run: Run) -> list[Panel]:
    styles = model_styles(run.encoders, run.config)
    panels = []
    for dataset in run.datasets:
        cells = [cell for cell in run.of(dataset) if "betti" in cell.parquet]
        for degree, what in DEGREES.items():
            for modality in ("image", "text", "both"):
                drawn = [cell for cell in cells if len(_curve(cell, modality, degree))]
                if drawn:
                    title = dict(zip(("image", "text"), drawn[0].modalities, strict=True)).get(modality, "together")
                    draw = partial(_draw, cells=drawn, modality=modality, degree=degree, styles=styles)
                    panels.append(Panel(title=title, row=f"{run.shown(dataset)}, {what}", draw=draw))
    return panels


FIGURES = (
    FigureSpec(
        name="homology",
        label="Betti curves",
        title="Components and loops at every scale",
        reading="Landmarks are joined where the angle between them is below the scale. Components (H0) start as many and end as one; where "
        "the curve of both modalities together reaches 1 later than either alone, there is a gap between them. Loops (H1) appear, then "
        "are filled in.",
        panels=_panels,
        sentence=lambda run: findings_topology.homology(run.cells, run.config),
        cells=every_cell,
        needs="betti",
        size=(2.1, 1.8),
        keys=("model",),
    ),
)
