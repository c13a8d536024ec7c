"""Spectra of many clusters at about the cost of one (Figs 13 and 14): moments per cluster in one pass, eigenvalues in batches.

N rows, D dimensions, G groups (the clusters of a modality), B rows of a block, P rows of a panel, R the rank of a group.

A block is sorted by cluster, and the rows of each cluster are multiplied together, in float64 and centred on the cluster's mean. The
result is (n, mean, scatter) per group: it merges over blocks, shards and machines, and its size does not depend on N.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import BLOCK_ROWS, namespace, row_blocks, rows_at
from tda.geometry.arrays.rows import to_host
from tda.geometry.spectrum.moments import COLLAPSE_THRESHOLD, Moments, Spectrum, average_floor, roundoff_of, spectrum_from

ROWS_PER_GROUP = 512  # rows of a block per group: with fewer, adding to the (D, D) scatter costs more than the product
MIN_BLOCK_ROWS = 65_536
BATCH_BYTES = 2**26  # of covariances decomposed at a time


@dataclass
class GroupMoments:
    """Count (G,), mean (G, D) and centred scatter (G, D, D) of G groups of rows. `add` works in place; `merge` returns a new object.

    Only the upper triangles of the scatters are valid, which saves a third of the time; `moments` fills in the lower ones.
    """

    n_G: Any  # a NumPy array, int64
    mean_GD: Any
    upper_GDD: Any

    @classmethod
    def empty(cls, groups: int, dim: int, like: Any = None) -> "GroupMoments":
        """Moments of no rows, in arrays of the library of `like` (default NumPy). Needs 8 G D² bytes: 420 MB for 200 groups at D = 512."""
        xp = namespace(like if like is not None else np.empty(0))
        return cls(np.zeros(groups, dtype=np.int64), xp.zeros((groups, dim)), xp.zeros((groups, dim, dim)))

    @classmethod
    def of(cls, x_ND: Any, label_N: Any, groups: int, block_rows: int | None = None) -> "GroupMoments":
        """Moments of rows (N, D), an array or a memory map, by label (N,) in 0 .. groups - 1; rows with a label below 0 are left out.

        Raises UserError as `add` does.
        """
        found = cls.empty(groups, x_ND.shape[1], like=x_ND)
        for block in row_blocks(x_ND.shape[0], block_rows or max(MIN_BLOCK_ROWS, ROWS_PER_GROUP * groups)):
            found.add(x_ND[block, :], label_N[block])
        return found

    def add(self, x_BD: Any, label_B: Any) -> None:
        """Add a block of rows (B, D) with labels (B,).

        Raises UserError where the shapes do not match, a label is out of range, or a labelled row is not finite.
        """
        label_B, groups = to_host(label_B), len(self.n_G)
        if x_BD.ndim != 2 or label_B.shape != (x_BD.shape[0],) or x_BD.shape[1] != self.mean_GD.shape[1]:
            raise UserError(f"rows {tuple(x_BD.shape)} and labels {label_B.shape} do not match dimension {self.mean_GD.shape[1]}")
        if label_B.size and label_B.max() >= groups:
            raise UserError(f"label {label_B.max()} is out of range; there are {groups} groups")
        order_B = np.argsort(label_B, kind="stable")
        bounds_G = np.searchsorted(label_B[order_B], np.arange(groups + 1))
        xp = namespace(self.mean_GD)
        for group in np.flatnonzero(np.diff(bounds_G)):
            for panel in row_blocks(bounds_G[group + 1], BLOCK_ROWS, bounds_G[group]):
                self._add_panel(int(group), xp.astype(xp.asarray(rows_at(x_BD, order_B[panel])), xp.float64))

    def _add_panel(self, group: int, rows_PD: Any) -> None:
        """Add rows of one group, centred, with one more row for the distance of the means (Chan, Golub and LeVeque 1983)."""
        xp, n, count = namespace(rows_PD), int(self.n_G[group]), rows_PD.shape[0]
        mean_D = xp.mean(rows_PD, axis=0)
        apart_D = mean_D - self.mean_GD[group, :]
        if not bool(xp.isfinite(xp.sum(mean_D))):
            raise UserError(f"group {group} holds a row that is not finite; remove it first")
        panel_PD = xp.concat([rows_PD - mean_D, math.sqrt(n * count / (n + count)) * apart_D[None, :]])
        if isinstance(self.upper_GDD, np.ndarray):
            _add_square(self.upper_GDD[group, :, :], panel_PD)
        else:
            self.upper_GDD[group, :, :] += panel_PD.T @ panel_PD
        self.mean_GD[group, :] += (count / (n + count)) * apart_D
        self.n_G[group] = n + count

    def merge(self, other: "GroupMoments") -> "GroupMoments":
        """Moments of both sets of rows, group by group: commutative to the last bit, associative up to rounding."""
        xp = namespace(self.mean_GD)
        n_G = self.n_G + other.n_G
        own_G, others_G, total_G = (xp.asarray(part, dtype=xp.float64) for part in (self.n_G, other.n_G, np.maximum(n_G, 1)))
        apart_GD = self.mean_GD - other.mean_GD
        mean_GD = (own_G[:, None] * self.mean_GD + others_G[:, None] * other.mean_GD) / total_G[:, None]
        spread_GDD = (own_G * others_G / total_G)[:, None, None] * (apart_GD[:, :, None] * apart_GD[:, None, :])
        return GroupMoments(n_G, mean_GD, (self.upper_GDD + other.upper_GDD) + spread_GDD)

    def __getitem__(self, groups: slice) -> "GroupMoments":
        return GroupMoments(self.n_G[groups], self.mean_GD[groups, :], self.upper_GDD[groups, :, :])

    def moments(self, group: int) -> Moments:
        """The moments of one group. Raises UserError where it has no rows."""
        if self.n_G[group] == 0:
            raise UserError(f"group {group} has no rows")
        return Moments(int(self.n_G[group]), self.mean_GD[group, :], _whole(self.upper_GDD[group, :, :]))

    def spectra(self, threshold: float = COLLAPSE_THRESHOLD, stored: str = "float64") -> list[Spectrum | None]:
        """Spectrum of each group, None under two rows; `stored` names the type that the rows were stored in.

        As `Moments.spectrum`, but with the storage noise of the average direction (`average_floor`): the noise along each direction needs
        eigenvectors, which cost three times as much as eigenvalues. Raises UserError for an unknown type.
        """
        roundoff_of(stored)
        found: list[Spectrum | None] = []
        for batch in self.batches():
            values_GD = batch.eigenvalues()
            for group, (n, square) in enumerate(zip(batch.n_G, batch.mean_squares(), strict=True)):
                values_D = values_GD[group, :]
                floor = average_floor(float(values_D[0]), square, int(n), values_D.shape[0], stored)
                found.append(spectrum_from(values_D, floor, threshold) if n > 1 else None)
        return found

    def batches(self) -> Iterator["GroupMoments"]:
        """The groups in batches that are decomposed together."""
        return (self[batch] for batch in row_blocks(len(self.n_G), max(1, BATCH_BYTES // (8 * self.mean_GD.shape[1] ** 2))))

    def mean_squares(self) -> list[float]:
        """Mean over the dimensions of E[x²], for each of the G groups."""
        xp = namespace(self.mean_GD)
        total_G = xp.asarray(np.maximum(self.n_G, 1), dtype=xp.float64)
        square_GD = xp.linalg.diagonal(self.upper_GDD) / total_G[:, None] + self.mean_GD**2
        return [float(value) for value in to_host(xp.mean(square_GD, axis=1))]

    def eigenvalues(self) -> Any:
        """Eigenvalues (G, D) of the covariances, descending, clipped at 0."""
        xp = namespace(self.mean_GD)
        scale_G = xp.asarray(np.maximum(self.n_G - 1, 1), dtype=xp.float64)
        host = isinstance(self.upper_GDD, np.ndarray)
        values_GD = _values_on_host(self.n_G, self.upper_GDD) if host else xp.flip(xp.linalg.eigvalsh(_whole(self.upper_GDD)), axis=1)
        return xp.clip(values_GD / scale_G[:, None], min=0.0)


def _whole(upper_XDD: Any) -> Any:
    """Symmetric matrices (..., D, D) of which the upper triangles are valid."""
    xp = namespace(upper_XDD)
    return xp.triu(upper_XDD) + xp.matrix_transpose(xp.triu(upper_XDD, k=1))


def _values_on_host(n_G: Any, upper_GDD: Any) -> Any:
    """Eigenvalues (G, D), descending, of scatters of n rows each."""
    low_G, values_GD = n_G <= upper_GDD.shape[1] // 2, np.zeros(upper_GDD.shape[:2])
    for group in np.flatnonzero(low_G):
        values_GD[group] = _low_rank_values(upper_GDD[group])
    values_GD[~low_G] = np.linalg.eigvalsh(upper_GDD[~low_G], UPLO="U")[:, ::-1]
    return values_GD


def _add_square(upper_DD: Any, panel_PD: Any) -> None:
    """Add the Gram matrix of the panel to the upper triangle, in place, in one BLAS call."""
    from scipy.linalg.blas import dsyrk

    added_DD = dsyrk(1.0, panel_PD.T, beta=1.0, c=upper_DD.T, lower=1, overwrite_c=1)  # in Fortran order its lower triangle is our upper
    assert np.may_share_memory(added_DD, upper_DD), "dsyrk copied its result"


def _low_rank_values(upper_DD: Any) -> Any:
    """Eigenvalues (D,) of the scatter of few rows, descending, by a pivoted Cholesky, which ends after rank R: n rows have R < n.

    Backward stable (Higham 2002, chapter 10): as exact as the eigensolver on the full matrix, in D R² operations instead of D³.
    """
    from scipy.linalg.lapack import dpstrf

    factor_DD, _, rank, _ = dpstrf(upper_DD, lower=0)
    factor_DR = np.triu(factor_DD)[:rank].T
    values_D = np.zeros(len(upper_DD))
    if rank and factor_DR.any():
        values_D[:rank] = np.linalg.eigvalsh(factor_DR.T @ factor_DR)[::-1]
    return values_D


def cluster_spectra(
    image: GroupMoments, text: GroupMoments, threshold: float = COLLAPSE_THRESHOLD, stored: str = "float64"
) -> dict[str, list[Spectrum | None]]:
    """Spectra of each cluster (None below two rows), by `image`, `text` and `both`, from moments grouped by the same clusters.

    `threshold` and `stored` as in `Moments.spectrum`. Raises UserError for an unknown type.
    """
    both: list[Spectrum | None] = []
    for one, two in zip(image.batches(), text.batches(), strict=True):
        both += one.merge(two).spectra(threshold, stored)
    return {"image": image.spectra(threshold, stored), "text": text.spectra(threshold, stored), "both": both}
