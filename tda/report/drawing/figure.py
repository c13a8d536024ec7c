"""A figure, drawn as SVG for the page and as a sheet for a paper.

A figure is a list of panels; the page lays the panels out to the width of the screen, a sheet holds them all. To add a figure,
write a `FigureSpec` in a folder of `tda.report.topics` and name it in the topic there.
"""

import io
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.drawing.style import INK, MODALITIES, ModelStyle, model_styles, parameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHEET_COLUMNS = 4
DPI = 200  # of rasterized points
TITLE_SIZE = 9.5  # points


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes. Panels of equal `row` are placed together under that heading."""

    title: str
    draw: Callable[["Axes"], None]
    row: str = ""


@dataclass(frozen=True, kw_only=True)
class FigureSpec:
    """A figure of the report: `sentence` describes what it shows in this run, `reading` how to read it in any run."""

    name: str  # of its files
    label: str
    title: str
    reading: str
    panels: Callable[[Run], list[Panel]]
    sentence: Callable[[Run], list[str]]
    cells: Callable[[Run], list[Cell]]  # to show, whether or not their data are there
    needs: str  # the Parquet file it is drawn from, without its ending; `metrics.` and a part of metrics.json, watched, sweeps or diversity
    arguments: tuple[str, ...] = ()  # of jobs.analyze, besides names and root, to make what it needs
    absent: str = ""  # the line for a run without such cells; empty: the page leaves the figure out
    size: tuple[float, float] = (3.6, 2.9)  # inches of one panel
    keys: tuple[str, ...] = ()  # of: modality, model
    modalities: tuple[str, str] = ("image", "text")  # what `title` and `reading` call {first} and {second}
    models: tuple[tuple[str, ModelStyle], ...] = ()  # name and style of each, for the legend of a sheet

    def for_run(self, run: Run) -> "FigureSpec":
        """With the names of the run's modalities and the styles of its models filled in."""
        first, second = run.modalities
        words = {field: getattr(self, field).format(first=first, second=second) for field in ("title", "reading")}
        styles = model_styles(run.encoders, run.config)
        models = tuple((name(encoder, run.config), style) for encoder, style in styles.items())
        return replace(self, modalities=run.modalities, models=models, **words)

    def has_data(self, run: Run, cell: Cell) -> bool:
        if self.needs == "curve":
            return cell.encoder in run.curves
        if self.needs == "closest":
            return bool(cell.closest)
        if self.needs == "watched":
            return bool(run.watched)
        if self.needs in ("sweeps", "diversity"):
            return bool(getattr(run, self.needs))
        part = self.needs.removeprefix("metrics.")
        return bool(cell.metrics.get(part)) if part != self.needs else self.needs in cell.parquet

    def present(self, run: Run) -> list[Cell]:
        return [cell for cell in self.cells(run) if self.has_data(run, cell)]

    def missing(self, run: Run) -> list[str]:
        """One line for each missing input, with the command that makes it."""
        wanted = self.cells(run)
        if not wanted:
            return [self.absent] if self.absent else []
        lines = [_complaint(self, run, cell) for cell in wanted if not self.has_data(run, cell)]
        return list(dict.fromkeys(lines))


def every_cell(run: Run) -> list[Cell]:
    return list(run.cells)


def model_panels(run: Run, cells: Sequence[Cell], draw: Callable[..., None]) -> list[Panel]:
    """A panel for each cell, titled by its model, in a row for each data set; `draw` takes the axes and `cell`."""
    return [Panel(title=name(cell.encoder, run.config), row=cell.dataset, draw=partial(draw, cell=cell)) for cell in cells]


def _complaint(spec: FigureSpec, run: Run, cell: Cell) -> str:
    words = [f"dataset.name={cell.dataset}", f"encoder.name={cell.encoder}", f"root={run.root}"]
    if spec.needs == "closest":
        command = shlex.join(["python", "-m", "jobs.nearest", *words, "reference.name=NAME"])
        return f"{cell.dataset}, {cell.encoder}: no closest rows in a reference; {command} finds them"
    command = shlex.join(["python", "-m", "jobs.analyze", *words, *spec.arguments])
    part = spec.needs.removeprefix("metrics.")
    what = f"{part} in metrics.json" if part != spec.needs else f"{part}.parquet"
    return f"{cell.dataset}, {cell.encoder}: {what} is missing; {command} makes it"


