"""The kernel of `tda.geometry.dots`, apart, so that numba is loaded only where it is used.

N and M rows, D dimensions, B pairs, H half of the terms that are left.
"""

from typing import Any

import numpy as np

from tda.compiled import compiled


@compiled(nogil=True)
def tree_dots(x_ND: Any, x_B: Any, y_MD: Any, y_B: Any, dot_B: Any) -> None:
    """Write `tree_sum` of the products of rows to `dot_B` (float64), with the same bits.

    Nothing here lets the compiler change the order of operations or join two of them. Rows are float32 or float64, D at least 1.
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
