"""Intrinsic dimension from neighbours' distances: Two-NN (Facco et al. 2017) and maximum likelihood (Levina and Bickel 2004).

N rows, D dimensions, U distinct rows, K neighbours. Distances are euclidean; no row is normalised here.

Duplicates are dropped first: a distance of 0 makes both estimators NaN. Both estimate dimension at the scale of the nearest neighbours,
which grows as the rows become fewer: compare estimates from equal numbers of rows.

The standard errors are sampling errors: how far other rows of the same distribution would move the estimate. Above some five dimensions
both estimators are too low by more than that, as no sample is dense enough there, and no error bar holds the true dimension.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import namespace, row_blocks, rows_at
from tda.geometry.arrays.rows import check_rows, distinct, sample_rows, to_host
from tda.geometry.neighbors.kdtree import Neighbors

QUERY_ROWS = 16_384
DRAWS = 100  # of the Bayesian bootstrap behind a sampling error


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """An estimate of intrinsic dimension; None where the rows do not define one, with the reason in `notes`."""

    value: float | None
    stderr: float | None  # sampling error: rows that are joined by first neighbours vary together
    rows: int  # distinct rows that were used
    duplicates: int  # rows that were dropped
    notes: list[str] = field(default_factory=list)

    def metrics(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return dict(vars(self))


def two_nn(x_ND: Any, *, discard: float = 0.1, sample: int = 20_000, seed: int = 0) -> Dimension:
    """Two-NN estimate of rows (N, D): slope, through the origin, of -log(1 - F(m)) against log m (Facco et al. 2017).

    m is the ratio of the distances to the second and the first neighbour. The share `discard` of the largest ratios, which curvature and
    uneven density bias most, is left out of the fit. Above `sample` distinct rows, `sample` of them are drawn by `seed`. Raises UserError
    for rows that are not finite or `discard` outside [0, 1).
    """
    if not 0 <= discard < 1:
        raise UserError(f"discard={discard} is out of range; it must be at least 0 and below 1")
    distance_UK, group_U, known = _distances(x_ND, 2, sample, seed)
    if distance_UK is None:
        return known
    order_U = np.argsort(np.log(distance_UK[:, 1] / distance_UK[:, 0]), kind="stable")
    log_U = np.log(distance_UK[:, 1] / distance_UK[:, 0])[order_U]
    kept = min(int(len(log_U) * (1 - discard)), len(log_U) - 1)  # the last has F = 1, where the logarithm is infinite
    share = np.arange(1, kept + 1) / len(log_U)
    squares = float(np.sum(log_U[:kept] ** 2))
    if squares == 0:
        return _undefined(known, "the two nearest neighbours of every row are equally far")
    value = float(np.sum(log_U[:kept] * -np.log1p(-share)) / squares)
    return _estimate(known, value, _slope_error(log_U, group_U[order_U], discard, seed))


def mle(x_ND: Any, k: int = 20, *, sample: int = 20_000, seed: int = 0) -> Dimension:
    """Maximum-likelihood estimate of rows (N, D) from `k` neighbours (Levina and Bickel 2004).

    The inverse of a row's dimension is the mean of log(T_k / T_j) over its k - 1 nearer neighbours j, T_j the distance to the j-th.
    Inverses are averaged over rows (MacKay and Ghahramani 2005). Above `sample` distinct rows, `sample` of them are drawn by `seed`.
    Raises UserError for rows that are not finite or k below 2.
    """
    if k < 2:
        raise UserError(f"k={k} is too small; it must be at least 2")
    distance_UK, group_U, known = _distances(x_ND, k, sample, seed)
    if distance_UK is None:
        return known
    inverse_U = np.mean(np.log(distance_UK[:, -1:] / distance_UK[:, :-1]), axis=1)
    inverse = float(np.mean(inverse_U))
    if inverse == 0:
        return _undefined(known, "all neighbours of every row are equally far")
    apart_G = np.bincount(group_U, inverse_U - inverse)
    return _estimate(known, 1 / inverse, float(np.sqrt(np.sum(apart_G**2))) / len(inverse_U) / inverse**2)


def _slope_error(log_U: Any, group_U: Any, discard: float, seed: int) -> float:
    """Standard deviation of the slope of Two-NN over draws of exponential weights of the groups (Rubin 1981). `log_U` ascends."""
    rng, slopes = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        weight_U = rng.exponential(size=group_U.max() + 1)[group_U]
        share_U = np.cumsum(weight_U) / weight_U.sum()
        kept_U = share_U < 1 - max(discard, 0.5 / len(log_U))
        squares = float(np.sum((weight_U * log_U**2)[kept_U]))
        if squares > 0:
            slopes.append(float(np.sum((weight_U * log_U)[kept_U] * -np.log1p(-share_U[kept_U]))) / squares)
    return float(np.std(slopes)) if slopes else 0.0


def by_cluster(x_ND: Any, label_N: Any, estimator: Callable[..., Dimension] = two_nn, **options: Any) -> list[Dimension]:
    """Estimates for clusters 0 .. max(label) of rows (N, D) by label (N,); rows with a label below 0 belong to no cluster."""
    label_N = to_host(label_N)
    clusters = int(label_N.max(initial=-1)) + 1
    return [estimator(rows_at(x_ND, np.flatnonzero(label_N == cluster)), **options) for cluster in range(clusters)]


def _distances(x_ND: Any, k: int, sample: int, seed: int) -> tuple[Any, Any, Dimension]:
    """Distances (U, K) to the `k` nearest distinct rows, NumPy's, and groups (U,); None twice where there are too few rows."""
    if x_ND.ndim == 2 and x_ND.shape[0] == 0:
        return None, None, Dimension(value=None, stderr=None, rows=0, duplicates=0, notes=["no rows"])
    check_rows(x_ND)
    first_U, _ = distinct(x_ND)
    chosen_U = first_U[sample_rows(len(first_U), sample, seed)]
    known = Dimension(value=None, stderr=None, rows=len(chosen_U), duplicates=x_ND.shape[0] - len(first_U))
    if len(chosen_U) <= k:
        return None, None, _undefined(known, f"{len(chosen_U)} distinct row(s) have no {k} neighbours")
    xp = namespace(x_ND)
    rows_UD = xp.astype(rows_at(x_ND, chosen_U), xp.float64)
    index = Neighbors(rows_UD)
    found = [index.query(rows_UD[block, :], k + 1) for block in row_blocks(len(chosen_U), QUERY_ROWS)]
    distance_UK, nearest_U = (np.concatenate([to_host(one[of]) for one in found]) for of in (0, 1))
    return distance_UK[:, 1:], _joined(nearest_U[:, 1]), known


def _joined(nearest_U: Any) -> Any:
    """Group (U,) of each row: rows are in one group where the first neighbour of one is the other, or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(nearest_U)
    graph = coo_array((np.ones(count, dtype=np.int8), (np.arange(count), nearest_U)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def _undefined(known: Dimension, reason: str) -> Dimension:
    return Dimension(value=None, stderr=None, rows=known.rows, duplicates=known.duplicates, notes=[f"{reason}: no dimension"])


def _estimate(known: Dimension, value: float, stderr: float) -> Dimension:
    return Dimension(value=value, stderr=float(stderr), rows=known.rows, duplicates=known.duplicates)
