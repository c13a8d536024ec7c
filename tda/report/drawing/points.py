"""What a figure shows, as numbers: one row a point, in the coordinates of its axes."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tda.report.drawing.style import MODALITIES, MUTED
from tda.report.drawing.table import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tda.report.drawing.figure import FigureSpec, Panel

COLUMNS = ("row", "panel", "kind", "series", "line", "x", "y", "size")
Row = tuple[str, str, int, float, float, float | str]  # kind, series, number of the line, x, y, size in points²


def points_csv(spec: "FigureSpec", drawn: Sequence[tuple["Panel", "Axes"]]) -> bytes:
    """Points, lines, densities and maps of every panel; guides and grids are left out. Names that a spreadsheet would compute are text."""
    names = _names(spec)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for panel, axes in drawn:
        words = [plain(panel.row), plain(" ".join(panel.title.split("\n")))]
        for kind, series, line, x, y, size in (row for artist in axes.get_children() for row in _rows(artist, names)):
            writer.writerow([*words, kind, plain(series), line, f"{x:.7g}", f"{y:.7g}", size])
    return buffer.getvalue().encode()


def _names(spec: "FigureSpec") -> dict[str, str]:
    """Colour -> the modality, or the first model, that it stands for."""
    from matplotlib.colors import to_hex

    models = {to_hex(style.color): label for label, style in reversed(spec.models)}
    return models | {style.color: label for label, style in zip(spec.modalities, MODALITIES.values(), strict=True)}


def _rows(artist: Any, names: dict[str, str]) -> Iterator[Row]:
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D
    from matplotlib.patches import StepPatch

    if isinstance(artist, Line2D):
        yield from _line(artist, names)
    elif isinstance(artist, PathCollection):
        sizes = artist.get_sizes()
        series = _series(artist, artist.get_facecolor(), names)
        for place, (x, y) in enumerate(np.asarray(artist.get_offsets())):
            yield "point", series, 0, float(x), float(y), f"{float(sizes[place % len(sizes)]):.4g}" if len(sizes) else ""
    elif isinstance(artist, LineCollection):
        series = _series(artist, artist.get_color(), names)
        for number, segment in enumerate(artist.get_segments()):
            yield from (("line", series, number, float(x), float(y), "") for x, y in segment)
    elif isinstance(artist, StepPatch) and not artist.get_fill():
        values, edges, _ = artist.get_data()
        series = _series(artist, artist.get_edgecolor(), names)
        yield from (("step", series, 0, float(edge), float(y), "") for edge, y in zip(edges, values, strict=False) if np.isfinite(y))
    elif isinstance(artist, AxesImage):
        yield from (("field", "", 0, float(x), float(y), f"{v:.7g}") for (y, x), v in np.ndenumerate(np.asarray(artist.get_array())))


def _line(line: Any, names: dict[str, str]) -> Iterator[Row]:
    """A line of data: guides are grey and have no name, or are not in the coordinates of the data."""
    label = str(line.get_label())
    if (line.get_color() == MUTED and label.startswith("_")) or line.get_transform() != line.axes.transData:
        return
    series = _series(line, line.get_color(), names) or _series(line, line.get_markeredgecolor(), names)
    kind = "point" if line.get_linestyle() in {"None", "none", ""} else "line"
    for x, y in zip(*(np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in line.get_data()), strict=True):
        if np.isfinite(x) and np.isfinite(y):
            yield kind, series, 0, float(x), float(y), ""


def _series(artist: Any, color: Any, names: dict[str, str]) -> str:
    """The name of an artist; where it has none, what its colour stands for."""
    from matplotlib.colors import to_hex

    label = str(artist.get_label())
    if label and not label.startswith("_"):
        return label
    found = np.asarray(color, dtype=object)
    first = color if isinstance(color, str) else tuple(found[0]) if found.ndim > 1 and len(found) else tuple(found)
    try:
        return names.get(to_hex(first), "")
    except (ValueError, TypeError):
        return ""
