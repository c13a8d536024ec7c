"""The fuzzy graph of UMAP from known nearest neighbours (McInnes, Healy and Melville 2018, section 3.1).

N rows, K neighbours (the row itself not among them), M new rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.devices import cuda
from tda.geometry.arrays.namespace import namespace
from tda.geometry.arrays.rows import to_host
from tda.geometry.neighbors.graph import Knn


def _with_self(knn: Knn) -> tuple[Any, Any]:
    """Neighbours and distances (N, K + 1) with each row as its own first neighbour, as UMAP's libraries expect."""
    xp = namespace(knn.index_NK)
    index_NK = xp.concat([xp.arange(len(knn), dtype=xp.int32)[:, None], knn.index_NK], axis=1)
    return index_NK, xp.concat([xp.zeros((len(knn), 1), dtype=xp.float32), knn.distance_NK], axis=1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run umap-learn on one thread: it takes a mean over all rows whose rounding depends on the number of threads.

    The time is small beside that of the search. Caching spares every process the compilation of the two functions.
    """
    from numba import get_num_threads, set_num_threads
    from umap import umap_

    with suppress(RuntimeError):  # no writable folder for the cache
        umap_.smooth_knn_dist.enable_caching()
        umap_.compute_membership_strengths.enable_caching()
    before = get_num_threads()
    set_num_threads(1)
    try:
        yield
    finally:
        set_num_threads(before)


def fuzzy_graph(knn: Knn, n_neighbors: int, *, device: str = "auto") -> Any:
    """Return UMAP's symmetric membership graph (N, N), sparse CSR, weights in (0, 1], by umap-learn or cuML.

    `n_neighbors` counts the row itself, as in UMAP: `n_neighbors - 1` neighbours of `knn` are used. `device`: auto | cpu | cuda.
    Source: McInnes, Healy and Melville 2018, section 3.1. Raises UserError for `n_neighbors` below 2 or above the neighbours in `knn`.
    """
    if n_neighbors < 2:
        raise UserError(f"n_neighbors={n_neighbors} is too small; it counts the row itself, so it must be at least 2")
    index_NK, distance_NK = _with_self(knn.cut(n_neighbors - 1))
    if cuda(device):
        from cuml.manifold.umap import fuzzy_simplicial_set as on_gpu

        shape_only = index_NK.astype("float32")  # cuML reads only its number of rows when neighbours are given
        return on_gpu(shape_only, n_neighbors, metric="cosine", knn_indices=index_NK, knn_dists=distance_NK).tocsr()
    from umap.umap_ import fuzzy_simplicial_set

    index_NK, distance_NK = to_host(index_NK), to_host(distance_NK)
    with _one_thread():
        return fuzzy_simplicial_set(index_NK, n_neighbors, None, "cosine", knn_indices=index_NK, knn_dists=distance_NK)[0].tocsr()


def fuzzy_rows(knn: Knn) -> Any:
    """Return memberships (M, K), in [0, 1], of new rows in the neighbourhoods of their K nearest fitted rows, not symmetrised."""
    from tda.geometry.sphere.placing import memberships

    distance_MK = np.ascontiguousarray(to_host(knn.distance_NK), np.float64)
    weight_MK = np.empty_like(distance_MK)
    memberships(distance_MK, weight_MK)
    return weight_MK
