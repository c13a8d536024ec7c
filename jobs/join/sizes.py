"""How a join is cut and how much of it is searched: what `jobs.nearest` does and `jobs.plan` counts."""

from tda.config.stages import NearestConfig
from tda.geometry.neighbors.sizes import cell_count


def cells_of(nearest: NearestConfig, rows: int) -> int:
    """Cells that a reference of so many rows is laid out in."""
    return min(nearest.cells or cell_count(rows), rows)


def probes_of(nearest: NearestConfig, rows: int, cells: int) -> int | None:
    """Cells searched for each query; None for an exact search, as of a small reference and where the probes reach all cells."""
    exact = nearest.probes is None or rows < nearest.exact_below or nearest.probes >= cells
    return None if exact else nearest.probes
