"""Curves of retrieval, mixed search, gap and separability against the shift along the gap, and against the removed dimensions."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tda.report.data.load import Cell, Run
from tda.report.drawing.figure import FigureSpec, Panel
from tda.report.drawing.style import MUTED, ModelStyle, model_styles
from tda.report.topics.interventions.findings import cost_of_gap
from tda.report.topics.interventions.points import PART, along, mean_top1

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Reading = Callable[[dict[str, Any]], float]
CURVES: dict[str, tuple[Reading, str]] = {  # title -> its value, and whose 95 % interval is drawn
    "Top-1 between modalities": (mean_top1, ""),
    "NDCG@10 of mixed search": (lambda point: float(point["mixed"]), "mixed"),
    "Gap": (lambda point: float(point["gap"]), ""),
    "Linear SVM, held out": (lambda point: float(point["separability"]), "separability"),
}
AXES = {"shift": "shift along the gap (1 closes it)", "drop": "dimensions removed"}


def _draw(axes: "Axes", cells: Sequence[Cell], kind: str, title: str, styles: dict[str, ModelStyle]) -> None:
    read, band = CURVES[title]
    for cell in cells:
        curve, style = along(cell, kind), styles[cell.encoder]
        amounts = [float(point["amount"]) for point in curve]
        places = np.arange(len(amounts)) if kind == "drop" else np.asarray(amounts)
        axes.plot(places, [read(point) for point in curve], color=style.color, linestyle=style.line, linewidth=1.4)
        if band:
            low, high = zip(*(point["ci95"][band] for point in curve), strict=True)
            axes.fill_between(places, low, high, color=style.color, alpha=0.15, linewidth=0)
        if kind == "drop":
            axes.set_xticks(places, [f"{amount:g}" for amount in amounts])
    if kind == "shift":
        axes.axvline(1, color=MUTED, linewidth=0.6)
    axes.set(xlabel=AXES[kind], ylim=(0.5, 1.02) if band == "separability" else (0, None))


def _panels(run: Run, kind: str) -> list[Panel]:
    styles = model_styles(run.encoders, run.config)
    rows = {dataset: [cell for cell in run.of(dataset) if len(along(cell, kind)) > 1] for dataset in run.datasets}
    return [
        Panel(title=title, row=dataset, draw=partial(_draw, cells=cells, kind=kind, title=title, styles=styles))
        for dataset, cells in rows.items()
        if cells
        for title in CURVES
    ]


def _measured(run: Run, kind: str) -> list[Cell]:
    return [cell for cell in run.cells if len(along(cell, kind)) > 1]


def _spec(kind: str, name: str, title: str) -> FigureSpec:
    return FigureSpec(
        name=name,
        label="Interventions",
        title=title,
        reading="A line is a model, 0 its rows as they are; bands are 95% intervals over pairs. In mixed search half of the documents are "
        "of the query's own modality.",
        panels=lambda run: _panels(run, kind),
        sentence=cost_of_gap if kind == "shift" else lambda _: [],
        cells=lambda run: _measured(run, kind),
        needs=f"metrics.{PART}",
        size=(2.6, 2.3),
        keys=("model",),
    )


FIGURES = (
    _spec("shift", "interventions", "Retrieval after a shift along the gap"),
    _spec("drop", "interventions_dimensions", "Retrieval without the dimensions of largest gap"),
)
