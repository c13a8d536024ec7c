"""The K best of scored candidates, in one order wherever they come from.

N queries, L candidates, K matches.
"""

from typing import Any

import numpy as np


def best_of(query_L: Any, cosine_L: Any, position_L: Any, *, count: int, k: int) -> tuple[Any, Any]:
    """The K best of each query: cosines (count, K), in descending order, ties by position, and where among the L each one stands.

    A fold: the best of the bests of parts is the best of the whole. Where a query has fewer than K, NaN and -1. NumPy arrays.
    """
    order_L = np.lexsort([position_L, -cosine_L, query_L])
    sorted_L = query_L[order_L]
    rank_L = np.arange(len(order_L)) - np.searchsorted(sorted_L, sorted_L)
    kept = rank_L < k
    cosine_NK, place_NK = np.full((count, k), np.nan), np.full((count, k), -1)
    cosine_NK[sorted_L[kept], rank_L[kept]] = cosine_L[order_L[kept]]
    place_NK[sorted_L[kept], rank_L[kept]] = order_L[kept]
    return cosine_NK, place_NK
