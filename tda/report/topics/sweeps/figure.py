"""Any number of a sweep against its swept values: a heat map over two numeric keys, else lines over one."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell, Run
from tda.report.data.sweeps import Sweep
from tda.report.drawing.figure import FigureSpec, Panel
from tda.report.drawing.style import INK, MUTED, model_styles
from tda.report.topics.sweeps.findings import extremes, short, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}  # behind a number, which has to be read on every colour
MOST_LABELS = 12  # of a line each; of a larger sweep the lines alone are drawn
Cells = Sequence[dict[str, Any]]


def _cells(run: Run) -> list[Cell]:
    """Any: it is drawn from the sweeps of a run, also where nothing else was analysed."""
    return (list(run.cells) or [Cell(dataset="", encoder="", metrics={})]) if run.sweeps else []


def _panels(run: Run) -> list[Panel]:
    found = [(sweep, number) for sweep in run.sweeps for number in sweep.drawn(run.config.numbers) if sweep.varied]
    return [Panel(title=number, row=sweep.name, draw=partial(_draw, sweep=sweep, number=number)) for sweep, number in found]


def _draw(axes: "Axes", sweep: Sweep, number: str) -> None:
    cells = [cell for cell in sweep.whole if number in cell["numbers"] and all(key in cell["values"] for key in sweep.varied)]
    numeric = [key for key in sweep.varied if all(_is_number(cell["values"][key]) for cell in cells)]
    if len(numeric) == len(sweep.varied) == 2:
        _draw_map(axes, cells, (numeric[1], numeric[0]), number)
    else:
        across = numeric[-1] if numeric else sweep.varied[-1]
        _draw_lines(axes, cells, across, [key for key in sweep.varied if key != across], number)


def _draw_map(axes: "Axes", cells: Cells, keys: tuple[str, str], number: str) -> None:
    places = [sorted({cell["values"][key] for cell in cells}) for key in keys]
    grid_YX = np.full((len(places[1]), len(places[0])), np.nan)
    for cell in cells:
        x, y = (place.index(cell["values"][key]) for place, key in zip(places, keys, strict=True))
        grid_YX[y, x] = cell["numbers"][number]
    axes.imshow(grid_YX, cmap="cividis", aspect="auto", origin="lower")
    for (y, x), value in np.ndenumerate(grid_YX):
        if np.isfinite(value):
            axes.text(x, y, f"{value:.3g}", ha="center", va="center", fontsize=7, color=INK, bbox=PLATE)
    axes.set_xticks(range(len(places[0])), [value_text(value) for value in places[0]])
    axes.set_yticks(range(len(places[1])), [value_text(value) for value in places[1]])
    axes.set(xlabel=short(keys[0]), ylabel=short(keys[1]))


def _draw_lines(axes: "Axes", cells: Cells, across: str, others: Sequence[str], number: str) -> None:
    lines: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        lines.setdefault(", ".join(value_text(cell["values"][key]) for key in others), []).append(cell)
    numeric = all(_is_number(cell["values"][across]) for cell in cells)
    words = list(dict.fromkeys(value_text(cell["values"][across]) for cell in cells))
    styles = list(model_styles(list(lines), ReportConfig()).values()) if len(lines) <= MOST_LABELS else []
    for place, (label, group) in enumerate(lines.items()):
        points = sorted((value if numeric else words.index(value_text(value)), y) for value, y in _points(group, across, number))
        x_K, y_K = zip(*points, strict=True)
        style = {**styles[place].marked(len(x_K), 40), "label": label} if styles else {"color": MUTED, "marker": "o", "markersize": 3}
        axes.plot(x_K, y_K, **style)
    if not numeric:
        axes.set_xticks(range(len(words)), words)
    axes.set(xlabel=short(across), ylabel=number.rpartition(".")[2])
    if others and styles:
        axes.legend(fontsize=6.5, frameon=False, labelcolor=INK, title=", ".join(map(short, others)), title_fontsize=6.5)


def _points(cells: Cells, across: str, number: str) -> list[tuple[Any, float]]:
    return [(cell["values"][across], cell["numbers"][number]) for cell in cells]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


FIGURES = (
    FigureSpec(
        name="sweeps",
        label="Sweeps",
        title="Numbers against the swept values",
        reading="Each point, or each field of a map, is one cell of a sweep. report.numbers chooses what is drawn.",
        panels=_panels,
        sentence=lambda run: [sentence for sweep in run.sweeps for sentence in extremes(sweep, run.config.numbers)],
        cells=_cells,
        needs="sweeps",
        size=(3.6, 2.6),
    ),
)
