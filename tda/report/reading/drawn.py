"""Figures as the page shows them: panels as SVG, within the page or beside it."""

import re
from dataclasses import dataclass, replace

from tda.report.data.load import Run
from tda.report.data.stale import figure_warning
from tda.report.drawing.figure import SHEET_COLUMNS, FigureSpec, panel_svg

FOLDER = "panels"  # beside the page
WITHIN = 300_000  # bytes of a figure's panels up to which they stand in the page; larger ones are loaded when they are scrolled to
_ALONE = "<style>svg{color:#1c1f24}@media (prefers-color-scheme:dark){svg{color:#e4e7eb}}</style>"
_SIZE = re.compile(r'^<svg viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)" xmlns:xlink="[^"]+" aria-hidden="true">')


@dataclass(frozen=True, kw_only=True)
class PanelShown:
    """`svg` within the page; or, where it is empty, the `file` beside it, of this size in points."""

    alt: str
    svg: str = ""
    file: str = ""
    size: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Panels under one heading of the page."""

    heading: str
    panels: list[PanelShown]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawn figure; without groups where it lacks all that it is drawn from."""

    spec: FigureSpec
    groups: list[Group]
    sentences: list[str]
    missing: list[str]
    stale: str = ""  # which of its numbers are of other rows than there are now

    @property
    def most(self) -> int:
        """Columns on the page: panels of the longest row, at most as many as a sheet has."""
        return max(min(len(group.panels), SHEET_COLUMNS) for group in self.groups)


def draw(run: Run, spec: FigureSpec) -> Figure:
    """A figure of this run, every panel within the page."""
    panels, missing = spec.panels(run) if spec.present(run) else [], spec.missing(run)
    groups: dict[str, list[PanelShown]] = {}
    for number, panel in enumerate(panels):
        alt = ", ".join(filter(None, (panel.row, " ".join(panel.title.split("\n")))))
        shown = PanelShown(alt=f"{spec.label}: {alt}", svg=panel_svg(panel, spec, f"{spec.name}-{number}"))
        groups.setdefault(panel.row, []).append(shown)
    return Figure(
        spec=spec,
        groups=[Group(heading=heading, panels=drawn) for heading, drawn in groups.items()],
        sentences=spec.sentence(run) if panels else [],
        missing=missing,
        stale=figure_warning(run, spec.needs) if panels else "",
    )


def beside(figure: Figure) -> tuple[Figure, dict[str, bytes]]:
    """The figure with its panels as files beside the page, and these files by their path from the page."""
    files: dict[str, bytes] = {}
    groups = []
    for group in figure.groups:
        moved = []
        for panel in group.panels:
            file = f"{FOLDER}/{figure.spec.name}-{len(files)}.svg"
            files[file], size = _alone(panel.svg)
            moved.append(replace(panel, svg="", file=file, size=size))
        groups.append(replace(group, panels=moved))
    return replace(figure, groups=groups), files


def weight(figure: Figure) -> int:
    return sum(len(panel.svg) for group in figure.groups for panel in group.panels)


def _alone(svg: str) -> tuple[bytes, tuple[float, float]]:
    """An SVG of the page as a document of its own: its text is dark on a light page, light on a dark one."""
    found = _SIZE.match(svg)
    assert found, svg[:200]
    width, height = found.groups()
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head = f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" {names} font-family="system-ui, sans-serif">{_ALONE}'
    return (head + svg[found.end() :]).encode(), (float(width), float(height))
