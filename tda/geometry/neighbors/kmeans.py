"""Cells of a reference: spherical k-means (faiss | cuVS behind one function), the nearest cells of rows, large cells split.

S rows of a sample, M rows, N queries, D dimensions, C cells, P probed cells.
"""

from typing import Any

import numpy as np
import torch

from tda.geometry.arrays.namespace import rows_at
from tda.geometry.arrays.rows import sample_rows
from tda.geometry.neighbors.search import nearest_rows, query_blocks
from tda.geometry.neighbors.sizes import ITERATIONS
from tda.geometry.neighbors.table import Queries, Table

RANKED, RANKED_CELLS = 1024, 8192  # rows and centroids of one product of `cell_ranks`: 64 MB of scores
TIE = 1e-14  # scores this near are equal: a product rounds otherwise than a sum


def spherical_kmeans(sample_SD: Any, cells: int, seed: int = 0, iterations: int = ITERATIONS) -> Any:
    """Unit centroids (C, D) of unit rows (S, D): a float32 NumPy array; at most min(`cells`, S). Computed on the GPU for CuPy rows.

    cuVS has no spherical variant: on a GPU, centroids are found by euclidean distance and normalised at the end.
    """
    cells = min(cells, sample_SD.shape[0])
    centroids_CD = _on_gpu(sample_SD, cells, seed, iterations) if hasattr(sample_SD, "get") else _on_cpu(sample_SD, cells, seed, iterations)
    norm_C = np.linalg.norm(centroids_CD.astype(np.float64), axis=1)
    return (centroids_CD[norm_C > 0] / norm_C[norm_C > 0, None]).astype(np.float32)


