"""The largest singular values by random projection, for large D or a few values (Halko, Martinsson and Tropp 2011).

N rows, D dimensions, K values, L columns of a sketch, J splits of them, P rows of a panel, R probes.

A random sketch of the row space is refined by power iterations with a QR each (algorithm 4.4), and the rows projected onto it are
decomposed exactly. Further passes over the complement of the sketch bound the error of each value.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import namespace
from tda.geometry.spectrum.passes import Sum, Total, as_total, by_panels, row_mean, triangle

PROBES = 32
FAILURE = 1e-6  # probability that `error_K` is too small


@dataclass(frozen=True, kw_only=True)
class RandomizedSVD:
    """The K largest singular values of the centred rows, and their directions."""

    values_K: Any  # (K,) descending; at most the true ones, up to rounding
    vectors_DK: Any  # (D, K) as columns; the largest entry of each is positive
    error_K: Any  # (K,) the true value is at most this much larger, except with probability 1e-6
    mean_D: Any
    n: int
    passes: int  # over the rows

    @property
    def covariance_K(self) -> Any:  # noqa: N802 (shape suffix)
        """Singular values (K,) of the covariance matrix, with divisor n - 1."""
        return self.values_K**2 / (self.n - 1)

    @property
    def covariance_error_K(self) -> Any:  # noqa: N802 (shape suffix)
        """Error bound (K,) of `covariance_K`, except with probability 1e-6."""
        return ((self.values_K + self.error_K) ** 2 - self.values_K**2) / (self.n - 1)

    def project(self, x_ND: Any) -> Any:
        """Coordinates (N, K) of rows (N, D) along the directions."""
        return (x_ND - self.mean_D) @ self.vectors_DK


@dataclass(frozen=True)
class _Normal:
    """XᵀX times a basis (D, L), X the centred rows; with `solve` > 0 also ‖X‖² and the R factor of X times the first `solve` columns."""

    mean_D: Any
    basis_DL: Any
    solve: int = 0

    def __call__(self, x_BD: Any) -> Sum:
        return by_panels(x_BD, self._panel)

    def _panel(self, rows_PD: Any) -> Sum:
        centred_PD = rows_PD - self.mean_D
        image_PL = centred_PD @ self.basis_DL
        product_DL = centred_PD.T @ image_PL
        if not self.solve:
            return Sum(rows_PD.shape[0], (product_DL,))
        xp = namespace(rows_PD)
        return Sum(rows_PD.shape[0], (product_DL, xp.sum(centred_PD * centred_PD)), triangle(image_PL[:, : self.solve]))


def randomized_svd(
    x_ND: Any, rank: int, *, oversample: int = 10, power: int = 2, certify: int = 2, seed: int = 0, center: bool = True
) -> RandomizedSVD:
    """The `rank` largest singular values of rows (N, D), centred unless `center` is False (Halko et al. 2011, algorithm 4.4).

    `x_ND`: an array, a memory map or a `Total`. The sketch has `rank` + `oversample` columns, drawn by `seed`, and is refined by `power`
    iterations. `certify` passes (at least 1) bound its error (`_bound`): more of them, a tighter bound. The rows are read
    2 + power + certify times. Raises UserError for fewer than 2 rows, a rank outside 1 .. D, or rows that are not finite.
    """
    if min(oversample, power) < 0 or certify < 1:
        raise UserError(f"oversample={oversample}, power={power}, certify={certify}: the first two must be at least 0, the last at least 1")
    total = as_total(x_ND)
    n, mean_D = row_mean(total)
    xp, dim = namespace(mean_D), int(mean_D.shape[0])
    if not 1 <= rank <= dim:
        raise UserError(f"rank={rank} is out of range; rows of dimension {dim} have 1 to {dim}")
    mean_D = mean_D if center else xp.zeros_like(mean_D)
    rng = np.random.default_rng(seed)
    basis_DL = xp.asarray(rng.standard_normal((dim, min(dim, rank + oversample))))
    for _ in range(power + 1):
        basis_DL = xp.linalg.qr(total(_Normal(mean_D, _orthonormal(basis_DL))).parts[0])[0]
    probes_DR = xp.asarray(rng.standard_normal((dim, PROBES)))
    values_L, turn_LL, error_L = _solve(total, mean_D, basis_DL, probes_DR, certify)
    vectors_DK = (basis_DL @ turn_LL)[:, :rank]
    sign_K = xp.sign(vectors_DK[xp.argmax(xp.abs(vectors_DK), axis=0), xp.arange(rank)])
    return RandomizedSVD(
        values_K=values_L[:rank],
        vectors_DK=vectors_DK * xp.where(sign_K == 0, 1.0, sign_K),
        error_K=error_L[:rank],
        mean_D=mean_D,
        n=n,
        passes=2 + power + certify,
    )


def _orthonormal(x_DL: Any) -> Any:
    return namespace(x_DL).linalg.qr(x_DL)[0]


def _solve(total: Total, mean_D: Any, basis_DL: Any, probes_DR: Any, certify: int) -> tuple[Any, Any, Any]:
    """Singular values (L,) of the rows projected on the basis, their directions in it (L, L), and the error bounds (L,)."""
    xp, columns = namespace(mean_D), basis_DL.shape[1]

    def outside(y_DR: Any) -> Any:
        return y_DR - basis_DL @ (basis_DL.T @ y_DR)

    probes_DR = outside(probes_DR)
    found = total(_Normal(mean_D, xp.concat([basis_DL, probes_DR], axis=1), columns))
    product_DL, norm = found.parts[0][:, :columns], float(found.parts[1])
    probes_DR = outside(found.parts[0][:, columns:])
    for _ in range(certify - 1):
        probes_DR = outside(total(_Normal(mean_D, probes_DR)).parts[0])
    _, values_L, turned_LL = xp.linalg.svd(found.triangle_LL, full_matrices=False)
    if values_L.shape[0] < columns:  # fewer rows than columns: the other values are 0
        values_L, turned_LL = _pad(values_L, turned_LL, columns)
    left_out = min(_largest(probes_DR, certify), max(norm - float(xp.sum(values_L**2)), 0.0))
    coupling_L = xp.sqrt(xp.sum((outside(product_DL) @ turned_LL.T) ** 2, axis=0))
    return values_L, turned_LL.T, _bound(values_L, left_out, coupling_L, norm)


def _pad(values_L: Any, turned_LL: Any, columns: int) -> tuple[Any, Any]:
    xp = namespace(values_L)
    _, _, whole_LL = xp.linalg.svd(turned_LL, full_matrices=True)
    missing = columns - values_L.shape[0]
    return xp.concat([values_L, xp.zeros(missing)]), xp.concat([turned_LL, whole_LL[columns - missing :, :]])


def _largest(powered_DR: Any, times: int) -> float:
    """Upper bound of the largest eigenvalue λ of C = (1 - QQᵀ) XᵀX (1 - QQᵀ), from C applied `times` (t) times to Gaussian probes G.

    ‖Cᵗ G‖² is at least λ²ᵗ ‖vᵀG‖² for λ's eigenvector v, and ‖vᵀG‖² is chi-squared with R degrees of freedom.
    """
    from scipy.stats import chi2

    xp = namespace(powered_DR)
    return float((float(xp.linalg.matrix_norm(powered_DR, ord=2)) ** 2 / chi2.ppf(FAILURE, PROBES)) ** (1 / (2 * times)))


def _bound(values_L: Any, left_out: float, coupling_L: Any, norm: float) -> Any:
    """How far each value can be below the true one: left_out = ‖X(1 - QQᵀ)‖², coupling = ‖(1 - QQᵀ) XᵀX v‖ of each direction v.

    By Weyl, the error of a squared value is at most left_out. Split the space into the first j directions and the rest: XᵀX is at most
    s²[j + 1] + left_out on the rest, which is coupled to the first j by c = ‖coupling[:j]‖. The error of a squared value that exceeds
    this maximum by g is at most 2c² / (g + √(g² + 4c²)) (Li and Li 2005). The bound holds for every j: the smallest is taken.
    """
    xp = namespace(values_L)
    square_L = values_L**2
    rest_J = xp.concat([square_L[1:], xp.zeros(1)]) + left_out
    coupled_J = xp.cumulative_sum(coupling_L**2)
    gap_LJ = xp.clip(square_L[:, None] - rest_J[None, :], min=0.0)
    missed_LJ = 2 * coupled_J / xp.clip(gap_LJ + xp.sqrt(gap_LJ**2 + 4 * coupled_J), min=5e-324)
    missed_L = xp.min(xp.where(gap_LJ > 0, missed_LJ, left_out), axis=1)
    return xp.sqrt(square_L + xp.clip(missed_L, max=left_out)) - values_L + 2.0**-49 * math.sqrt(norm)
