"""Candidates in the cells that each query probes, on a CPU: a few small cells per step, so that their rows stay in the cache.

N queries, P probed cells, C cells, L (query, cell) pairs. The thread of a step converts its rows to float32; the kernel multiplies.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.neighbors.bfloat16_tiles import briefly, tile_by_tile
from tda.geometry.neighbors.table import Candidates, Queries, Table, band, joined, scratch
from tda.geometry.neighbors.tiles import CROWDED, Step, candidates

ROWS, ASKED = 1024, 2048  # rows and (query, cell) pairs of a step, unless one cell has more: 2 MB of rows at D = 512
LARGEST = 8192  # most rows of a cell, or of a whole table, that are scanned at once: 16 MB; larger ones go tile by tile


@dataclass(frozen=True)
class ScanStep:
    """Consecutive cells, beginning at row row_bounds[0] of the table, and the queries that probe each."""

    row_bounds: Any  # (C + 1,) int64
    query_L: Any  # int64
    query_bounds: Any  # (C + 1,) int64: cell c is probed by query_L[query_bounds[c] : query_bounds[c + 1]]


def asked(cells_NP: Any, cells: int) -> tuple[Any, Any]:
    """Queries (L,) int64 sorted by the cells that they probe, and bounds (C + 1,) of the queries of each cell.

    `cells_NP`: cells that each query probes, -1 for none; `cells`: their number C.
    """
    flat = cells_NP.reshape(-1)
    order = np.argsort(flat, kind="stable")
    return order // max(cells_NP.shape[1], 1), np.searchsorted(flat[order], np.arange(cells + 1))


def scan_steps(table: Table, queries: Queries, by_query: tuple[Any, Any] | None) -> Iterator[ScanStep]:
    """Steps over the cells that are probed. `by_query`: result of `asked`; None: the whole table is one cell, probed by every query."""
    if by_query is None:
        row_bounds, (query_L, bounds) = np.array([0, len(table)]), (np.arange(len(queries)), np.array([0, len(queries)]))
    else:
        row_bounds, (query_L, bounds) = np.asarray(table.bounds, dtype=np.int64), by_query
    for first, stop in _runs(row_bounds, bounds):
        for part in row_blocks(int(bounds[stop]), ASKED if stop == first + 1 else len(query_L), int(bounds[first])):
            inner = np.clip(bounds[first : stop + 1], part.start, part.stop) - part.start
            yield ScanStep(row_bounds[first : stop + 1], query_L[part], inner)


def _runs(row_bounds: Any, query_bounds: Any) -> Iterator[tuple[int, int]]:
    """Runs (first, stop) of consecutive cells that have rows and queries: one cell, or several within the size of a step."""
    first = stop = -1
    for cell in np.flatnonzero((np.diff(query_bounds) > 0) & (np.diff(row_bounds) > 0)).tolist():
        fits = row_bounds[cell + 1] - row_bounds[first] <= ROWS and query_bounds[cell + 1] - query_bounds[first] <= ASKED
        if cell != stop or not fits:
            if stop > first:
                yield first, stop
            first = cell
        stop = cell + 1
    if stop > first:
        yield first, stop


def prepare(table: Table, queries: Queries, k: int) -> None:
    """Load what threads need: the kernel with its BLAS (a limit on threads affects only loaded libraries), and bfloat16 queries."""
    import tda.geometry.neighbors.kernels  # noqa: F401 (for its effect)

    if briefly(table, k):
        _ = queries.brief


def scan(table: Table, queries: Queries, k: int, step: ScanStep) -> Candidates:
    """Candidates of a step: rows within two error bounds (`band`) of the K-th best score of their query in their cell."""
    from tda.geometry.neighbors.kernels import scan_cells

    begin, end = int(step.row_bounds[0]), int(step.row_bounds[-1])
    # Several small cells are faster in one call of the kernel.
    if end - begin > LARGEST or (len(step.row_bounds) == 2 and briefly(table, k)):
        return joined([tile_by_tile(table, queries, k, cell) for cell in _cells(step)], queries.unit_ND.device)
    unit_TD = table.tile(slice(begin, end), scratch("rows", (end - begin, table.rows_MD.shape[1])))
    room = CROWDED * k * len(step.query_L)
    query_L, row_L, score_L = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float32)
    margin = np.float32(2 * band(table.rows_MD.shape[1]))
    asking = queries.unit_ND.numpy(), step.query_L, step.query_bounds
    count = scan_cells(*asking, unit_TD.numpy(), step.row_bounds - begin, k, margin, query_L, row_L, score_L)
    if count < 0:  # more nearly equal rows than there is room for: float64 separates them
        return joined([candidates(table, queries, k, cell) for cell in _cells(step)], unit_TD.device)
    found = query_L[:count].copy(), row_L[:count] + begin, score_L[:count].copy()  # copies, so that the buffers can be freed
    return torch.from_numpy(found[0]), torch.from_numpy(found[1]), torch.from_numpy(found[2])


def _cells(step: ScanStep) -> Iterator[Step]:
    for rows, asking in zip(pairwise(step.row_bounds.tolist()), pairwise(step.query_bounds.tolist()), strict=True):
        yield torch.from_numpy(step.query_L[slice(*asking)]), slice(*rows)
