"""Top-1 of every model in both directions, with 95% intervals: one row a model, one panel a data set."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from tda.report.data.evidence import name, value
from tda.report.data.load import Cell, Run
from tda.report.drawing.figure import FigureSpec, Panel, every_cell
from tda.report.drawing.ridges import name_rows
from tda.report.drawing.style import MODALITIES, MUTED
from tda.report.topics.heads import wilson
from tda.report.topics.retrieval import findings
from tda.report.topics.rules import queries

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WAYS = {"image_to_text": "image", "text_to_image": "text"}  # direction -> modality of the query
ASIDE = 0.14  # of a direction from the middle of its row


def interval(cell: Cell, way: str) -> tuple[float, float, float]:
    """Top-1 of a direction and the ends of its 95% interval: the stored one, where queries were drawn, else that of a share."""
    share = value(cell, "retrieval", way, "top1") or 0.0
    stored = ((cell.metrics["retrieval"].get(way) or {}).get("ci95") or {}).get("top1")
    low, high = stored if stored and None not in stored else wilson(share, queries(cell))
    return share, float(low), float(high)


def _draw(axes: "Axes", cells: Sequence[Cell], labels: Sequence[str]) -> None:
    for place, cell in enumerate(reversed(cells)):
        axes.axhline(place, color=MUTED, linewidth=0.4, zorder=0)
        for aside, (way, modality) in zip((ASIDE, -ASIDE), WAYS.items(), strict=True):
            share, low, high = interval(cell, way)
            style = MODALITIES[modality]
            axes.plot([low, high], [place + aside] * 2, color=style.color, linewidth=1.6, solid_capstyle="butt")
            axes.plot([share], [place + aside], marker=style.marker, markersize=4.5, color=style.color, linestyle="none", label=modality)
    name_rows(axes, list(reversed(labels)))
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.6, len(cells) - 0.4), xlabel="top-1")


def _measured(cell: Cell) -> bool:
    return all(value(cell, "retrieval", way, "top1") is not None for way in WAYS)


def _panels(run: Run) -> list[Panel]:
    groups = {dataset: [cell for cell in run.of(dataset) if _measured(cell)] for dataset in run.datasets}
    return [
        Panel(title=run.shown(dataset), draw=partial(_draw, cells=cells, labels=[name(cell.encoder, run.config) for cell in cells]))
        for dataset, cells in groups.items()
        if cells
    ]


FIGURES = (
    FigureSpec(
        name="retrieval",
        label="Retrieval",
        title="How often the partner ranks first",
        reading="The modality is that of the query. Lines are 95% intervals: of the drawn queries where queries were drawn, else of a "
        "share of all pairs.",
        panels=_panels,
        sentence=lambda run: findings.retrieval(run.cells, run.config),
        cells=every_cell,
        needs="metrics.retrieval",
        size=(4.2, 2.4),
        keys=("modality",),
    ),
)
