"""Closest rows of a reference, exactly or among the nearest cells.

N queries, M reference rows, U distinct ones, D dimensions, K matches, C cells, P probed cells.
"""

from typing import Any

import numpy as np
import torch

from tda.errors import UserError
from tda.geometry.arrays.equal_rows import first_equal
from tda.geometry.arrays.namespace import namespace
from tda.geometry.arrays.rows import on_device, to_host
from tda.geometry.neighbors.kmeans import arrange, cells_of, centroid_table, nearest_cells, spherical_kmeans
from tda.geometry.neighbors.search import best_rows, query_blocks
from tda.geometry.neighbors.sizes import HEAVY, SAMPLE, cell_count, sampled_rows
from tda.geometry.neighbors.table import Queries, Table


class Reference:
    """Reference rows (M, D), NumPy or CuPy, sorted by cell for searches and kept in their dtype; equal rows are stored once.

    `cells`: number of cells, None to choose it from M, 1 for exact search alone. `bound`: most rows of a cell, None for four times the
    mean. `seed`: of k-means, fitted on up to `sample` rows per cell. Raises UserError for no rows and for a row that is zero or not finite.
    """

    def __init__(
        self, reference_MD: Any, cells: int | None = None, bound: int | None = None, seed: int = 0, *, sample: int = SAMPLE
    ) -> None:
        _check(reference_MD, "reference")
        self._xp, self.shape = namespace(reference_MD), reference_MD.shape
        host_MD = np.ascontiguousarray(to_host(reference_MD))
        first_M = first_equal(host_MD)
        distinct_U = np.flatnonzero(first_M == np.arange(len(host_MD)))
        self.repeats = Repeats(first_M, distinct_U)
        device = "cuda" if on_device(reference_MD) else "cpu"
        rows_UD = host_MD if len(distinct_U) == len(host_MD) else host_MD[distinct_U]
        position_U = torch.from_numpy(distinct_U).to(device)
        if (cells or cell_count(len(host_MD))) == 1:
            self.centroids = None
            self.table = Table(_tensor(rows_UD).to(device), position_U, np.array([0, len(rows_UD)]))
            return
        whole = Table(_tensor(rows_UD).to(device), position_U, np.array([0, len(rows_UD)]))  # raises for rows without a direction
        centroids_CD = self._centroids(whole, cells or cell_count(len(rows_UD)), seed, sample)
        label_U = nearest_cells(centroid_table(centroids_CD, device), whole.rows_MD)[:, 0]
        order_U, bounds, centroids_CD = arrange(
            rows_UD, label_U, centroids_CD, bound or max(1, HEAVY * len(rows_UD) // len(centroids_CD)), seed
        )
        order = torch.from_numpy(order_U).to(device)
        self.centroids = centroid_table(centroids_CD, device)
        self.table = Table(whole.rows_MD[order], position_U[order], bounds)

    def search(self, queries_ND: Any, probes: int | None = None, k: int = 1, threads: int | None = None) -> tuple[Any, Any]:
        """Cosines and positions as `best_match`, always (N, K); `threads` None: as many as torch uses. Raises UserError likewise."""
        _check(queries_ND, "queries")
        if queries_ND.shape[1] != self.shape[1]:
            raise UserError(f"queries have {queries_ND.shape[1]} dimensions, the reference has {self.shape[1]}")
        if not 1 <= k <= self.shape[0]:
            raise UserError(f"k={k} must be from 1 to {self.shape[0]}, the rows of the reference")
        if probes is not None and probes < 1:
            raise UserError(f"probes={probes} must be at least 1; None searches every cell")
        found = [self._block(block, probes, k, threads) for block in query_blocks(_tensor(queries_ND), k, probes)]
        cosine_NK, row_NK = (np.concatenate(parts) for parts in zip(*found, strict=True))
        position_NK = np.where(row_NK < 0, -1, self.table.position_M.cpu().numpy()[row_NK])
        if k > 1:
            cosine_NK, position_NK = self.repeats.expand(cosine_NK, position_NK)
        return self._xp.asarray(cosine_NK), self._xp.asarray(position_NK)

    def _block(self, queries: Queries, probes: int | None, k: int, threads: int | None) -> tuple[Any, Any]:
        some = self.centroids is not None and probes is not None and probes < len(self.centroids)
        cells_NP = cells_of(self.centroids, queries, probes, threads) if some and self.centroids and probes else None
        return best_rows(self.table, queries, k, cells_NP, threads)

    def _centroids(self, whole: Table, cells: int, seed: int, sample: int) -> Any:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(whole))[: sampled_rows(len(whole), cells, self.shape[1], sample)])
        sample_SD = whole.rows_MD[torch.from_numpy(chosen).to(whole.rows_MD.device)].to(torch.float32)
        sample_SD = sample_SD / torch.linalg.norm(sample_SD, dim=1, keepdim=True)
        return spherical_kmeans(self._xp.asarray(sample_SD.cpu().numpy()), cells, seed)


class Repeats:
    """Positions of rows that equal an earlier row. `first_M`: for each row, the first row that equals it."""

    def __init__(self, first_M: Any, distinct_U: Any) -> None:
        later = np.flatnonzero(first_M != np.arange(len(first_M)))
        self._later = later[np.argsort(first_M[later], kind="stable")]
        self._begin = np.searchsorted(first_M[self._later], np.arange(len(first_M) + 1))
        assert len(later) + len(distinct_U) == len(first_M)

    def expand(self, cosine_NK: Any, position_NK: Any, place_M: Any = None) -> tuple[Any, Any]:
        """The K best (N, K) with equal rows inserted. Ties are in order of position, or of `place_M[position]` where given."""
        count, k = cosine_NK.shape
        extra_NK = np.where(position_NK < 0, 0, np.diff(self._begin)[position_NK])
        if not extra_NK.any():
            return cosine_NK, position_NK
        query, column = np.nonzero(extra_NK)
        times = np.minimum(extra_NK[query, column], k - 1)
        offset = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        added = self._later[np.repeat(self._begin[position_NK[query, column]], times) + offset]
        all_query = np.concatenate([np.repeat(np.arange(count), k), np.repeat(query, times)])
        all_cosine = np.concatenate([cosine_NK.reshape(-1), np.repeat(cosine_NK[query, column], times)])
        all_position = np.concatenate([position_NK.reshape(-1), added])
        place = all_position if place_M is None else place_M[all_position]
        order = np.lexsort([place, -all_cosine, all_query])  # NaN sorts last
        rank = np.arange(len(order)) - np.searchsorted(all_query[order], all_query[order])
        kept = order[rank < k]
        return all_cosine[kept].reshape(count, k), all_position[kept].reshape(count, k)


def _check(x_ND: Any, what: str) -> None:
    if x_ND.ndim != 2 or 0 in x_ND.shape:
        raise UserError(f"{what} have shape {tuple(x_ND.shape)}; they must be (N, D) with N and D at least 1")


def _tensor(x_ND: Any) -> torch.Tensor:
    if on_device(x_ND):
        return torch.as_tensor(x_ND)
    return torch.from_numpy(np.require(x_ND, requirements=["C", "W"]))
