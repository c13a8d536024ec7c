"""How modalities mix among nearest neighbours, and the trustworthiness of a layout.

The part `mixing` of metrics.json holds the share of neighbours of the SAME modality; `umap.mixing` that of the OTHER one on the layout.

N rows, D dimensions, K neighbours, C coordinates of a layout, B rows of a tile. Shares are in [0, 1].
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import namespace, row_blocks, rows_at
from tda.geometry.arrays.rows import to_host
from tda.geometry.neighbors.graph import TILE_BYTES, unit32

AT_ONCE = 400_000  # rows above which unit rows of all of them are not held at once
RANKED = 512  # queries of a tile then
TIE = np.float32(5e-7)  # cosines this near are equal: they are rounded otherwise by themselves than in a product


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """Share of a row's `k` neighbours that have its modality: mean over all rows, by modality, and by chance."""

    k: int
    same: float
    other: float
    by_modality: dict[str, float]
    chance: float


def modality_mixing(index_NK: Any, modality_N: Any, k: int = 15) -> Mixing:
    """Return the mixing among the first `k` neighbours.

    `index_NK`: positions of neighbours, nearest first (of `knn_graph` in the data, of `layout_neighbors` on a layout). `modality_N`:
    one label per row. `chance` is the share of a row's modality among all other rows. Raises UserError where `k` is not within 1 .. K or
    rows and labels differ in number.
    """
    index_NK, modality_N = to_host(index_NK), to_host(modality_N)
    if len(index_NK) != len(modality_N) or not 1 <= k <= index_NK.shape[1]:
        raise UserError(f"neighbours {index_NK.shape} of {len(modality_N)} labelled rows hold no {k} neighbours of each")
    same_N = (modality_N[index_NK[:, :k]] == modality_N[:, None]).mean(axis=1)
    label_C, of_N, size_C = np.unique(modality_N, return_inverse=True, return_counts=True)
    share_C = np.bincount(of_N, same_N) / size_C
    chance = float((size_C * (size_C - 1)).sum() / (len(modality_N) * (len(modality_N) - 1)))
    by_modality = {str(label): float(share) for label, share in zip(label_C, share_C, strict=True)}
    return Mixing(k=k, same=float(same_N.mean()), other=float(1.0 - same_N.mean()), by_modality=by_modality, chance=chance)


def layout_neighbors(layout_NC: Any, k: int = 15) -> Any:
    """Return positions (N, k) of each row's `k` nearest others on a layout, nearest first.

    `layout_NC`: coordinates; distances are euclidean, which on unit vectors is the order by angle. Exact, by a k-d tree. Raises UserError
    for a row that is not finite or `k` outside 1 .. N - 1.
    """
    from scipy.spatial import KDTree

    layout_NC = to_host(layout_NC).astype(np.float64)
    if not np.isfinite(layout_NC).all():
        raise UserError(f"row {int(np.argmin(np.isfinite(layout_NC).all(axis=1)))} of the layout is not finite")
    if not 1 <= k < len(layout_NC):
        raise UserError(f"{len(layout_NC)} rows have no {k} neighbours each; ask for 1 to {len(layout_NC) - 1}")
    index_NK = KDTree(layout_NC).query(layout_NC, k + 1)[1]
    own_NK = index_NK == np.arange(len(layout_NC))[:, None]
    own_NK[:, -1] |= ~own_NK.any(axis=1)  # among many equal rows the row itself may be missing: drop the last
    return index_NK[~own_NK].reshape(-1, k).astype(np.int32)


def _ranks(query_BD: Any, unit_ND: Any, own_B: Any, index_BK: Any) -> Any:
    """Rank (B, K) by cosine, 1 the nearest, of the rows `index_BK` among all rows other than the query."""
    xp = namespace(unit_ND)
    sims_BN = query_BD @ unit_ND.T
    to_own_B1, to_BK = (xp.take_along_axis(sims_BN, place, axis=1) for place in (own_B[:, None], index_BK))
    above_BK = [xp.count_nonzero(sims_BN > to_BK[:, k : k + 1], axis=1) for k in range(index_BK.shape[1])]
    return 1 + xp.stack(above_BK, axis=1) - xp.astype(to_own_B1 > to_BK, xp.int64)


