"""Figures from cells in memory, drawn on axes whose artists a test can read."""

from typing import Any

import numpy as np

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell, Run
from tda.report.drawing.figure import FigureSpec, Panel
from tda.report.drawing.style import parameters
from tda.report.topics.registry import registry

SPECS: dict[str, FigureSpec] = {spec.name: spec for spec in registry()}


def drawn(panel: Panel) -> Any:
    """The axes of a panel after drawing."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(parameters()):
        axes = Figure(figsize=(4, 3)).subplots()
        panel.draw(axes)
    return axes


def run_of(*cells: Cell, config: ReportConfig | None = None, **parts: Any) -> Run:
    return Run(root="root", config=config or ReportConfig(), cells=cells, **parts)


def cell_of(encoder: str = "e", dataset: str = "d", parquet: dict[str, Any] | None = None, **metrics: Any) -> Cell:
    """A cell with these tables (lists become columns) and these metrics."""
    tables = {name: {column: np.asarray(values) for column, values in columns.items()} for name, columns in (parquet or {}).items()}
    return Cell(dataset=dataset, encoder=encoder, metrics=metrics, parquet=tables)


def offsets(axes: Any, color: str | None = None) -> np.ndarray:
    """Places of all scattered points (N, 2), of one colour if named."""
    from matplotlib.colors import to_hex

    parts = [one.get_offsets() for one in axes.collections if color in (None, to_hex(one.get_facecolor()[0]))]
    return np.concatenate([np.asarray(part) for part in parts])


def texts(axes: Any) -> list[str]:
    return [one.get_text() for one in axes.texts]
