"""Which of a query's scored candidates may be among its K best, as a numba kernel: the candidates of many queries lie mixed.

N queries, K matches, L candidates.
"""

from typing import Any

import numpy as np

from tda.compiled import compiled
from tda.geometry.scan_kernel import kth_largest


@compiled(nogil=True)
def within(query_L: Any, score_L: Any, count: int, k: int, margin: Any) -> Any:
    """Places in L (int64) of what scores at least the K-th best of its query less `margin`; the places of a query together.

    `query_L`: int64 below `count`; `score_L` and `margin`: float32. Of a query with fewer than K candidates all stay.
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
                by_query_L[kept] = places_C[i]  # never ahead of what is still to be read
                kept += 1
    return by_query_L[:kept].copy()
