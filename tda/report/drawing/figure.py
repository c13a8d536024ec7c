"""A figure, and its panels drawn as SVG for the page.

A figure is a list of panels; the page lays the panels out to the width of the screen, a sheet (`drawing.sheet`) holds them all.
To add a figure,
write a `FigureSpec` in a folder of `tda.report.topics` and name it in the topic there.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.drawing.saved import DPI, svg_bytes
from tda.report.drawing.style import INK, ModelStyle, model_styles, parameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHEET_COLUMNS = 4
TITLE_SIZE = 9.5  # points


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes. Panels of equal `row` are placed together under that heading."""

    title: str
    draw: Callable[["Axes"], None]
    row: str = ""


@dataclass(frozen=True)
class Lack:
    """A figure that cannot show a cell: what it needs, and the arguments of jobs.analyze that make it."""

    figure: str
    cell: Cell
    needs: str
    arguments: tuple[str, ...] = ()


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

    def lacks(self, run: Run) -> list[Lack]:
        """What `missing` names, to be joined with what other figures lack."""
        return [Lack(self.label, cell, self.needs, self.arguments) for cell in self.cells(run) if not self.has_data(run, cell)]


def every_cell(run: Run) -> list[Cell]:
    return list(run.cells)


def model_panels(run: Run, cells: Sequence[Cell], draw: Callable[..., None]) -> list[Panel]:
    """A panel for each cell, titled by its model, in a row for each data set; `draw` takes the axes and `cell`."""
    return [Panel(title=name(cell.encoder, run.config), row=cell.shown, draw=partial(draw, cell=cell)) for cell in cells]


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
            axes.set_title(panel.title, loc="left", fontweight="bold", fontsize=title_size(panel.title, spec.size[0]))
        return inline(svg_bytes(figure).decode(), prefix)


def title_size(title: str, width: float) -> float:
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
