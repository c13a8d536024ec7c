"""The K best of scored candidates. A separate file, so that query actors, which hold no vectors, need not load torch.

N queries, L candidates, K matches.
"""

from typing import Any

import numpy as np


def best_of(query_L: Any, cosine_L: Any, position_L: Any, *, count: int, k: int) -> tuple[Any, Any]:
    """The K best of each query: cosines (count, K), descending, ties by position, and their places among the L candidates (count, K).

    `query_L`, `cosine_L`, `position_L`: NumPy arrays. Results of parts can be combined by another call: the best of the parts' bests are
    the best of the whole. Where a query has fewer than K candidates, NaN and -1.
    """
    order_L = np.lexsort([position_L, -cosine_L, query_L])
    sorted_L = query_L[order_L]
    rank_L = np.arange(len(order_L)) - np.searchsorted(sorted_L, sorted_L)
    kept = rank_L < k
    cosine_NK, place_NK = np.full((count, k), np.nan), np.full((count, k), -1)
    cosine_NK[sorted_L[kept], rank_L[kept]] = cosine_L[order_L[kept]]
    place_NK[sorted_L[kept], rank_L[kept]] = order_L[kept]
    return cosine_NK, place_NK
