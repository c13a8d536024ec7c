"""Labels for rows that HDBSCAN was not fitted on, from its hierarchy, which does not change (as hdbscan's `approximate_predict`).

U distinct fitted rows (members), D dimensions, B rows, K neighbours, C clusters, H nodes of the hierarchy. Label -1 is noise.
"""

from functools import cached_property
from typing import Any

import numpy as np

from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.arrays.rows import check_rows, to_host
from tda.geometry.clusters.assign import NOISE
from tda.geometry.neighbors.kdtree import Neighbors

BLOCK = 16_384


class Predictor:
    """Gives a row the cluster that it would have joined (Campello et al. 2013; McInnes, Healy and Astels 2017).

    Of the members near a row, the one of the least mutual reachability counts: the largest of the distance and both core distances. The row
    is in its cluster if that reachability is below the distance at which the cluster splits off in the hierarchy; else it is noise, as
    beside a member that is noise. Its probability is the density at which it joins over the greatest of the cluster, at most 1.
    `members_UD`: distinct fitted rows; `labels_U`, `firm_U`: their labels and probabilities; `tree`: the condensed tree of the fit.
    """

    def __init__(self, members_UD: Any, labels_U: Any, firm_U: Any, tree: Any, min_samples: int) -> None:
        self.labels_U, self.firm_U, self.min_samples = np.asarray(to_host(labels_U)), np.asarray(to_host(firm_U)), min_samples
        self._members_UD, self._tree = members_UD, tree

    def predict(self, x_ND: Any) -> tuple[Any, Any]:
        """Labels (N,) int64 and probabilities (N,) in [0, 1] of rows (N, D), each from that row alone; a copy has its member's.

        Raises UserError for a row that is not finite.
        """
        found = [self._block(np.asarray(to_host(x_ND[block])), block.start) for block in row_blocks(len(x_ND), BLOCK)]
        labels, firm = zip(*found, strict=True) if found else ((np.empty(0, np.int64),), (np.empty(0),))
        return np.concatenate(labels), np.concatenate(firm)

    def renamed(self, new_C: Any) -> "Predictor":
        """The same with new numbers of the clusters; several may get one number, and -1 makes noise of one."""
        return _Renamed(self, np.asarray(new_C))

    @cached_property
    def split_C(self) -> Any:  # noqa: N802 (shape suffix)
        """Distance (C,) at which each cluster splits off, as `split_distances`."""
        return split_distances(self._tree, self.labels_U)

    @cached_property
    def _peak_C(self) -> Any:  # noqa: N802 (shape suffix)
        return _peaks(self._tree, self.labels_U, self.firm_U)

    @cached_property
    def _neighbors(self) -> Neighbors:
        return Neighbors(np.asarray(to_host(self._members_UD)))

    @cached_property
    def _core_U(self) -> Any:  # noqa: N802 (shape suffix)
        """Core distance (U,) of every member; the first of its neighbours is the member itself."""
        members_UD = self._neighbors.reference_ND
        blocks = row_blocks(len(members_UD), BLOCK)
        return np.concatenate([self._neighbors.query(members_UD[block], self.min_samples + 1)[0][:, -1] for block in blocks])

    def _block(self, x_BD: Any, first: int) -> tuple[Any, Any]:
        check_rows(x_BD, "rows to label", first)
        distance_BK, index_BK = self._neighbors.query(x_BD, 2 * self.min_samples)
        core_B1 = distance_BK[:, min(self.min_samples, distance_BK.shape[1]) - 1, None]
        reach_BK = np.maximum(np.maximum(distance_BK, self._core_U[index_BK]), core_B1)
        nearest_B1 = np.where(distance_BK[:, :1] == 0, 0, np.argmin(reach_BK, axis=1)[:, None])
        member_B, reach_B = (np.take_along_axis(x_BK, nearest_B1, axis=1)[:, 0] for x_BK in (index_BK, reach_BK))
        copy_B, label_B = distance_BK[:, 0] == 0, self.labels_U[member_B]
        joins_B = (label_B != NOISE) & (copy_B | (reach_B < self.split_C[label_B]))
        firm_B = np.minimum(1.0, 1.0 / (np.maximum(reach_B, 1e-300) * self._peak_C[label_B]))
        firm_B = np.where(copy_B, self.firm_U[member_B], firm_B)
        return np.where(joins_B, label_B, NOISE).astype(np.int64), np.where(joins_B, firm_B, 0.0)


class _Renamed(Predictor):
    def __init__(self, before: Predictor, new_C: Any) -> None:
        vars(self).update(vars(before))
        self._new_C = new_C

    def predict(self, x_ND: Any) -> tuple[Any, Any]:
        label_N, firm_N = super().predict(x_ND)
        new_N = np.where(label_N == NOISE, NOISE, self._new_C[label_N])
        return new_N, np.where(new_N == NOISE, 0.0, firm_N)


def split_distances(tree: Any, labels_U: Any) -> Any:
    """Distance (C,) at which each cluster splits off from the rest in a condensed tree; infinite where nothing is beside it.

    It is that of the highest node with members of this cluster alone.
    """
    count, clusters = len(labels_U), int(labels_U.max(initial=NOISE)) + 1
    low_H, high_H = _label_range(tree, labels_U)
    split_C, nodes = np.zeros(clusters), tree[tree["child"] >= count]
    for row in nodes:
        above, below = row["parent"] - count, row["child"] - count
        pure = low_H[below] == high_H[below] != NOISE
        if pure and low_H[above] != high_H[above]:
            split_C[low_H[below]] = max(split_C[low_H[below]], 1.0 / row["lambda_val"])
    return np.where(split_C == 0, np.inf, split_C)


def _label_range(tree: Any, labels_U: Any) -> tuple[Any, Any]:
    """Least and greatest label (H,) of the members under each node; node 0 is the root."""
    count = len(labels_U)
    nodes = tree[tree["child"] >= count]
    low_H, high_H = (np.full(int(tree["parent"].max()) - count + 1, start) for start in (np.iinfo(np.int64).max, -2))
    points = tree[tree["child"] < count]
    np.minimum.at(low_H, points["parent"] - count, labels_U[points["child"]])
    np.maximum.at(high_H, points["parent"] - count, labels_U[points["child"]])
    for row in nodes[np.argsort(-nodes["child"], kind="stable")]:  # a node has a greater number than that above it
        above, below = row["parent"] - count, row["child"] - count
        low_H[above], high_H[above] = min(low_H[above], low_H[below]), max(high_H[above], high_H[below])
    return low_H, high_H


def _peaks(tree: Any, labels_U: Any, firm_U: Any) -> Any:
    """Density (C,), one over a distance, from which the members of each cluster have probability 1."""
    points = tree[tree["child"] < len(labels_U)]
    density_U = np.empty(len(labels_U))
    density_U[points["child"]] = points["lambda_val"]
    peak_C = np.full(int(labels_U.max(initial=NOISE)) + 1, np.inf)
    whole_U = (firm_U >= 1.0) & (labels_U != NOISE)
    np.minimum.at(peak_C, labels_U[whole_U], density_U[whole_U])
    return peak_C
