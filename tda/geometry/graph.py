"""Who is near whom: nearest neighbours by cosine, and the fuzzy graph that UMAP lays out.

N rows, D dimensions, K neighbours (the row itself not among them), C candidates, B rows of a tile, M rows of a query,
S rows that a search left short. Distances are cosine
distances, 1 - cos, in [0, 2]. Neighbours are found once for the largest K that is wanted and cut for smaller ones.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.knn import to_host
from tda.geometry.namespace import namespace, row_blocks, unit_rows

EXACT_ROWS = 40_000  # above it, on a CPU, all pairs cost more than a search by descent
TILE_BYTES = 128 << 20  # of one similarity tile
SPARE = 8  # candidates beyond k: float32 products may swap what float64 distances order


@dataclass(frozen=True, kw_only=True)
class Knn:
    """The K nearest rows of every row, nearest first; equal distances in order of position.

    `index_NK` (int32) holds positions, `distance_NK` (float32) cosine distances. `exact` is False where the search was approximate.
    """

    index_NK: Any
    distance_NK: Any
    exact: bool = True

    def __len__(self) -> int:
        return int(self.index_NK.shape[0])

    @property
    def k(self) -> int:
        """Neighbours a row."""
        return int(self.index_NK.shape[1])

    def cut(self, k: int) -> "Knn":
        """Return the same rows with their `k` nearest only; UserError where fewer are held."""
        if not 1 <= k <= self.k:
            raise UserError(f"{k} neighbours are wanted of a graph that holds {self.k}; compute it once for the largest number")
        return Knn(index_NK=self.index_NK[:, :k], distance_NK=self.distance_NK[:, :k], exact=self.exact)


def cuda(device: str) -> Any:
    """Return the CuPy module where `device` (auto | cpu | cuda) means a GPU, else None; UserError where cuda is asked for and absent."""
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"device={device!r} is unknown; choose one of: auto, cpu, cuda")
    if device == "cpu":
        return None
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()  # raises where there is no driver
    except Exception as error:  # CuPy's failures without a driver have many types
        if device == "cuda":
            raise UserError(f"device='cuda' needs CuPy and a GPU, and one is missing ({type(error).__name__}); use device=cpu") from error
        return None
    return cupy


def unit32(x_ND: Any) -> Any:
    """Return the rows normalised in float64 and rounded to float32; UserError names the first row that cannot be."""
    if x_ND.ndim != 2:
        raise UserError(f"rows of shape {tuple(x_ND.shape)} are no table; an (N, D) array is needed")
    xp = namespace(x_ND)
    unit_ND = xp.empty(x_ND.shape, dtype=xp.float32)
    for rows in row_blocks(x_ND.shape[0]):
        unit_ND[rows] = unit_rows(x_ND[rows], first=rows.start)
    return unit_ND


def _ordered(query_MD: Any, base_ND: Any, near_MC: Any, k: int) -> Knn:
    """Order candidates by distance in float64 and keep the `k` nearest, a tile of gathered rows at a time.

    Taken from the difference, not from 1 - cos: equal rows are at distance 0. In float64, so that turning the data about the origin
    leaves the rounded distances, and all that is computed from them, as they were.
    """
    index_MK, distance_MK = np.empty((len(near_MC), k), dtype=np.int32), np.empty((len(near_MC), k), dtype=np.float32)
    for rows in row_blocks(len(near_MC), max(1, TILE_BYTES // (8 * near_MC.shape[1] * base_ND.shape[1]))):
        near_BC = np.sort(near_MC[rows], axis=1)  # equal distances in order of position
        unit_BCD = unit_rows(base_ND[near_BC.ravel()]).reshape(*near_BC.shape, -1)
        unit_BCD -= unit_rows(query_MD[rows])[:, None, :]
        distance_BC = 0.5 * np.einsum("bcd,bcd->bc", unit_BCD, unit_BCD)
        order_BK = np.argsort(distance_BC.astype(np.float32), axis=1, kind="stable")[:, :k]
        index_MK[rows] = np.take_along_axis(near_BC, order_BK, axis=1)
        distance_MK[rows] = np.take_along_axis(distance_BC, order_BK, axis=1)
    return Knn(index_NK=index_MK, distance_NK=distance_MK)


def _nearest(query_MD: Any, base_ND: Any, k: int, own_M: Any = None) -> Knn:
    """Exact neighbours among the base rows, a tile of similarities at a time; `own_M` are positions in the base to leave out."""
    unit_MD, unit_ND = unit32(query_MD), unit32(base_ND)
    count = len(unit_ND)
    wide = min(k + SPARE, count - (own_M is not None))
    near_MC = np.empty((len(unit_MD), wide), dtype=np.int32)
    for rows in row_blocks(len(unit_MD), max(1, TILE_BYTES // (4 * count))):
        sims_BN = unit_MD[rows] @ unit_ND.T
        if own_M is not None:
            sims_BN[np.arange(len(sims_BN)), own_M[rows]] = -np.inf
        near_MC[rows] = np.argpartition(sims_BN, count - wide, axis=1)[:, count - wide :]
    return _ordered(query_MD, base_ND, near_MC, k)


def _exact(x_ND: Any, k: int, seed: int) -> Knn:
    del seed  # nothing is drawn
    return _nearest(x_ND, x_ND, k, own_M=np.arange(len(x_ND)))


def _descent(x_ND: Any, k: int, seed: int) -> Knn:
    """Neighbours by pynndescent; rows for which it found too few are searched exactly."""
    from pynndescent import NNDescent

    wide_NK = NNDescent(unit32(x_ND), metric="cosine", n_neighbors=k + 1, random_state=seed, n_jobs=-1).neighbor_graph[0]
    other_NK = (wide_NK != np.arange(len(x_ND))[:, None]) & (wide_NK >= 0)
    first_NK = np.argsort(~other_NK, axis=1, kind="stable")[:, :k]
    near_NK = np.take_along_axis(wide_NK, first_NK, axis=1)
    short_S = np.flatnonzero(other_NK.sum(axis=1) < k)
    near_NK[short_S] = _nearest(x_ND[short_S], x_ND, k, own_M=short_S).index_NK if len(short_S) else 0
    found = _ordered(x_ND, x_ND, near_NK, k)
    return Knn(index_NK=found.index_NK, distance_NK=found.distance_NK, exact=False)


def _brute_cuml(x_ND: Any, k: int) -> Knn:
    """Exact neighbours on the GPU: cuML fuses the product with the selection."""
    import cupy
    from cuml.neighbors import NearestNeighbors

    unit_ND = cupy.asarray(unit32(x_ND))
    # Squared euclidean distance of unit rows is twice their cosine distance.
    search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute", metric="sqeuclidean", output_type="cupy").fit(unit_ND)
    distance_NK, wide_NK = search.kneighbors(unit_ND)
    own_NK = wide_NK == cupy.arange(len(unit_ND))[:, None]
    own_NK[:, -1] |= ~own_NK.any(axis=1)  # among many equal rows the row itself may be missing: the last gives way
    keep_NK = cupy.argsort(own_NK.astype(cupy.int32) * (k + 1) + cupy.arange(k + 1), axis=1)[:, :k]
    distance_NK = cupy.maximum(cupy.take_along_axis(distance_NK, keep_NK, axis=1), 0) * 0.5
    return Knn(index_NK=cupy.take_along_axis(wide_NK, keep_NK, axis=1).astype(cupy.int32), distance_NK=distance_NK.astype(cupy.float32))


def knn_graph(x_ND: Any, k: int = 100, *, method: str = "auto", seed: int = 0, device: str = "auto") -> Knn:
    """Return the `k` nearest other rows of every row by cosine.

    `x_ND`: N rows of any length above 0. `method`: exact (all pairs, in tiles of bounded memory), approximate (pynndescent), or auto:
    exact up to `EXACT_ROWS` rows, and always on a GPU, where cuML searches. Raises UserError for a row that is zero or not finite,
    fewer than 2 rows, or `k` not in 1 .. N - 1.
    """
    if method not in ("auto", "exact", "approximate"):
        raise UserError(f"method={method!r} is unknown; choose one of: auto, exact, approximate")
    count = x_ND.shape[0]
    if not 1 <= k < count:
        raise UserError(f"{count} rows have no {k} neighbours each; ask for 1 to {count - 1}")
    if cuda(device):
        return _brute_cuml(x_ND, k)
    search = _exact if method == "exact" or (method == "auto" and count <= EXACT_ROWS) else _descent
    return search(to_host(x_ND), k, seed)


def nearest_of(query_MD: Any, base_ND: Any, k: int) -> Knn:
    """Return the `k` base rows nearest to each query row by cosine, exactly; same errors as `knn_graph`."""
    if query_MD.ndim != 2 or query_MD.shape[1] != base_ND.shape[1]:
        raise UserError(f"new rows {tuple(query_MD.shape)} do not fit the fitted rows {tuple(base_ND.shape)}; the dimensions must agree")
    return _nearest(to_host(query_MD), to_host(base_ND), min(k, base_ND.shape[0]))


def _with_self(knn: Knn) -> tuple[Any, Any]:
    """UMAP's libraries expect each row as its own first neighbour."""
    xp = namespace(knn.index_NK)
    index_NK = xp.concat([xp.arange(len(knn), dtype=xp.int32)[:, None], knn.index_NK], axis=1)
    return index_NK, xp.concat([xp.zeros((len(knn), 1), dtype=xp.float32), knn.distance_NK], axis=1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run umap-learn's memberships so that they repeat: a mean that it takes over all rows depends on the number of threads.

    They cost little beside the search. numba is told to store the two functions, which it would compile in every process.
    """
    from numba import get_num_threads, set_num_threads
    from umap import umap_

    with suppress(RuntimeError):  # no folder to write to
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

    `n_neighbors` counts the row itself, as UMAP's does, so that `n_neighbors - 1` of the graph's neighbours are used.
    Source: McInnes, Healy and Melville 2018, section 3.1. Raises UserError where the graph holds fewer.
    """
    if n_neighbors < 2:
        raise UserError(f"n_neighbors={n_neighbors} is too small; it counts the row itself, so it must be at least 2")
    index_NK, distance_NK = _with_self(knn.cut(n_neighbors - 1))
    if cuda(device):
        from cuml.manifold.umap import fuzzy_simplicial_set as on_gpu

        shape_only = index_NK.astype("float32")  # only its number of rows is used when neighbours are given
        return on_gpu(shape_only, n_neighbors, metric="cosine", knn_indices=index_NK, knn_dists=distance_NK).tocsr()
    from umap.umap_ import fuzzy_simplicial_set

    index_NK, distance_NK = to_host(index_NK), to_host(distance_NK)
    with _one_thread():
        return fuzzy_simplicial_set(index_NK, n_neighbors, None, "cosine", knn_indices=index_NK, knn_dists=distance_NK)[0].tocsr()


def fuzzy_rows(knn: Knn) -> Any:
    """Return memberships (M, K) in [0, 1] of new rows in their nearest fitted rows: one-sided, for `SphereUMAP.transform`."""
    from umap.umap_ import compute_membership_strengths, smooth_knn_dist

    with _one_thread():
        sigma_M, rho_M = smooth_knn_dist(knn.distance_NK, float(knn.k), local_connectivity=0.0)
        strengths = compute_membership_strengths(knn.index_NK, knn.distance_NK, sigma_M, rho_M, False, bipartite=True)
    return strengths[2].reshape(knn.index_NK.shape)
