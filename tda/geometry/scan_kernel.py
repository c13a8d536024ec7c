"""The best of some rows for some queries, cell by cell, as a numba kernel that holds no lock of Python's: threads work beside one another.

N queries, D dimensions, C cells, T rows of a cell, B queries at once, L (query, cell) pairs or candidates.
"""

from typing import Any

import numpy as np
from scipy.linalg import cython_blas as _blas  # noqa: F401 (compiled products call it: loaded with the kernel, it knows limits on threads)

from tda.compiled import compiled

AT_ONCE = 256  # queries of a product: their scores stay in the cache


@compiled(nogil=True, fastmath={"nnan", "nsz", "reassoc"})
def _largest(score_T: Any) -> Any:
    best = score_T[0]
    for i in range(1, len(score_T)):
        best = max(best, score_T[i])
    return best


@compiled(nogil=True)
def _kth_largest(score_T: Any, best_K: Any) -> Any:
    """The K-th largest score; -inf where there are fewer. `best_K` is scratch."""
    best_K[:] = -np.inf
    last = len(best_K) - 1
    for i in range(len(score_T)):
        score = score_T[i]
        if score > best_K[last]:
            place = last
            while place > 0 and best_K[place - 1] < score:
                best_K[place] = best_K[place - 1]
                place -= 1
            best_K[place] = score
    return best_K[last]


@compiled(nogil=True)
def scan_cells(  # noqa: PLR0917 (numba takes arguments by place)
    unit_ND: Any,
    query_L: Any,
    query_bounds: Any,
    rows_TD: Any,
    row_bounds: Any,
    k: int,
    margin: Any,
    out_query: Any,
    out_row: Any,
    out_score: Any,
) -> int:
    """Write the candidates of consecutive cells and return how many there are, or -1 where they do not fit.

    Cell c has the rows row_bounds[c] .. row_bounds[c + 1] of `rows_TD` (T, D), and is asked for by the queries `query_L` from
    query_bounds[c] to query_bounds[c + 1]. A candidate scores at least the cell's K-th best score less `margin`. All float32.
    """
    dim, most = unit_ND.shape[1], np.max(np.diff(row_bounds))
    gathered, scores, best_K = np.empty((AT_ONCE, dim), np.float32), np.empty(AT_ONCE * most, np.float32), np.empty(k, np.float32)
    found = 0
    for cell in range(len(row_bounds) - 1):
        tile_TD = rows_TD[row_bounds[cell] : row_bounds[cell + 1]]
        rows = len(tile_TD)
        for start in range(query_bounds[cell], query_bounds[cell + 1], AT_ONCE):
            count = min(AT_ONCE, query_bounds[cell + 1] - start)
            for i in range(count):
                gathered[i] = unit_ND[query_L[start + i]]
            score_BT = scores[: count * rows].reshape((count, rows))
            np.dot(gathered[:count], tile_TD.T, score_BT)
            for i in range(count):
                score_T = score_BT[i]
                least = (_largest(score_T) if k == 1 else _kth_largest(score_T, best_K)) - margin
                for t in range(rows):
                    if score_T[t] >= least:
                        if found == len(out_query):
                            return -1
                        out_query[found], out_row[found], out_score[found] = query_L[start + i], row_bounds[cell] + t, score_T[t]
                        found += 1
    return found