def _on_cpu(sample_SD: Any, cells: int, seed: int, iterations: int) -> Any:
    import faiss

    kmeans = faiss.Kmeans(
        sample_SD.shape[1],
        cells,
        niter=iterations,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=max(1, -(-sample_SD.shape[0] // cells)),
    )
    kmeans.train(np.ascontiguousarray(sample_SD, dtype=np.float32))
    return kmeans.centroids


def _on_gpu(sample_SD: Any, cells: int, seed: int, iterations: int) -> Any:
    import cupy
    from cuvs.cluster import kmeans

    rows_SD = cupy.asarray(sample_SD, dtype=cupy.float32)
    first_CD = cupy.ascontiguousarray(rows_at(rows_SD, sample_rows(len(rows_SD), cells, seed)))  # cuVS itself takes no seed
    parameters = kmeans.KMeansParams(n_clusters=cells, init_method="Array", max_iter=iterations)
    centroids_CD, _, _ = kmeans.fit(parameters, rows_SD, centroids=first_CD)
    return cupy.asarray(centroids_CD).get()


def centroid_table(centroids_CD: Any, device: Any = "cpu") -> Table:
    """Centroids (C, D) as a table to search, in one cell."""
    return Table(torch.from_numpy(centroids_CD).to(device), torch.arange(len(centroids_CD)).to(device), np.array([0, len(centroids_CD)]))


def nearest_cells(centroids: Table, x_ND: torch.Tensor, probes: int = 1, threads: int | None = None) -> Any:
    """The `probes` cells nearest to each row of (N, D), in ascending order of number: (N, P) int64, NumPy. Ties go to the lower number.

    Raises UserError naming a row that is zero or not finite.
    """
    cells = [cells_of(centroids, rows, probes, threads) for rows in query_blocks(x_ND, probes, None)]
    return np.concatenate([np.zeros((0, min(probes, len(centroids))), np.int64), *cells])


def cells_of(centroids: Table, rows: Queries, probes: int, threads: int | None = None) -> Any:
    """`nearest_cells` for one block of rows."""
    return nearest_rows(centroids, rows, min(probes, len(centroids)), threads)


def cell_ranks(centroids: Table, x_QD: torch.Tensor, cell_Q: Any) -> Any:
    """The rank (Q,), 1 the nearest, of cell `cell_Q` (Q,) among the cells by nearness to each row of (Q, D): int64, NumPy.

    A search of P cells reaches it where the rank is at most P. Ties go to the lower number. Raises UserError for a row that is zero or not
    finite.
    """
    cell_Q, ranks = torch.from_numpy(np.asarray(cell_Q)).to(x_QD.device), list[Any]()
    for begin in range(0, len(x_QD), RANKED):
        unit_BD = _unit64(x_QD[begin : begin + RANKED], Queries(x_QD[begin : begin + RANKED], begin).norm_N)
        own_B = cell_Q[begin : begin + RANKED]
        score_B1 = (unit_BD * _unit64(centroids.rows_MD[own_B], centroids.norm_M[own_B])).sum(dim=1, keepdim=True)
        before_B = torch.ones(len(own_B), dtype=torch.int64, device=x_QD.device)
        for first in range(0, len(centroids), RANKED_CELLS):
            part = slice(first, first + RANKED_CELLS)
            score_BC = unit_BD @ _unit64(centroids.rows_MD[part], centroids.norm_M[part]).T
            number_C = torch.arange(first, first + score_BC.shape[1], device=x_QD.device)
            near_BC = score_BC > score_B1 + TIE
            tied_BC = (abs(score_BC - score_B1) <= TIE) & (number_C < own_B[:, None])
            before_B += (near_BC | tied_BC).sum(dim=1)
        ranks.append(before_B.cpu().numpy())
    return np.concatenate([np.zeros(0, np.int64), *ranks])


def _unit64(x_ND: torch.Tensor, norm_N: torch.Tensor) -> torch.Tensor:
    return x_ND.to(torch.float64) / norm_N[:, None]


def arrange(x_MD: Any, label_M: Any, centroids_CD: Any, bound: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """Split rows (M, D) with labels (M,), NumPy, into cells of at most `bound` rows.

    Returns an order (M,) that puts the rows of a cell together, ascending within it; the bounds (C + 1,) of the cells in that order; and
    their centroids (C, D), each the unit mean of its members: the last half of a step of Lloyd's, over all rows and not the sample that
    the centroids were fitted on. Empty cells are left out; a cell with more than `bound` rows becomes several.
    """
    order, sizes, centroids = [np.zeros(0, np.int64)], [0], [centroids_CD[:0]]
    by_label_M = np.argsort(label_M, kind="stable")
    for rows in np.split(by_label_M, np.flatnonzero(np.diff(label_M[by_label_M])) + 1):
        for part in ([rows] if len(rows) else []) if len(rows) <= bound else _cut(x_MD, rows, bound, seed):
            order.append(part)
            sizes.append(len(part))
            centroids.append(_mean(x_MD[part])[None, :])
    return np.concatenate(order), np.cumsum(sizes), np.concatenate(centroids)


def _cut(x_MD: Any, rows: Any, bound: int, seed: int) -> list[Any]:
    """Split a large cell by k-means; parts that are still too large (nearly equal rows) are cut in order of position."""
    unit_BD = _unit(x_MD[rows])
    centroids_CD = spherical_kmeans(unit_BD, 2 * -(-len(rows) // bound), seed)
    label_B = nearest_cells(centroid_table(centroids_CD), torch.from_numpy(unit_BD))[:, 0]
    whole = (rows[label_B == label] for label in np.unique(label_B))
    return [part for members in whole for part in np.array_split(members, -(-len(members) // bound))]


def _unit(x_BD: Any) -> Any:
    x_BD = x_BD.astype(np.float32)
    return x_BD / np.linalg.norm(x_BD, axis=1, keepdims=True)


def _mean(x_BD: Any) -> Any:
    """The unit mean (D,) of rows, or the first row if the mean is 0."""
    mean_D = _unit(x_BD).mean(axis=0, dtype=np.float64)
    norm = float(np.linalg.norm(mean_D))
    return (mean_D / norm).astype(np.float32) if norm > 1e-6 else _unit(x_BD)[0]
