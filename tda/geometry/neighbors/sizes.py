"""How a reference is split into cells: sizes that drivers need too. A separate file, as the rest of the search loads torch."""

from math import isqrt

ITERATIONS = 10  # of k-means
PROBES = 4  # the number of probes that the number of cells is optimised for by default: measured fastest for 4 to 8
SAMPLE = 40  # rows per cell that k-means is fitted on
HEAVY = 4  # most rows of a cell, as a multiple of the mean


def cell_count(rows: int, probes: int | None = None) -> int:
    """Number of cells for which choosing the cells of a query costs as much as searching them: sqrt(probes * rows), 1 to `rows`."""
    return max(1, min(rows, isqrt((probes or PROBES) * rows)))