def panel_svg(panel: Panel, spec: FigureSpec, prefix: str) -> str:
    """Draw one panel as an inline SVG element. Its ids begin with `prefix`; INK becomes the colour of the surrounding text."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(parameters()):
        figure = Figure(figsize=spec.size, dpi=DPI, layout="constrained")
        axes = figure.subplots()
        panel.draw(axes)
        if panel.title:
            axes.set_title(panel.title, loc="left", fontweight="bold", fontsize=_title_size(panel.title, spec.size[0]))
        return inline(_svg(figure).decode(), prefix)


def _title_size(title: str, width: float) -> float:
    """The font size in points at which a title fits a panel `width` inches wide, labels at its left."""
    longest = max(map(len, title.split("\n")))
    return min(TITLE_SIZE, max(5.5, (width - 0.45) * 72 / (0.62 * longest)))


def inline(svg: str, prefix: str) -> str:
    """Make a matplotlib SVG safe to embed with others in one page: unique ids, the page's text colour and width."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", body)
    body = re.sub(
        r'^<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" xmlns:xlink="http://www.w3.org/1999/xlink" aria-hidden="true">', body
    )
    return body.replace(INK, "currentColor").strip()


def sheet(panels: Sequence[Panel], spec: FigureSpec) -> dict[str, bytes]:
    """Draw all panels as one figure, on white: {"svg": bytes, "png": bytes}."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = _rows(panels)
    columns = max(len(row) for row in rows)
    width, height = spec.size
    with rc_context({**parameters(), "figure.facecolor": "white"}):
        figure = Figure(figsize=(width * columns, (height + 0.25) * len(rows)), dpi=DPI, layout="constrained")
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for axes_row, row in zip(grid, rows, strict=True):
            for axes in axes_row[len(row) :]:
                axes.set_axis_off()
            for axes, panel in zip(axes_row, row, strict=False):
                panel.draw(axes)
                title = "\n".join(filter(None, [panel.row, panel.title]))
                axes.set_title(title, loc="left", fontweight="bold", fontsize=_title_size(title, width))
        if handles := _handles(spec):
            figure.legend(handles=handles, loc="outside upper left", ncols=2 * columns, frameon=False, handlelength=2.4)
        svg = _svg(figure)
        figure.set_layout_engine("none")  # keep the layout found for the SVG
        return {"svg": svg, "png": _png(figure)}


def _handles(spec: FigureSpec) -> list[Any]:
    """The legend of a sheet: the keys of the figure."""
    from matplotlib.lines import Line2D

    modalities: list[Any] = list(zip(spec.modalities, MODALITIES.values(), strict=True)) if "modality" in spec.keys else []
    models = spec.models if "model" in spec.keys else ()
    marks = [Line2D([], [], marker=one.marker, color=one.color, label=label, linestyle="none", markersize=5) for label, one in modalities]
    return marks + [Line2D([], [], color=one.color, linestyle=one.line, label=label) for label, one in models]


def _rows(panels: Sequence[Panel]) -> list[list[Panel]]:
    groups: dict[str, list[Panel]] = {}
    for panel in panels:
        groups.setdefault(panel.row, []).append(panel)
    return [group[i : i + SHEET_COLUMNS] for group in groups.values() for i in range(0, len(group), SHEET_COLUMNS)]


def _svg(figure: Any) -> bytes:
    """Save without `savefig`, which draws everything twice."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    text = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    dpi = figure.dpi
    canvas.print_svg(text, metadata={"Date": None, "Creator": None})
    figure.dpi = dpi  # print_svg changes it
    return text.getvalue().encode()


def _png(figure: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
