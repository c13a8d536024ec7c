"""Figs 16 and 17: the layout under every setting of a sweep, one picture for each model; n_neighbors to the right, min_dist downwards."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tda.columns import Columns
from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.data.words import percent
from tda.report.drawing import projection
from tda.report.drawing.figure import FigureSpec, Panel
from tda.report.drawing.style import INK, MODALITIES
from tda.report.topics.layout import findings as findings_layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 300  # of each modality in a cell of the grid
PITCH = (4.3, 2.45)  # from one map to the next
PLANE_PITCH = (2.45, 2.45)
SETTINGS = ("n_neighbors", "min_dist")
ARGUMENTS = ("-m", "analysis.umap.n_neighbors=5,15,50,100", "analysis.umap.min_dist=0,0.1,0.4,0.8")


def _draw(axes: "Axes", cell: Cell) -> None:
    columns = cell.parquet["sweep"]
    sphere = projection.on_sphere(columns)
    pitch = PITCH if sphere else PLANE_PITCH
    neighbors, distances = (sorted(set(columns[setting].tolist())) for setting in SETTINGS)
    mixed = {_key(one["n_neighbors"], one["min_dist"]): one.get("mixing") for one in cell.sweep.get("cells", [])}
    points: dict[str, list[npt.NDArray[Any]]] = {modality: [] for modality in MODALITIES}
    for right, k in enumerate(neighbors):
        axes.text(right * pitch[0], 1.2, f"{k:g}", ha="center", va="bottom", fontsize=8, color=INK)
        for down, distance in enumerate(distances):
            at = np.array([right * pitch[0], -down * pitch[1]])
            here = _of(columns, k, distance)
            if len(here["row"]):
                projection.draw_outline(axes, sphere=sphere, at=(at[0], at[1]), grid=False)
                _write_share(axes, mixed.get(_key(k, distance)), at, half=projection.WIDTH / 2 if sphere else 1.0)
                for modality, points_N2 in projection.on_paper(here, POINTS).items():
                    points[modality].append(points_N2 + at)
    projection.draw_points(axes, {modality: np.concatenate(parts) for modality, parts in points.items() if parts}, size=3.2)
    for down, distance in enumerate(distances):
        axes.text(-pitch[0] / 2 - 0.1, -down * pitch[1], f"{distance:g}", ha="right", va="center", fontsize=8, color=INK)
    _frame(axes, (len(neighbors), len(distances)), pitch)


def _of(columns: Columns, k: float, distance: float) -> Columns:
    here = (columns["n_neighbors"] == k) & (columns["min_dist"] == distance)
    return {name: values[here] for name, values in columns.items()}


def _key(neighbors: float, distance: float) -> tuple[float, float]:
    """Settings rounded, as one of the two files may hold them in single precision."""
    return float(neighbors), round(float(distance), 6)


def _write_share(axes: "Axes", mixed: float | None, at: npt.NDArray[Any], half: float) -> None:
    if mixed is not None:
        axes.text(at[0] + half, at[1] - 1.12, percent(mixed), ha="right", va="center", fontsize=7, color=INK)


def _frame(axes: "Axes", shape: tuple[int, int], pitch: tuple[float, float]) -> None:
    left, bottom = -pitch[0] / 2, -(shape[1] - 1) * pitch[1] - 1.3
    room = 0.1 * (shape[0] * pitch[0])
    axes.set(xlim=(left - room, left + shape[0] * pitch[0]), ylim=(bottom, 2.05), aspect="equal")
    axes.text(left + shape[0] * pitch[0] / 2, 2.05, "n_neighbors", ha="center", va="top", fontsize=8, color=INK)
    axes.text(left - room, 2.05, "min_dist", ha="left", va="top", fontsize=8, color=INK)
    axes.set_axis_off()


def _panels(run: Run, wanted: Callable[[Run], list[Cell]]) -> list[Panel]:
    cells = [cell for cell in wanted(run) if "sweep" in cell.parquet]
    return [Panel(title=f"{cell.shown}, {name(cell.encoder, run.config)}", draw=partial(_draw, cell=cell)) for cell in cells]


def _cloob(run: Run) -> list[Cell]:
    return _swept_of([cell for cell in run.cells if run.config.models.get(cell.encoder) == "CLOOB"])


def _clip_and_others(run: Run) -> list[Cell]:
    """The cells of the model configured as CLIP, and of other swept models but CLOOB."""
    models = run.config.models
    return _swept_of(
        [c for c in run.cells if models.get(c.encoder) == "CLIP" or (models.get(c.encoder) != "CLOOB" and "sweep" in c.parquet)]
    )


def _swept_of(cells: list[Cell]) -> list[Cell]:
    """The swept cells, or all where none is swept. One data set is enough, since a sweep is expensive."""
    return [cell for cell in cells if "sweep" in cell.parquet] or cells


def _spec(figure: str, role: str, cells: Callable[[Run], list[Cell]]) -> FigureSpec:
    return FigureSpec(
        name=figure,
        label=f"Fig. {int(figure[3:])}",
        title=f"The layout under other settings: {role}",
        reading="Each map is a layout of the same {first} and {second} rows from the same neighbours, drawn as in Fig. 4. The number under "
        "a map is its share of the other modality among nearest neighbours.",
        panels=partial(_panels, wanted=cells),
        sentence=lambda run: findings_layout.sweeps(cells(run), run.config),
        cells=cells,
        needs="sweep",
        arguments=ARGUMENTS,
        absent=f"No encoder here plays {role}: name one, ++report.models.ENCODER={role}",
        size=(7.0, 4.7),
        keys=("modality",),
    )


FIGURES = (_spec("fig16", "CLIP", _clip_and_others), _spec("fig17", "CLOOB", _cloob))
