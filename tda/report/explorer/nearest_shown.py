"""What each shown row retrieves among the shown rows of the other modality.

P pairs, D dimensions, K matches, B rows of a block.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024
Array = NDArray[Any]


def top_matches(query_PD: Array, candidate_PD: Array, k: int) -> NDArray[np.int32]:
    """(P, K) indices of the `k` candidates with the highest cosine, highest first; ties by index. Rows of unit length; k is cut at P."""
    k = min(k, len(candidate_PD))
    found = np.empty((len(query_PD), k), np.int32)
    candidate_DP = np.ascontiguousarray(candidate_PD.T, dtype=np.float32)
    for start in range(0, len(query_PD), BLOCK):
        cosine_BP = query_PD[start : start + BLOCK].astype(np.float32) @ candidate_DP
        top_BK = np.argpartition(-cosine_BP, k - 1, axis=1)[:, :k]
        top_BK.sort(axis=1)
        order_BK = np.argsort(-np.take_along_axis(cosine_BP, top_BK, axis=1), axis=1, kind="stable")
        found[start : start + BLOCK] = np.take_along_axis(top_BK, order_BK, axis=1)
    return found
