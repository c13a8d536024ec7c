"""Numbers of a run, looked up and named for the sentences, tables and figures of the report. A cell is a (data set, encoder)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell


def name(encoder: str, config: ReportConfig) -> str:
    """The encoder's display name; where it has none, the encoder with the paper's model that it corresponds to in brackets."""
    if shown := config.names.get(encoder):
        return shown
    role = config.models.get(encoder)
    return f"{encoder} ({role})" if role else encoder


def value(cell: Cell, *path: str) -> float | None:
    """Look a number up in a cell's metrics; None when it was not measured."""
    found: Any = cell.metrics
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) and math.isfinite(found) else None


def known(cell: Cell, *path: str) -> float:
    """Like `value`, for a number that `each` has required."""
    found = value(cell, *path)
    assert found is not None, path
    return found


def each(cells: Sequence[Cell], needed: Sequence[tuple[str, ...]], write: Callable[[str, list[Cell]], str]) -> list[str]:
    """One sentence for each data set, by its display name, about the cells in which everything needed was measured."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        if all(value(cell, *path) is not None for path in needed):
            groups.setdefault(cell.dataset, []).append(cell)
    return [text for group in groups.values() if (text := write(group[0].shown, group))]


def remarks(cell: Cell, *parts: str) -> list[str]:
    """Notes of the analysis about these parts, each once."""
    return list(dict.fromkeys(note for part in parts for note in _notes(cell.metrics.get(part))))


def _notes(found: Any) -> list[str]:
    if not isinstance(found, Mapping):
        return []
    own = [str(note) for note in found.get("notes") or []]
    return own + [note for inner in found.values() for note in _notes(inner)]
