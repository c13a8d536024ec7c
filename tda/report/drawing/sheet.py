"""All panels of a figure together, as wide as a column or a page of a paper, on white."""

import re
from collections.abc import Sequence
from typing import Any

from tda.errors import UserError
from tda.report.drawing.figure import SHEET_COLUMNS, FigureSpec, Panel, title_size
from tda.report.drawing.points import points_csv
from tda.report.drawing.saved import DPI, pdf_bytes, png_bytes, svg_bytes, with_font
from tda.report.drawing.style import MODALITIES, parameters

SUFFIXES = ("svg", "pdf", "png")  # of the files of a figure, beside its points
WIDEST = 40.0  # inches
DENSE, LOOSE = 0.8, 1.15  # how small a panel may be drawn beside its size on a screen, where columns are chosen, and how large
ROOM = 0.25  # inches above a panel, for its title


def inches(width: str) -> float:
    """A width as "3.35in", "85mm" or "8.5cm". Raises UserError for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(in|mm|cm)\s*", width)
    size = float(found.group(1)) / {"in": 1.0, "mm": 25.4, "cm": 2.54}[found.group(2)] if found else 0.0
    if not 1 <= size <= WIDEST:
        raise UserError(f"report.width={width!r} is no width of a figure: give inches or millimetres, as 3.35in (a column) or 7in (a page)")
    return size


def sheet(panels: Sequence[Panel], spec: FigureSpec, width: float = 7.0) -> dict[str, bytes]:
    """Draw all panels as one figure `width` inches wide: {"svg", "pdf", "png", "csv"}; narrower where few panels do not fill it."""
    from matplotlib import rc_context

    columns, scale = _fit(panels, spec, width)
    rows = _rows(panels, columns)
    with rc_context({**parameters(), "figure.facecolor": "white"}):
        figure, drawn = _drawn(rows, spec, columns, scale)
        points = points_csv(spec, drawn)
        svg = with_font(svg_bytes(figure))
        figure.set_layout_engine("none")  # keep the layout found for the SVG
        return {"svg": svg, "pdf": pdf_bytes(figure), "png": png_bytes(figure), "csv": points}


def drawn_figure(panels: Sequence[Panel], spec: FigureSpec, width: float = 7.0) -> Any:
    """The same as a matplotlib figure."""
    from matplotlib import rc_context

    columns, scale = _fit(panels, spec, width)
    with rc_context({**parameters(), "figure.facecolor": "white"}):
        return _drawn(_rows(panels, columns), spec, columns, scale)[0]


def _fit(panels: Sequence[Panel], spec: FigureSpec, width: float) -> tuple[int, float]:
    """How many columns of panels fit a width, and the size at which they are drawn."""
    most = max(len(row) for row in _rows(panels, SHEET_COLUMNS))
    columns = min(most, max(1, round(width / (spec.size[0] * DENSE))))
    return columns, min(LOOSE, width / columns / spec.size[0])


def _drawn(rows: list[list[Panel]], spec: FigureSpec, columns: int, scale: float) -> tuple[Any, list[tuple[Panel, Any]]]:
    from matplotlib.figure import Figure

    width, height = spec.size[0] * scale, (spec.size[1] + ROOM) * scale
    figure = Figure(figsize=(width * columns, height * len(rows)), dpi=DPI, layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    drawn = []
    for axes_row, row in zip(grid, rows, strict=True):
        for axes in axes_row[len(row) :]:
            axes.set_axis_off()
        for axes, panel in zip(axes_row, row, strict=False):
            panel.draw(axes)
            title = "\n".join(filter(None, [panel.row, panel.title]))
            axes.set_title(title, loc="left", fontweight="bold", fontsize=title_size(title, spec.size[0]))
            drawn.append((panel, axes))
    _shrink(figure, scale)
    if handles := _handles(spec):
        across = max(1, int(width * columns / 1.5))
        figure.legend(
            handles=handles, loc="outside upper left", ncols=across, frameon=False, handlelength=2.4, fontsize=8.5 * max(scale, 0.75)
        )
    return figure, drawn


def _shrink(figure: Any, scale: float) -> None:
    """Text, lines and markers to scale with the panels, which are made for a screen."""
    from matplotlib.collections import Collection
    from matplotlib.text import Text

    figure.draw_without_rendering()  # ticks are there after the first layout
    for axes in figure.axes:
        axes.tick_params(labelsize=8 * scale, width=0.7 * scale, length=3.5 * scale, pad=3.0 * scale)
        ticks = {id(part) for axis in (axes.xaxis, axes.yaxis) for tick in axis.get_major_ticks() for part in tick.findobj()}
        for text in axes.findobj(Text):
            if id(text) not in ticks:
                text.set_fontsize(text.get_fontsize() * scale)
        legend = axes.get_legend()
        for line in [*axes.get_lines(), *(legend.get_lines() if legend else ())]:
            line.set(linewidth=line.get_linewidth() * scale, markersize=line.get_markersize() * scale)
        for points in axes.findobj(Collection):
            points.set(linewidths=[one * scale for one in points.get_linewidths()])
            if hasattr(points, "get_sizes"):
                points.set_sizes([one * scale**2 for one in points.get_sizes()])


def _handles(spec: FigureSpec) -> list[Any]:
    """The legend of a sheet: the keys of the figure."""
    from matplotlib.lines import Line2D

    modalities: list[Any] = list(zip(spec.modalities, MODALITIES.values(), strict=True)) if "modality" in spec.keys else []
    models = spec.models if "model" in spec.keys else ()
    marks = [Line2D([], [], marker=one.marker, color=one.color, label=label, linestyle="none", markersize=5) for label, one in modalities]
    return marks + [
        Line2D([], [], color=one.color, linestyle=one.line, marker=one.marker, markersize=4, linewidth=1.3, label=label)
        for label, one in models
    ]


def _rows(panels: Sequence[Panel], columns: int) -> list[list[Panel]]:
    groups: dict[str, list[Panel]] = {}
    for panel in panels:
        groups.setdefault(panel.row, []).append(panel)
    return [group[i : i + columns] for group in groups.values() for i in range(0, len(group), columns)]