def _ranks_by_blocks(query_BD: Any, base_ND: Any, index_BK: Any, own_B: Any = None) -> Any:
    """As `_ranks`, of rows as they are stored: unit rows of a block of the base are in memory at a time. `own_B`: a query's own place."""
    ranks = [np.empty((0, index_BK.shape[1]), np.int64)]
    for part in row_blocks(len(query_BD), RANKED):
        query_PD, index_PK = unit32(query_BD[part]), index_BK[part]
        at_PK = np.einsum("pd,pkd->pk", query_PD, unit32(base_ND[index_PK.ravel()]).reshape(*index_PK.shape, -1)) + TIE
        rank_PK = np.ones(index_PK.shape, np.int64)
        for rows in row_blocks(len(base_ND), TILE_BYTES // (4 * RANKED)):
            sims_PT = query_PD @ unit32(base_ND[rows]).T
            if own_B is not None:
                inside = np.flatnonzero((own_B[part] >= rows.start) & (own_B[part] < rows.stop))
                sims_PT[inside, own_B[part][inside] - rows.start] = -np.inf
            for place, at_P in enumerate(at_PK.T):
                rank_PK[:, place] += (sims_PT > at_P[:, None]).sum(axis=1)
        ranks.append(rank_PK)
    return np.concatenate(ranks)


def trustworthiness(x_ND: Any, layout_NC: Any, k: int = 15, *, max_rows: int | None = None, seed: int = 0) -> float:
    """Return the trustworthiness of a layout, in [0, 1]: 1 where the `k` nearest on it are the `k` nearest by cosine.

    Venna and Kaski 2001: T = 1 - 2 / (N k (2N - 3k - 1)) * sum of (rank - k) over layout neighbours that are not neighbours in the data.
    `x_ND`: the data; `layout_NC`: its layout. Works on tiles of bounded memory. `max_rows`: average over this many rows, drawn by `seed`,
    each still ranked among all. Raises UserError unless 1 <= k < N / 2, and for rows that are zero or not finite.
    """
    count = x_ND.shape[0]
    if layout_NC.shape[0] != count or not 1 <= k < count / 2:
        raise UserError(
            f"trustworthiness of {count} rows laid out as {layout_NC.shape[0]} at k={k}: rows must agree and k be below half of them"
        )
    xp = namespace(x_ND)
    chosen_B = np.arange(count)
    if max_rows is not None and max_rows < count:
        chosen_B = np.sort(np.random.default_rng(seed).choice(count, max_rows, replace=False))
    if count > AT_ONCE and isinstance(x_ND, np.ndarray):
        index_BK = layout_neighbors(layout_NC, k)[chosen_B]
        excess = float(np.clip(_ranks_by_blocks(x_ND[chosen_B], x_ND, index_BK, chosen_B) - k, 0, None).sum())
        return float(1.0 - 2.0 * excess / (len(chosen_B) * k * (2 * count - 3 * k - 1)))
    unit_ND = unit32(x_ND)
    index_BK, excess = layout_neighbors(layout_NC, k)[chosen_B].astype(np.int64), 0.0
    for rows in row_blocks(len(chosen_B), max(1, TILE_BYTES // (4 * count))):
        own_B, places_BK = xp.asarray(chosen_B[rows]), xp.asarray(index_BK[rows])
        rank_BK = _ranks(rows_at(unit_ND, own_B), unit_ND, own_B, places_BK)
        excess += float(xp.sum(xp.clip(rank_BK - k, 0, None)))
    return float(1.0 - 2.0 * excess / (len(chosen_B) * k * (2 * count - 3 * k - 1)))


def trustworthiness_among(new_MD: Any, placed_MC: Any, base_ND: Any, layout_NC: Any, k: int = 15) -> float:
    """As `trustworthiness`, of further rows (M, D) placed at (M, C) among laid-out rows: both kinds of neighbours are among these.

    Raises UserError unless rows and places agree in number and 1 <= k < N / 2, and for rows that are zero or not finite.
    """
    from scipy.spatial import KDTree

    count = base_ND.shape[0]
    if len(new_MD) != len(placed_MC) or len(layout_NC) != count or not 1 <= k < count / 2:
        raise UserError(f"{len(new_MD)} rows placed at {len(placed_MC)} among {count} laid out at {len(layout_NC)}, k={k}: they do not fit")
    index_MK = KDTree(np.asarray(layout_NC, np.float64)).query(np.asarray(placed_MC, np.float64), [*range(1, k + 1)])[1]
    if count > AT_ONCE:
        excess = float(np.clip(_ranks_by_blocks(to_host(new_MD), to_host(base_ND), index_MK) - k, 0, None).sum())
        return float(1.0 - 2.0 * excess / (len(new_MD) * k * (2 * count - 3 * k - 1)))
    query_MD, unit_ND, excess = unit32(to_host(new_MD)), unit32(to_host(base_ND)), 0.0
    for rows in row_blocks(len(query_MD), max(1, TILE_BYTES // (4 * count))):
        sims_BN = query_MD[rows] @ unit_ND.T
        for column_B in index_MK[rows].T:
            rank_B = 1 + (sims_BN > np.take_along_axis(sims_BN, column_B[:, None], axis=1)).sum(axis=1)
            excess += float(np.clip(rank_B - k, 0, None).sum())
    return float(1.0 - 2.0 * excess / (len(new_MD) * k * (2 * count - 3 * k - 1)))
