"""The graph of nearest neighbours by cosine.

N rows, D dimensions, K neighbours (the row itself excluded), C candidates, B rows of a tile, M query rows, S rows of a sample or rows
with too few matches. Distances are cosine distances, 1 - cos, in [0, 2]. Neighbours are computed once for the largest K and cut
for smaller ones.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.devices import cuda
from tda.geometry.arrays.namespace import namespace, row_blocks, unit_rows
from tda.geometry.arrays.rows import sample_rows, to_host
from tda.geometry.neighbors.sizes import FEWEST

if TYPE_CHECKING:
    from tda.geometry.neighbors.reference import Reference

TILED_ROWS = 6000  # up to here, NumPy compares all rows, without loading torch
EXACT_ROWS = 40_000  # above it, on a CPU, comparing all pairs costs more than building cells and searching the nearest
TILE_BYTES = 128 << 20  # of one similarity tile
GRAPH_ROWS = 32_768  # of a block of a graph
SPARE = 8  # candidates beyond k, as rounded products may order neighbours differently from float64 distances
CLOSE = 1e-6  # below it, cancellation ruins 1 - cos, and the distance is computed from the difference of the rows
RECALL, SAMPLE = 0.99, 256  # least share of true neighbours found, measured on a sample of rows
FIRST_PROBES = 4  # probed cells to begin with; doubled until `RECALL` is reached
ALL_PAIRS = 8  # comparing all pairs costs as much as probing one cell in 8


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
        """Number of neighbours of each row."""
        return int(self.index_NK.shape[1])

    def cut(self, k: int) -> "Knn":
        """Return the graph of the `k` nearest neighbours. Raises UserError unless 1 <= k <= K."""
        if not 1 <= k <= self.k:
            raise UserError(f"{k} neighbours are wanted of a graph that holds {self.k}; compute it once for the largest number")
        return Knn(index_NK=self.index_NK[:, :k], distance_NK=self.distance_NK[:, :k], exact=self.exact)


def unit32(x_ND: Any) -> Any:
    """Return rows (N, D) normalised in float64 and rounded to float32. Raises UserError naming a row that is zero or not finite."""
    if x_ND.ndim != 2:
        raise UserError(f"rows of shape {tuple(x_ND.shape)} are no table; an (N, D) array is needed")
    xp = namespace(x_ND)
    unit_ND = xp.empty(x_ND.shape, dtype=xp.float32)
    for rows in row_blocks(x_ND.shape[0]):
        unit_ND[rows, :] = xp.astype(unit_rows(x_ND[rows, :], first=rows.start), xp.float32)
    return unit_ND


def _ordered(near_MC: Any, distance_MC: Any, k: int, *, exact: bool = True) -> Knn:
    """The `k` nearest candidates, equal distances in order of position.

    Distances are float64 until here, so that a rotation of the data changes neither the rounded distances nor what is computed from them.
    """
    by_place_MC = np.argsort(near_MC, axis=1)
    near_MC = np.take_along_axis(near_MC, by_place_MC, axis=1)
    distance_MC = np.take_along_axis(distance_MC, by_place_MC, axis=1).astype(np.float32)
    order_MK = np.argsort(distance_MC, axis=1, kind="stable")[:, :k]
    index_MK = np.take_along_axis(near_MC, order_MK, axis=1).astype(np.int32)
    return Knn(index_NK=index_MK, distance_NK=np.take_along_axis(distance_MC, order_MK, axis=1), exact=exact)


def _half_squared(x_BD: Any) -> Any:
    return 0.5 * np.einsum("...d,...d->...", x_BD, x_BD)


def _nearest(query_MD: Any, base_ND: Any, k: int, own_M: Any = None) -> Knn:
    """Exact neighbours among a few thousand base rows, tile by tile; `own_M`: position in the base of each query, which is left out."""
    unit_MD, unit_ND = unit32(query_MD), unit32(base_ND)
    count = len(unit_ND)
    wide = min(k + SPARE, count - (own_M is not None))
    near_MC = np.empty((len(unit_MD), wide), dtype=np.int32)
    for rows in row_blocks(len(unit_MD), max(1, TILE_BYTES // (4 * count))):
        sims_BN = unit_MD[rows] @ unit_ND.T
        if own_M is not None:
            sims_BN[np.arange(len(sims_BN)), own_M[rows]] = -np.inf
        near_MC[rows] = np.argpartition(sims_BN, count - wide, axis=1)[:, count - wide :]
    distance_MC = np.empty(near_MC.shape)
    for rows in row_blocks(len(near_MC), max(1, TILE_BYTES // (8 * wide * base_ND.shape[1]))):
        unit_BCD = unit_rows(base_ND[near_MC[rows].ravel()]).reshape(-1, wide, base_ND.shape[1])
        distance_MC[rows] = _half_squared(unit_BCD - unit_rows(query_MD[rows])[:, None, :])
    return _ordered(near_MC, distance_MC, k)


class GraphSearch:
    """The `k` nearest other rows of rows (N, D), found for some rows at a time: what a row gets does not depend on the others asked for.

    `exact`: among all rows; otherwise in as many of the nearest cells as `RECALL` takes on rows drawn by `seed`, or among all rows where
    that costs no more. Raises UserError for a row that is zero or not finite.
    """

    def __init__(self, x_ND: Any, k: int, seed: int = 0, *, exact: bool = False) -> None:
        from tda.geometry.neighbors.reference import Reference  # loads torch, which takes as long as comparing a few thousand rows

        self._x_ND, self.k = x_ND, k
        self._wide = min(k + SPARE, len(x_ND) - 1) + 1  # including the row itself
        # used once: `_probes` makes up for the small sample
        self._reference = Reference(x_ND, cells=1 if exact else None, seed=seed, sample=FEWEST)
        sample = sample_rows(len(x_ND), SAMPLE, seed)
        self._probes = None if exact else _probes(self._reference, x_ND[sample], self._wide)
        self.exact = self._probes is None

    def of(self, rows: slice) -> Knn:
        """The neighbours of the rows at a slice, by position among all."""
        x_BD = self._x_ND[rows]
        cosine_BC, near_BC = self._reference.search(x_BD, self._probes, self._wide)
        short_S = np.flatnonzero((near_BC < 0).any(axis=1))  # rows whose cells hold too few candidates
        if len(short_S):
            cosine_BC[short_S], near_BC[short_S] = self._reference.search(x_BD[short_S], None, self._wide)
        other_BC = near_BC != np.arange(rows.start, rows.start + len(x_BD))[:, None]
        other_BC[:, -1] &= ~other_BC.all(axis=1)  # among many equal rows the row itself may be missing: drop the last
        near_BC, cosine_BC = (found_BC[other_BC].reshape(-1, self._wide - 1) for found_BC in (near_BC, cosine_BC))
        return _ordered(near_BC, _distances(x_BD, self._x_ND, near_BC, cosine_BC), self.k, exact=self.exact)


def graph_blocks(count: int) -> list[slice]:
    """The rows of a graph of `count` rows, in blocks: one holds some 100 MB of candidates."""
    return list(row_blocks(count, GRAPH_ROWS))


def whole_graph(blocks: Iterable[Knn], count: int, k: int) -> Knn:
    """The graph of all rows, from its blocks in order, of which one is in memory at a time."""
    index_NK, distance_NK = np.empty((count, k), np.int32), np.empty((count, k), np.float32)
    begin, exact = 0, True
    for block in blocks:
        rows = slice(begin, begin + len(block))
        index_NK[rows], distance_NK[rows] = block.index_NK, block.distance_NK
        begin, exact = rows.stop, exact and block.exact
    assert begin == count, f"blocks of {begin} rows of {count}"
    return Knn(index_NK=index_NK, distance_NK=distance_NK, exact=exact)


def _searched(x_ND: Any, k: int, seed: int, *, exact: bool) -> Knn:
    """Neighbours among all rows, or in the cells nearest to each row."""
    search = GraphSearch(x_ND, k, seed, exact=exact)
    return whole_graph((search.of(rows) for rows in graph_blocks(len(x_ND))), len(x_ND), k)


def _distances(query_MD: Any, base_ND: Any, near_MC: Any, cosine_MC: Any) -> Any:
    """Distances (M, C) in float64: 1 - cos, or, for close rows, from the difference of the rows, so that equal rows are at 0."""
    distance_MC = 1 - cosine_MC
    row_L, column_L = np.nonzero(distance_MC < CLOSE)
    for part in row_blocks(len(row_L)):
        row, column = row_L[part], column_L[part]
        distance_MC[row, column] = _half_squared(unit_rows(query_MD[row]) - unit_rows(base_ND[near_MC[row, column]]))
    return distance_MC


def _probes(reference: "Reference", sample_SD: Any, wide: int) -> int | None:
    """Number of cells to probe for a recall of `RECALL` on sampled rows (S, D); None if comparing all pairs costs no more."""
    true_SC, probes = reference.search(sample_SD, None, wide)[1], FIRST_PROBES
    while ALL_PAIRS * probes <= len(reference.centroids or ()):
        found_SC = reference.search(sample_SD, probes, wide)[1]
        if np.mean([np.isin(found, true).mean() for found, true in zip(found_SC, true_SC, strict=True)]) >= RECALL:
            return probes
        probes *= 2
    return None


def _brute_cuml(x_ND: Any, k: int) -> Knn:
    """Exact neighbours on the GPU, by cuML, which fuses product and selection."""
    import cupy
    from cuml.neighbors import NearestNeighbors

    unit_ND = cupy.asarray(unit32(x_ND))
    # Squared euclidean distance of unit rows is twice their cosine distance.
    search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute", metric="sqeuclidean", output_type="cupy").fit(unit_ND)
    distance_NK, wide_NK = search.kneighbors(unit_ND, two_pass_precision=True)  # close rows keep their digits
    own_NK = wide_NK == cupy.arange(len(unit_ND))[:, None]
    own_NK[:, -1] |= ~own_NK.any(axis=1)  # among many equal rows the row itself may be missing: drop the last
    keep_NK = cupy.argsort(own_NK.astype(cupy.int32) * (k + 1) + cupy.arange(k + 1), axis=1)[:, :k]
    distance_NK = cupy.maximum(cupy.take_along_axis(distance_NK, keep_NK, axis=1), 0) * 0.5
    return Knn(index_NK=cupy.take_along_axis(wide_NK, keep_NK, axis=1).astype(cupy.int32), distance_NK=distance_NK.astype(cupy.float32))


def knn_graph(x_ND: Any, k: int = 100, *, method: str = "auto", seed: int = 0, device: str = "auto") -> Knn:
    """Return the `k` nearest other rows of every row by cosine.

    `x_ND`: rows (N, D) of any length above 0. `method`: exact (all pairs, in tiles of bounded memory); approximate (in as many cells as
    give a recall of `RECALL` on sampled rows, drawn by `seed`; exact if that costs no more); auto: exact up to `EXACT_ROWS` rows. On a GPU
    (`device`: auto | cpu | cuda) the search is always exact, by cuML. Raises UserError for a row that is zero or not finite, fewer than 2
    rows, or `k` outside 1 .. N - 1.
    """
    if method not in ("auto", "exact", "approximate"):
        raise UserError(f"method={method!r} is unknown; choose one of: auto, exact, approximate")
    count = x_ND.shape[0]
    if not 1 <= k < count:
        raise UserError(f"{count} rows have no {k} neighbours each; ask for 1 to {count - 1}")
    if cuda(device):
        return _brute_cuml(x_ND, k)
    host_ND, exact = to_host(x_ND), method == "exact" or (method == "auto" and count <= EXACT_ROWS)
    if exact and count <= TILED_ROWS:
        return _nearest(host_ND, host_ND, k, own_M=np.arange(count))
    return _searched(host_ND, k, seed, exact=exact)


def nearest_of(query_MD: Any, base_ND: Any, k: int) -> Knn:
    """Return the `k` base rows (N, D) nearest to each query row (M, D) by cosine, exactly; at most N.

    Raises UserError for unequal dimensions and for a row that is zero or not finite.
    """
    if query_MD.ndim != 2 or query_MD.shape[1] != base_ND.shape[1]:
        raise UserError(f"new rows {tuple(query_MD.shape)} do not fit the fitted rows {tuple(base_ND.shape)}; the dimensions must agree")
    query_MD, base_ND, k = to_host(query_MD), to_host(base_ND), min(k, base_ND.shape[0])
    if len(base_ND) <= TILED_ROWS:
        return _nearest(query_MD, base_ND, k)
    from tda.geometry.neighbors.reference import Reference

    cosine_MC, near_MC = Reference(base_ND, cells=1).search(query_MD, None, min(k + SPARE, len(base_ND)))
    return _ordered(near_MC, _distances(query_MD, base_ND, near_MC, cosine_MC), k)
