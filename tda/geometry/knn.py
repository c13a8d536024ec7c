"""Distinct rows, and exact nearest neighbours among them: scikit-learn | cuML behind one seam.

N rows, D dimensions, U distinct rows, Q queries, B queries of a block, K neighbours, S rows of a sample. Distances are euclidean.
"""

from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.namespace import namespace, row_blocks

TREE_DIM = 15  # at most: above it, a k-d tree visits nearly every row and a product of matrices is faster
_EXACT_ELEMENTS = 2**21  # of differences held in float64 at a time: 16 MB


def on_device(x_ND: Any) -> bool:
    """Whether the array lives on a CUDA device."""
    return hasattr(x_ND, "__cuda_array_interface__")


def to_host(x_ND: Any) -> Any:
    """The array as NumPy's."""
    return x_ND.get() if on_device(x_ND) else np.asarray(x_ND)


def check_rows(x_ND: Any, what: str = "rows", first: int = 0) -> None:
    """Raise UserError unless the array is (N, D) and finite, naming the first row that is not (`first`: the position of row 0)."""
    xp = namespace(x_ND)
    if x_ND.ndim != 2 or 0 in x_ND.shape:
        raise UserError(f"{what} have shape {tuple(x_ND.shape)}; they must be (N, D) with N and D at least 1")
    good_N = xp.all(xp.isfinite(x_ND), axis=1)
    if not bool(xp.all(good_N)):
        row = int(xp.argmin(xp.astype(good_N, xp.int8)))
        raise UserError(f"{what}: row {first + row} holds a value that is not finite; remove it first")


def sample_rows(count: int, size: int, seed: int) -> Any:
    """Positions (S,) of at most `size` rows of `count`, drawn without repetition, ascending."""
    if size >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, size, replace=False))


def distinct(x_ND: Any) -> tuple[Any, Any]:
    """Positions (U,) of the first of each set of equal rows, ascending, and for each row (N,) which of the U it equals. NumPy's."""
    host_ND = np.ascontiguousarray(to_host(x_ND) + 0)  # -0.0 + 0 is 0.0: equal values, then equal bytes
    bytes_N = host_ND.view(np.dtype((np.void, host_ND.dtype.itemsize * host_ND.shape[1]))).reshape(-1)
    _, first_U, inverse_N = np.unique(bytes_N, return_index=True, return_inverse=True)
    order_U = np.argsort(first_U)
    position_U = np.empty_like(order_U)
    position_U[order_U] = np.arange(len(order_U))
    return first_U[order_U], position_U[inverse_N.reshape(-1)]


class Neighbors:
    """Nearest rows of a reference set (N, D), exactly.

    The library finds them; their distances are computed again from differences in float64, because the library's come from
    squared norms, where rows closer than 1e-8 fall together.
    """

    def __init__(self, reference_ND: Any) -> None:
        self._xp = namespace(reference_ND)
        self.reference_ND = reference_ND
        low = reference_ND.shape[1] <= TREE_DIM
        if on_device(reference_ND):
            from cuml.neighbors import NearestNeighbors

            self._index = NearestNeighbors(algorithm="brute").fit(self._searched(reference_ND))
        else:
            from sklearn.neighbors import NearestNeighbors

            self._index = NearestNeighbors(algorithm="kd_tree" if low else "brute").fit(self._searched(reference_ND))

    def _searched(self, x_BD: Any) -> Any:
        wide = str(x_BD.dtype).endswith("float64") and not on_device(x_BD)
        return self._xp.astype(x_BD, self._xp.float64 if wide else self._xp.float32)

    def query(self, queries_QD: Any, k: int) -> tuple[Any, Any]:
        """Distances (Q, K), ascending, and positions (Q, K) of the `k` nearest reference rows; fewer where there are fewer."""
        xp = self._xp
        k = min(k, self.reference_ND.shape[0])
        _, index_QK = self._index.kneighbors(self._searched(queries_QD), n_neighbors=k)
        blocks = row_blocks(queries_QD.shape[0], max(1, _EXACT_ELEMENTS // (k * queries_QD.shape[1])))
        distance_QK = xp.concat([self._exact(queries_QD[block, :], index_QK[block, :]) for block in blocks])
        order_QK = xp.argsort(distance_QK, axis=1, stable=True)
        return xp.take_along_axis(distance_QK, order_QK, axis=1), xp.take_along_axis(index_QK, order_QK, axis=1)

    def _exact(self, queries_BD: Any, index_BK: Any) -> Any:
        xp = self._xp
        near_BKD = xp.astype(self.reference_ND[index_BK, :], xp.float64)
        return xp.sqrt(xp.sum((near_BKD - xp.astype(queries_BD, xp.float64)[:, None, :]) ** 2, axis=2))
