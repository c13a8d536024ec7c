"""Labels for rows that a clustering was not fitted on, from the fitted rows (members) near them.

N rows, D dimensions, U distinct rows fitted on, B rows of a block, K neighbours, C clusters. Label -1 is noise.
"""

from functools import cached_property
from typing import Any

from tda.geometry.arrays.namespace import namespace, row_blocks
from tda.geometry.arrays.rows import check_rows, on_device, to_host
from tda.geometry.neighbors.kdtree import Neighbors

NOISE = -1
_TINY = 1e-150  # smallest reach in a vote, so that the vote of members at distance 0 stays finite


class Assigner:
    """Labels rows by a vote of their `min_samples` nearest members, without extending any cluster.

    The distance of a row and a member is HDBSCAN's mutual reachability (Campello et al. 2013): the largest of their distance and both
    core distances (to the `min_samples`-th neighbour). Members vote with its inverse, noise included. A row becomes noise if it is
    farther from the winning cluster than any member of that cluster is from its nearest fellow member: outliers join no cluster.
    `members_UD`: distinct fitted rows; `labels_U`: their labels, -1 for noise.
    """

    def __init__(self, members_UD: Any, labels_U: Any, min_samples: int) -> None:
        self.members_UD, self.labels_U, self.min_samples = members_UD, labels_U, min_samples

    @property
    def _xp(self) -> Any:
        return namespace(self.members_UD)

    def __getstate__(self) -> dict[str, Any]:
        """Between processes it is on the host, where it then works: the next one may have no GPU."""
        moves = on_device(self.members_UD)
        return vars(Assigner(to_host(self.members_UD), to_host(self.labels_U), self.min_samples) if moves else self)

    def assign(self, x_ND: Any, block_rows: int = 16_384) -> Any:
        """Labels (N,) int64 of rows (N, D) of the same space, in blocks of `block_rows`. Raises UserError for a row that is not finite."""
        return self.members(x_ND, block_rows)[0]

    def members(self, x_ND: Any, block_rows: int = 16_384) -> tuple[Any, Any]:
        """Labels as in `assign`, and each label's share (N,) of the votes, in [0, 1]: 1 for a copy of a member, 0 for noise."""
        blocks = row_blocks(x_ND.shape[0], block_rows)
        found = [self._block(self._taken(x_ND[block, :]), block.start) for block in blocks]
        label_N, share_N = (self._xp.concat(parts) for parts in zip(*found, strict=True))
        return label_N, share_N

    def _taken(self, x_BD: Any) -> Any:
        return self._xp.asarray(x_BD if on_device(self.members_UD) else to_host(x_BD))

    def _block(self, x_BD: Any, first: int) -> tuple[Any, Any]:
        xp = self._xp
        check_rows(x_BD, "rows to assign", first)
        distance_BK, index_BK = self._neighbors.query(x_BD, self.min_samples)
        label_BK = self.labels_U[index_BK]
        reach_BK = self._reach(distance_BK, index_BK, distance_BK[:, -1])
        same_BKK = xp.astype(label_BK[:, :, None] == label_BK[:, None, :], xp.float64)
        vote_BK = 1.0 / xp.clip(reach_BK, min=_TINY)
        votes_BK = xp.sum(same_BKK * vote_BK[:, None, :], axis=2)
        label_B = xp.take_along_axis(label_BK, xp.argmax(votes_BK, axis=1)[:, None], axis=1)[:, 0]
        least_B = xp.min(xp.where(label_BK == label_B[:, None], reach_BK, xp.inf), axis=1)
        label_B = xp.where(least_B <= self._radius_C[xp.clip(label_B, min=0)], label_B, NOISE)
        copy_B = distance_BK[:, 0] == 0
        label_B = xp.where(copy_B, label_BK[:, 0], label_B)
        share_B = xp.where(copy_B, 1.0, xp.max(votes_BK, axis=1) / xp.sum(vote_BK, axis=1))
        return label_B, xp.where(label_B == NOISE, 0.0, share_B)

    def _reach(self, distance_BK: Any, index_BK: Any, core_B: Any) -> Any:
        return self._xp.maximum(self._xp.maximum(distance_BK, self._core_U[index_BK]), core_B[:, None])

    @cached_property
    def _neighbors(self) -> Neighbors:
        return Neighbors(self.members_UD)

    @cached_property
    def _core_U(self) -> Any:  # noqa: N802 (shape suffix)
        return self._radii[0]

    @cached_property
    def _radius_C(self) -> Any:  # noqa: N802 (shape suffix)
        return self._radii[1]

    @cached_property
    def _radii(self) -> tuple[Any, Any]:
        """Core distance (U,) of every member, and per cluster (C,) the largest reachability of a member to its nearest fellow."""
        xp, found = self._xp, [self._query_members(block) for block in row_blocks(self.members_UD.shape[0], 16_384)]
        distance_UK, index_UK = (xp.concat(parts) for parts in zip(*found, strict=True))
        core_U = distance_UK[:, -1]
        reach_UK = xp.maximum(xp.maximum(distance_UK, core_U[index_UK]), core_U[:, None])
        own_UK = self.labels_U[index_UK] == self.labels_U[:, None]
        least_U = xp.min(xp.where(own_UK, reach_UK, xp.inf), axis=1)
        least_U = xp.where(xp.isfinite(least_U), least_U, 0.0)
        clusters = int(xp.max(self.labels_U)) + 1
        return core_U, xp.stack([xp.max(least_U[self.labels_U == cluster]) for cluster in range(clusters)])

    def _query_members(self, block: slice) -> tuple[Any, Any]:
        distance_BK, index_BK = self._neighbors.query(self.members_UD[block, :], self.min_samples + 1)
        return distance_BK[:, 1:], index_BK[:, 1:]  # the first is the row itself: members are distinct
