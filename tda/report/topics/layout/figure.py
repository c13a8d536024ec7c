"""Figs 4, 5 and 7: image and text rows laid out together by UMAP, on the sphere or in the plane, by modality."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tda.report.data.evidence import value
from tda.report.data.load import Cell, Run
from tda.report.data.words import percent
from tda.report.drawing import projection
from tda.report.drawing.figure import FigureSpec, Panel, model_panels
from tda.report.drawing.style import INK
from tda.report.topics.layout import findings as findings_layout
from tda.report.topics.rules import other_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COCO = "COCO"


def _draw(axes: "Axes", cell: Cell, most: int) -> None:
    columns = cell.parquet["layout"]
    sphere = projection.on_sphere(columns)
    projection.draw_outline(axes, sphere=sphere)
    projection.draw_points(axes, projection.on_paper(columns, most), size=4 if most > 500 else 7)
    half = (projection.WIDTH / 2, projection.HEIGHT / 2) if sphere else (1.04, 1.04)
    axes.set(xlim=(-half[0] - 0.02, half[0] + 0.02), ylim=(-half[1] - 0.24, half[1] + 0.02), aspect="equal")
    axes.set_axis_off()
    if numbers := _in_numbers(cell):
        axes.text(0, -half[1] - 0.05, numbers, ha="center", va="top", fontsize=8, color=INK)


def _in_numbers(cell: Cell) -> str:
    mixed, trust = other_share(cell, "layout"), value(cell, "umap", "trustworthiness")
    parts = [f"mixing {percent(mixed)}" if mixed is not None else "", f"trust {trust:.3f}" if trust is not None else ""]
    return ", ".join(filter(None, parts))


def _panels(run: Run, wanted: Callable[[Run], list[Cell]]) -> list[Panel]:
    cells = [cell for cell in wanted(run) if "layout" in cell.parquet]
    return model_panels(run, cells, partial(_draw, most=run.config.points))


def _coco(run: Run, cell: Cell) -> bool:
    return run.config.datasets.get(cell.dataset) == COCO


def _main(run: Run) -> list[Cell]:
    """All models but those that are arms of the ablation only."""
    return [cell for cell in run.cells if cell.encoder in run.config.models or cell.encoder not in run.config.ablation]


def _main_elsewhere(run: Run) -> list[Cell]:
    return [cell for cell in _main(run) if not _coco(run, cell)]


def _main_on_coco(run: Run) -> list[Cell]:
    return [cell for cell in _main(run) if _coco(run, cell)]


def _arms(run: Run) -> list[Cell]:
    return [cell for cell in run.cells if cell.encoder in run.config.ablation]


_READING = (
    "All {first} and {second} rows of a data set, laid out together by UMAP from their nearest neighbours by cosine. A sphere is drawn "
    "whole, by Mollweide's projection: equal areas are equal, the left and right ends meet. It is turned so that {second} is to the "
    "right of {first}; the position of a group on the sphere has no meaning, its neighbours have. “mixing” is the share of the other "
    "modality among nearest neighbours on the layout (half by chance), “trust” the trustworthiness: how far neighbours on the layout are "
    "neighbours in the embedding space."
)


_AGAIN = (
    "As in Fig. 4: a sphere is drawn whole and turned so that {second} is to the right of {first}. “mixing” is the share of the other "
    "modality among nearest neighbours on the layout (half by chance), “trust” how far these are neighbours in the embedding space."
)


def _spec(figure: str, title: str, cells: Callable[[Run], list[Cell]], absent: str, size: tuple[float, float]) -> FigureSpec:
    return FigureSpec(
        name=figure,
        label=f"Fig. {int(figure[3:])}",
        title=title,
        reading=_READING if figure == "fig04" else _AGAIN,
        panels=partial(_panels, wanted=cells),
        sentence=lambda run: findings_layout.layouts(cells(run), run.config),
        cells=cells,
        needs="layout",
        absent=absent,
        size=size,
        keys=("modality",),
    )


_NO_ARMS = (
    "No encoder here is an arm of the ablation: name them, ++report.ablation.ENCODER=InfoLOOB (or InfoNCE, 'InfoNCE + Hopfield', "
    "'InfoLOOB + Hopfield')"
)

FIGURES = (
    _spec(
        "fig04", "Layout of {first} and {second}", _main_elsewhere, "No data set here but COCO's, or no encoder but arms: see Figs 5 and 7",
        (5.2, 2.95),
    ),
    _spec(
        "fig05", "Layout of {first} and {second}: the set that stands for COCO", _main_on_coco,
        "No data set here plays COCO: name one, ++report.datasets.NAME=COCO", (5.2, 2.95),
    ),
    _spec("fig07", "Layout of {first} and {second}: loss and Hopfield retrieval, one by one", _arms, _NO_ARMS, (3.3, 2.1)),
)  # fmt: skip
