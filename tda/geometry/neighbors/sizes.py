"""How a reference is split into cells: sizes that drivers need too. A separate file, as the rest of the search loads torch."""

from math import isqrt

ITERATIONS = 10  # of k-means
PROBES = 4  # the number of probes that the number of cells is optimised for by default: measured fastest for 4 to 8
SAMPLE = 256  # rows per cell that k-means is fitted on: with fewer, cells of rows without structure find fewer of their neighbours
FEWEST = 40  # of these in a sample that would not fit `SAMPLE_BYTES`: the mean of all members, taken afterwards, makes up for most of it
SAMPLE_BYTES = 4 * 2**30  # of a sample in float32
HEAVY = 4  # most rows of a cell, as a multiple of the mean


def sampled_rows(rows: int, cells: int, dim: int, most: int = SAMPLE) -> int:
    """Rows that k-means of `cells` cells is fitted on: `most` per cell where they fit the memory, no fewer than `FEWEST`, at most all."""
    each = max(FEWEST, min(most, SAMPLE_BYTES // (4 * dim * cells)))
    return min(rows, each * cells)


def cell_count(rows: int, probes: int | None = None) -> int:
    """Number of cells for which choosing the cells of a query costs as much as searching them: sqrt(probes * rows), 1 to `rows`."""
    return max(1, min(rows, isqrt((probes or PROBES) * rows)))
