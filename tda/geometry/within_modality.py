"""Retrieval within a modality, where several rows are of one thing: captions of one image, or images of one caption (Prediction 1).

N rows, D dimensions, B queries of a tile, G groups of rows of one thing. Cosines are of float64 unit rows.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tda.errors import UserError
from tda.geometry.arrays.namespace import row_blocks, unit_rows
from tda.geometry.arrays.rows import to_host

TILE = 1024
LEAST_GROUPS = 12  # with fewer, no interval

Hits = npt.NDArray[np.float64]


def within_modality(x_ND: Any, group_N: Any) -> Hits:
    """For each row (N, D) whether the nearest other row is of its group, 1 or 0; NaN where it is the only one of its group.

    A tie counts against the model: the nearest of other groups has to be strictly farther. Raises UserError where rows and groups differ in
    number, and for a row that is zero or not finite.
    """
    x_ND, group_N = to_host(x_ND), np.asarray(group_N)
    if len(x_ND) != len(group_N):
        raise UserError(f"{len(x_ND)} rows and {len(group_N)} groups do not match; each row needs one")
    unit_ND = unit_rows(x_ND)
    _, of_N, size_G = np.unique(group_N, return_inverse=True, return_counts=True)
    hits_N = np.full(len(x_ND), np.nan)
    for rows in row_blocks(len(x_ND), TILE):
        cosine_BN = unit_ND[rows] @ unit_ND.T
        own_BN = of_N[rows, None] == of_N[None, :]
        others_B = np.where(own_BN, -np.inf, cosine_BN).max(axis=1)
        own_BN[np.arange(len(own_BN)), np.arange(rows.start, rows.stop)] = False  # not the row itself
        hits_N[rows] = np.where(own_BN, cosine_BN, -np.inf).max(axis=1) > others_B
    hits_N[size_G[of_N] < 2] = np.nan
    return hits_N


def paired_difference(one_N: Hits, other_N: Hits, group_N: Any) -> dict[str, Any] | None:
    """Mean of `one` less `other` over the same queries, with a 95 % interval by group; None with fewer than 12 groups that have queries.

    Rows of a group are alike: the interval is Student's over the sums of groups, for a ratio of sums.
    """
    from scipy.stats import t

    asked_N = np.isfinite(one_N) & np.isfinite(other_N)
    _, of_N = np.unique(np.asarray(group_N)[asked_N], return_inverse=True)
    size_G, sum_G = np.bincount(of_N), np.bincount(of_N, (one_N - other_N)[asked_N])
    if len(size_G) < LEAST_GROUPS:
        return None
    value = float(sum_G.sum() / size_G.sum())
    spread = float(((sum_G - value * size_G) ** 2).sum()) * len(size_G) / (len(size_G) - 1)
    half = float(t.ppf(0.975, len(size_G) - 1)) * np.sqrt(spread) / int(size_G.sum())
    rates = {name: float(hits_N[asked_N].mean()) for name, hits_N in (("one", one_N), ("other", other_N))}
    return {**rates, "value": value, "ci95": [value - half, value + half], "queries": int(asked_N.sum())}
