"""The K best reference rows of each query by cosine, with the same bits for any partition of the reference and any number of threads.

N queries, M reference rows, D dimensions, K matches, B queries of a block, T rows of a tile, C cells, P probed cells, L candidates.

The error of a float32 product of unit rows is at most `band`. A row is a candidate if its float32 score is at least the K-th best so far
minus two bands: the true K best are among the candidates of any partition into tiles, threads, machines or passes. Candidates are
rescored in float64, by elementwise products and sums alone, so that a score depends on its two rows only; ties go to the earlier
reference row. Tensors are torch's, on the device of the rows; TF32 stays off (torch's default).
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.arrays.threads import threaded
from tda.geometry.neighbors import cell_scan
from tda.geometry.neighbors.bfloat16_tiles import tile_by_tile
from tda.geometry.neighbors.table import Queries, Table, band, joined, pair_cosines
from tda.geometry.neighbors.tiles import cell_steps, whole_steps
from tda.geometry.neighbors.top_k import best_of
from tda.progress import report_progress

QUERIES = 65_536  # most queries of a block
ROOM = 2**23  # candidates of a block, as estimated from K and the probes: 170 MB
FEWEST = 4096  # least queries of a block, however many candidates each has, as every block reads the cells again
OF_ALL = 4  # times K: estimated candidates of a query that is compared with every row


def search(table: Table, queries_ND: torch.Tensor, k: int, cells_NP: Any = None, threads: int | None = None) -> tuple[Any, Any]:
    """Cosines (N, K) float64, best first, and row numbers of the table (N, K) int64, NumPy; NaN and -1 where fewer rows were compared.

    `cells_NP`: numbers of the cells that each query probes, -1 for none (NumPy); None: all cells. `threads` defaults to torch's number;
    on a GPU it has no effect.
    Raises UserError naming a query that is zero or not finite.
    """
    cosine, row = [np.zeros((0, k))], [np.zeros((0, k), np.int64)]
    for queries in query_blocks(queries_ND, k, None if cells_NP is None else cells_NP.shape[1]):
        part = slice(queries.first, queries.first + len(queries))
        found = best_rows(table, queries, k, None if cells_NP is None else cells_NP[part], threads)
        cosine.append(found[0])
        row.append(found[1])
        report_progress(part.stop, len(queries_ND), "rows searched")
    return np.concatenate(cosine), np.concatenate(row)


def query_blocks(queries_ND: torch.Tensor, k: int, probes: int | None) -> Iterator[Queries]:
    """The queries (N, D) in blocks whose candidates fit in memory. Raises UserError naming one that is zero or not finite."""
    rows = min(QUERIES, max(FEWEST, ROOM // (k * (probes or OF_ALL))))
    return (Queries(queries_ND[part], part.start) for part in row_blocks(queries_ND.shape[0], rows))


def best_rows(table: Table, queries: Queries, k: int, cells_NP: Any = None, threads: int | None = None) -> tuple[Any, Any]:
    """`search` for one block of queries."""
    threads = threads or torch.get_num_threads()
    query_L, row_L = _near(table, queries, k, cells_NP, threads)
    cosine_L = pair_cosines(queries, query_L, table, row_L, threads)
    on_host = [x.cpu().numpy() for x in (query_L, cosine_L, table.position_M[row_L], row_L)]
    cosine_NK, place_NK = best_of(*on_host[:3], count=len(queries), k=k)
    return cosine_NK, np.where(place_NK < 0, -1, np.append(on_host[3], -1)[place_NK])


def nearest_rows(table: Table, queries: Queries, k: int, threads: int | None = None) -> Any:
    """Row numbers (N, K) of the K best rows of the whole table, ascending, NumPy; float64 is used only where float32 leaves more than K.

    The table must have at least K rows.
    """
    threads = threads or torch.get_num_threads()
    query_L, row_L = _near(table, queries, k, None, threads)
    chosen_L = torch.bincount(query_L, minlength=len(queries))[query_L] == k
    unsure = torch.nonzero(~chosen_L)[:, 0]
    pairs = query_L[unsure], row_L[unsure]
    cosine_L = pair_cosines(queries, pairs[0], table, pairs[1], threads)
    scored = [x.cpu().numpy() for x in (pairs[0], cosine_L, table.position_M[pairs[1]])]
    place_NK = best_of(*scored, count=len(queries), k=k)[1]
    chosen = chosen_L.cpu().numpy()
    chosen[unsure.cpu().numpy()[place_NK[place_NK >= 0]]] = True
    query, row = (x.cpu().numpy()[chosen] for x in (query_L, row_L))
    return row[np.lexsort([row, query])].reshape(-1, k)


def _near(table: Table, queries: Queries, k: int, cells_NP: Any, threads: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Candidate queries and rows (L,), among which the K best are, by float32 products (preceded by bfloat16 where faster)."""
    on_cpu = not queries.rows_ND.is_cuda
    threads = threads if on_cpu else 1
    by_query = None if cells_NP is None else cell_scan.asked(cells_NP, len(table.bounds) - 1)
    if on_cpu:
        cell_scan.prepare(table, queries, k)
    if on_cpu and (by_query or len(table) <= cell_scan.LARGEST):
        parts = _in_threads(partial(cell_scan.scan, table, queries, k), cell_scan.scan_steps(table, queries, by_query), threads)
    else:
        steps = cell_steps(table, queries, *by_query) if by_query else whole_steps(table, queries, threads)
        parts = _in_threads(partial(tile_by_tile, table, queries, k), steps, threads)
    query_L, row_L, score_L = joined(parts, queries.norm_N.device)
    near_L = _within(query_L, score_L, len(queries), k, 2 * band(table.rows_MD.shape[1]))
    return query_L[near_L], row_L[near_L]


def _within(query_L: torch.Tensor, score_L: torch.Tensor, count: int, k: int, margin: float) -> torch.Tensor:
    """Candidates that score at least the K-th best of their query minus the margin: a mask (L,), or their positions."""
    if k == 1 or query_L.is_cuda:
        return score_L >= _kth_score(query_L, score_L, count, k)[query_L] - margin
    from tda.geometry.neighbors.kernels import within

    return torch.from_numpy(within(query_L.numpy(), score_L.numpy(), count, k, np.float32(margin)))


def _in_threads(function: Callable[[Any], Any], items: Iterable[Any], threads: int) -> list[Any]:
    before = torch.get_num_threads()
    try:
        return list(threaded(function, items, threads, begin=lambda: torch.set_num_threads(1)))
    finally:
        torch.set_num_threads(before)  # which later threads inherit


def _kth_score(query_L: torch.Tensor, score_L: torch.Tensor, count: int, k: int) -> torch.Tensor:
    """The K-th best score of each query, (count,); -inf if it has fewer candidates."""
    kth_N = score_L.new_full((count,), -torch.inf)
    if k == 1:
        return kth_N.scatter_reduce(0, query_L, score_L, "amax")
    order_L = torch.argsort(score_L, descending=True, stable=True)
    order_L = order_L[torch.argsort(query_L[order_L], stable=True)]
    last_L = order_L[_rank(query_L[order_L], count) == k - 1]
    kth_N[query_L[last_L]] = score_L[last_L]
    return kth_N


def _rank(query_L: torch.Tensor, count: int) -> torch.Tensor:
    """Rank (L,) of each entry among those of its query; `query_L` ascends."""
    begin_N = torch.searchsorted(query_L, torch.arange(count, device=query_L.device))
    return torch.arange(len(query_L), device=query_L.device) - begin_N[query_L]
