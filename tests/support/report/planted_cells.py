"""Cells of a report made without files: metrics as an analysis leaves them, with what a test names in place of what is planted."""

import copy
from typing import Any

from planted_report import ARMS, CONFIG, planted_metrics, spectrum

from tda.report.data.load import Cell, Run


def arm_cells(dataset: str = "toy_heldout", **changes: dict[str, Any]) -> list[Cell]:
    """One cell an arm; `changes` are metrics by path ("gap.centroid_distance") of an encoder."""
    cells = []
    for encoder, arm in ARMS.items():
        spectra = {name: spectrum(arm, 1.0) for name in ("image", "text", "both")}
        metrics = copy.deepcopy(planted_metrics(dataset, encoder, arm, spectra, []))
        for path, new in changes.get(encoder, {}).items():
            *folders, last = path.split(".")
            place = metrics
            for folder in folders:
                place = place[folder]
            place[last] = new
        cells.append(Cell(dataset=dataset, encoder=encoder, metrics=metrics))
    return cells


def one_cell(encoder: str = "toy_cloob", dataset: str = "d", sweep: dict[str, Any] | None = None, **metrics: Any) -> Cell:
    """A cell of these metrics alone."""
    return Cell(dataset=dataset, encoder=encoder, metrics=metrics, sweep=sweep or {})


def run_of(*cells: Cell, comparisons: dict[str, Any] | None = None) -> Run:
    """A run of these cells; `comparisons` are those of data set d."""
    return Run(root="", config=CONFIG, cells=cells, comparisons={"d": comparisons} if comparisons else {})
