"""Exact nearest neighbours by euclidean distance: scikit-learn | cuML behind one class.

N rows, D dimensions, Q queries, B queries of a block, K neighbours. Distances are euclidean.
"""

from typing import Any

from tda.geometry.arrays.namespace import namespace, row_blocks, rows_at, type_name
from tda.geometry.arrays.rows import on_device, to_host

TREE_DIM = 15  # above it, a k-d tree visits nearly every row, and a matrix product is faster
_EXACT_ELEMENTS = 2**21  # float64 differences held at a time: 16 MB


class Neighbors:
    """Nearest rows of a reference set (N, D), exactly.

    The library finds the rows; their distances are recomputed from differences in float64, as the library computes them from squared
    norms, which cannot separate rows closer than 1e-8.
    """

    def __init__(self, reference_ND: Any) -> None:
        self._xp = namespace(reference_ND)
        self.reference_ND = reference_ND
        low, self._options = reference_ND.shape[1] <= TREE_DIM, dict[str, bool]()
        if on_device(reference_ND):
            from cuml.neighbors import NearestNeighbors

            self._index = NearestNeighbors(algorithm="brute").fit(self._searched(reference_ND))
            self._options["two_pass_precision"] = True  # else close rows differ by squared norms alone
        else:
            from sklearn.neighbors import NearestNeighbors

            self._index = NearestNeighbors(algorithm="kd_tree" if low else "brute").fit(self._searched(reference_ND))

    def _searched(self, x_BD: Any) -> Any:
        wide = type_name(x_BD) == "float64" and not on_device(x_BD)
        rows_BD = self._xp.astype(x_BD, self._xp.float64 if wide else self._xp.float32)
        return rows_BD if on_device(x_BD) else to_host(rows_BD)

    def query(self, queries_QD: Any, k: int) -> tuple[Any, Any]:
        """Distances (Q, K), ascending, and positions (Q, K) of the K = min(`k`, N) nearest reference rows of queries (Q, D)."""
        xp = self._xp
        k = min(k, self.reference_ND.shape[0])
        index_QK = xp.asarray(self._index.kneighbors(self._searched(queries_QD), n_neighbors=k, **self._options)[1])
        blocks = row_blocks(queries_QD.shape[0], max(1, _EXACT_ELEMENTS // (k * queries_QD.shape[1])))
        distance_QK = xp.concat([self._exact(queries_QD[block, :], index_QK[block, :]) for block in blocks])
        order_QK = xp.argsort(distance_QK, axis=1, stable=True)
        return xp.take_along_axis(distance_QK, order_QK, axis=1), xp.take_along_axis(index_QK, order_QK, axis=1)

    def _exact(self, queries_BD: Any, index_BK: Any) -> Any:
        xp = self._xp
        near_BKD = xp.astype(rows_at(self.reference_ND, index_BK), xp.float64)
        return xp.sqrt(xp.sum((near_BKD - xp.astype(queries_BD, xp.float64)[:, None, :]) ** 2, axis=2))
