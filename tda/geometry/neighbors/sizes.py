"""How a reference is cut into cells: the few numbers that a driver has to know too, apart from the libraries that cut."""

from math import isqrt

ITERATIONS = 10  # of k-means
PROBES = 4  # what the number of cells is chosen for where nothing else is said: the fastest from 4 probes to 8, as measured
SAMPLE = 40  # rows a cell that centroids are found from
HEAVY = 4  # times the mean: the most rows of a cell


def cell_count(rows: int, probes: int | None = None) -> int:
    """Cells for which finding the cells of a query costs as much as searching them: sqrt(probes * rows)."""
    return max(1, min(rows, isqrt((probes or PROBES) * rows)))
