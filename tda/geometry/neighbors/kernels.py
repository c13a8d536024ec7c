"""Numba kernels of the search, which release Python's lock, so that threads run in parallel.

N queries, D dimensions, C cells, T rows of a cell, B queries at once, L (query, cell) pairs or candidates. Imported inside functions, so
that numba loads with the first search.
"""

from typing import Any

import numpy as np
from scipy.linalg import cython_blas as _blas  # noqa: F401 (compiled products call it; loaded here, so that limits on threads reach it)

from tda.compiled import compiled

BLOCK = 32  # scores of a block: its maximum decides whether they are examined
RESCORED = 64  # most rows per query and match that are rescored: more would cost more than bfloat16 saves
MINUS_INFINITY = np.uint32(0xFF800000)  # its float32 bits
AT_ONCE = 256  # queries of a product: their scores stay in the cache


@compiled(nogil=True, fastmath={"nnan", "nsz", "reassoc"})
def _largest(score_T: Any) -> Any:
    best = score_T[0]
    for i in range(1, len(score_T)):
        best = max(best, score_T[i])
    return best


@compiled(nogil=True)
def kth_largest(score_T: Any, best_K: Any) -> Any:
    """The K-th largest of scores (T,) and `best_K` together; `best_K` (descending, -inf for none) is updated in place."""
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

    Cell c has the rows row_bounds[c] .. row_bounds[c + 1] of `rows_TD` (T, D) and is probed by the queries
    query_L[query_bounds[c] : query_bounds[c + 1]]. A candidate scores at least the query's K-th best score in the cell minus `margin`.
    Scores are float32.
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
                best_K[:] = -np.inf
                least = (_largest(score_T) if k == 1 else kth_largest(score_T, best_K)) - margin
                for t in range(rows):
                    if score_T[t] >= least:
                        if found == len(out_query):
                            return -1
                        out_query[found], out_row[found], out_score[found] = query_L[start + i], row_bounds[cell] + t, score_T[t]
                        found += 1
    return found


@compiled(nogil=True, fastmath={"nnan", "nsz", "reassoc", "contract"})
def _dot(x_D: Any, y_D: Any) -> Any:
    total = np.float32(0)
    for d in range(len(x_D)):
        total += x_D[d] * y_D[d]
    return total


@compiled(nogil=True)
def _packed(least: Any, query_L: Any, row_L: Any, score_L: Any) -> int:
    """Move entries that score at least `least` to the front, and return their number."""
    kept = 0
    for i in range(len(score_L)):
        if score_L[i] >= least:
            query_L[kept], row_L[kept], score_L[kept] = query_L[i], row_L[i], score_L[i]
            kept += 1
    return kept


@compiled(nogil=True)
def refine(  # noqa: PLR0917 (numba takes arguments by place)
    bits_BT: Any,
    query_B: Any,
    unit_ND: Any,
    rows_TD: Any,
    first_row: int,
    best_BK: Any,
    brief_margin: Any,
    margin: Any,
    found: int,
    out_query: Any,
    out_row: Any,
    out_score: Any,
) -> int:
    """Append the candidates of one tile to the `found` ones, and return the new number, or -1 if there are too many.

    `bits_BT`: bfloat16 scores (bits as uint16) of the rows of `rows_TD` (T, D); further columns are ignored. `best_BK`: K best scores of
    each query in earlier tiles, updated with the best of each block of this tile (with few blocks, with all scores): a lower bound of the
    true K best. Rows within `brief_margin` of the K-th are rescored in float32, and are candidates if they score at least the K-th best
    of the tile minus `margin`.
    """
    rows, k, blocks = len(rows_TD), best_BK.shape[1], (len(rows_TD) + BLOCK - 1) // BLOCK
    bits_T, best_K, left = np.full(blocks * BLOCK, MINUS_INFINITY), np.empty(k, np.float32), RESCORED * max(k * len(query_B), BLOCK)
    brief_T, largest = bits_T.view(np.float32), np.empty(blocks, np.float32)
    for i in range(len(query_B)):
        for t in range(rows):
            bits_T[t] = np.uint32(bits_BT[i, t]) << np.uint32(16)
        for j in range(blocks):
            largest[j] = _largest(brief_T[j * BLOCK : (j + 1) * BLOCK])
        if _largest(largest) < best_BK[i, k - 1] - brief_margin:
            continue
        least = kth_largest(largest if 4 * k <= blocks else brief_T, best_BK[i]) - brief_margin
        begin, unit_D = found, unit_ND[query_B[i]]
        for j in range(blocks):
            if largest[j] >= least:
                for t in range(j * BLOCK, min((j + 1) * BLOCK, rows)):
                    if brief_T[t] >= least:
                        if left == 0 or found == len(out_query):
                            return -1
                        left -= 1
                        out_query[found], out_row[found], out_score[found] = query_B[i], first_row + t, _dot(unit_D, rows_TD[t])
                        found += 1
        best_K[:] = -np.inf
        least = kth_largest(out_score[begin:found], best_K) - margin
        found = begin + _packed(least, out_query[begin:found], out_row[begin:found], out_score[begin:found])
    return found


@compiled(nogil=True)
def within(query_L: Any, score_L: Any, count: int, k: int, margin: Any) -> Any:
    """Positions in L (int64) of candidates that score at least the K-th best of their query minus `margin`, grouped by query.

    `query_L`: int64 below `count`; `score_L` and `margin`: float32. A query with fewer than K candidates keeps all.
    """
    begin = np.zeros(count + 1, np.int64)
    for query in query_L:
        begin[query + 1] += 1
    begin = np.cumsum(begin)
    by_query_L, filled = np.empty(len(query_L), np.int64), begin[:-1].copy()
    for place in range(len(query_L)):
        by_query_L[filled[query_L[place]]] = place
        filled[query_L[place]] += 1
    kept, best_K, score_C = 0, np.empty(k, np.float32), np.empty(max(1, np.max(np.diff(begin))), np.float32)
    for query in range(count):
        places_C = by_query_L[begin[query] : begin[query + 1]]
        for i in range(len(places_C)):
            score_C[i] = score_L[places_C[i]]
        best_K[:] = -np.inf
        least = kth_largest(score_C[: len(places_C)], best_K) - margin
        for i in range(len(places_C)):
            if score_C[i] >= least:
                by_query_L[kept] = places_C[i]  # kept <= the position being read
                kept += 1
    return by_query_L[:kept].copy()


@compiled(nogil=True)
def tree_dots(x_ND: Any, x_B: Any, y_MD: Any, y_B: Any, dot_B: Any) -> None:
    """Write the dot products of rows x_B of `x_ND` and y_B of `y_MD` to `dot_B` (float64), with the bits of `pair_dots.tree_sum`.

    Compiled without fast-math, so that operations are neither reordered nor fused. Rows are float32 or float64, D at least 1.
    """
    term_D = np.empty(x_ND.shape[1])
    for pair in range(len(x_B)):
        x_D, y_D = x_ND[x_B[pair]], y_MD[y_B[pair]]
        for d in range(len(term_D)):
            term_D[d] = np.float64(x_D[d]) * np.float64(y_D[d])
        left = len(term_D)
        while left > 1:
            half = left // 2
            low_H, high_H = term_D[:half], term_D[half : 2 * half]
            for h in range(half):
                low_H[h] += high_H[h]
            if left % 2:
                term_D[half] = term_D[left - 1]
            left = half + left % 2
        dot_B[pair] = term_D[0]
