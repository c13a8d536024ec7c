"""Spectra of covariance matrices, from moments that merge (Figs 10 to 12; Jing et al. 2021 on dimensional collapse).

N rows, D dimensions, B rows of a block. All sums are float64: float32 sums put a false floor at 1.7e-8 of the largest value, which
looks like a collapse.
"""

import math
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import BLOCK_ROWS, namespace, row_blocks, type_name
from tda.geometry.arrays.threads import blas_threads, threaded
from tda.geometry.spectrum.fall import fall
from tda.geometry.spectrum.randomized import randomized_svd as randomized_svd  # noqa: PLC0414 (re-exported: its public place is here)

COLLAPSE_THRESHOLD = 1e-3
PART_ROWS = 16_384  # rows summed by one core: parts of fixed size give the same bits on any number of cores
GRAM_ROWS = 4096  # rows of one product: with fewer, copying its upper triangle to the lower costs as much as the product
DECADES = 6  # decades below the largest value that `auc` takes into account
_ROUNDOFF = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Singular values of a (D, D) covariance matrix, descending, and four measures of them. Values below `floor` are noise.

    If even the largest value is at most the floor, the rows are one point and the four measures are 0.
    """

    singular_values: Any  # (D,)
    effective_rank: float  # exp(entropy of s / sum s), in [1, D] (Roy and Vetterli 2007)
    participation_ratio: float  # (sum s)² / sum s², in [1, D]
    collapse_index: int  # first index with s / s[0] below the threshold, D if there is none (Jing et al. 2021)
    auc: float  # mean of max(0, 1 + log10(max(s, floor) / s[0]) / 6), in (0, 1]: 1 is flat
    floor: float

    def metrics(self) -> dict[str, Any]:
        """The fields, and how the spectrum falls (`tda.geometry.spectrum.fall`), ready for JSON."""
        found = fall(self.singular_values, self.floor, self.collapse_index).metrics(len(self.singular_values))
        return {**vars(self), "singular_values": [float(value) for value in self.singular_values], **found}


@dataclass(frozen=True)
class Moments:
    """Count, mean and centred scatter of rows: what a covariance needs, in a form that merges over blocks and machines.

    Sums are centred (Chan, Golub and LeVeque 1983): from raw sums of unit rows with a mean of norm near 1, small variances would be lost
    in the difference of two large numbers. `sum_D` and `gram_DD` give the raw sums.
    """

    n: int
    mean_D: Any
    scatter_DD: Any  # Σ (x - mean)(x - mean)ᵀ

    @classmethod
    def of(cls, x_ND: Any) -> "Moments":
        """Moments of rows (N, D) of any floating type, NumPy (on all cores, with the same bits for any number) or CuPy.

        Memory: a few thousand rows in float64 for each core. Raises UserError for no rows or another number of axes.
        """
        if x_ND.ndim != 2 or x_ND.shape[0] == 0:
            raise UserError(f"moments need rows, (N, D) with N at least 1, and got {tuple(x_ND.shape)}")
        parts = list(row_blocks(x_ND.shape[0], PART_ROWS))
        threads = blas_threads() if isinstance(x_ND, np.ndarray) and len(parts) > 1 else 1
        work = map if threads == 1 else partial(threaded, threads=threads)
        return reduce(cls.merge, work(lambda part: cls._of_part(x_ND[part, :]), parts))

    @classmethod
    def _of_part(cls, x_ND: Any) -> "Moments":
        xp = namespace(x_ND)
        n, dim = x_ND.shape
        blocks = list(row_blocks(n, GRAM_ROWS))
        shift_D = xp.mean(xp.astype(x_ND[: min(n, BLOCK_ROWS), :], xp.float64), axis=0)
        sum_D, gram_DD = xp.zeros_like(shift_D), xp.zeros((dim, dim), dtype=xp.float64)
        buffer_BD = xp.empty((blocks[0].stop, dim), dtype=xp.float64)  # reused: allocating fresh pages costs more than the conversion
        for block in blocks:
            centred_BD = buffer_BD[: block.stop - block.start, :]
            centred_BD[...] = x_ND[block, :]
            centred_BD -= shift_D
            sum_D += xp.sum(centred_BD, axis=0)
            gram_DD += centred_BD.T @ centred_BD
        offset_D = sum_D / n
        return cls(n, shift_D + offset_D, gram_DD - n * _outer(offset_D))

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of rows together: commutative to the last bit, associative up to rounding."""
        n = self.n + other.n
        apart_D = self.mean_D - other.mean_D
        mean_D = (self.n * self.mean_D + other.n * other.mean_D) / n
        spread_DD = (self.n * other.n / n) * _outer(apart_D)
        return Moments(n, mean_D, (self.scatter_DD + other.scatter_DD) + spread_DD)

    @property
    def dim(self) -> int:
        return int(self.mean_D.shape[0])

    @property
    def sum_D(self) -> Any:  # noqa: N802 (shape suffix)
        return self.n * self.mean_D

    @property
    def gram_DD(self) -> Any:  # noqa: N802 (shape suffix)
        return self.scatter_DD + self.n * _outer(self.mean_D)

    def covariance(self) -> Any:
        """Covariance (D, D), with divisor n - 1. Raises UserError below two rows."""
        if self.n < 2:
            raise UserError(f"a covariance needs at least 2 rows and got {self.n}")
        return self.scatter_DD / (self.n - 1)

    def principal(self) -> tuple[Any, Any]:
        """Eigenvalues (D,) of the covariance, descending, clipped at 0, and eigenvectors as columns (D, D).

        The largest entry of each vector is positive, so that equal rows give equal pictures. Raises UserError below two rows.
        """
        xp = namespace(self.mean_D)
        values_D, vectors_DD = xp.linalg.eigh(self.covariance())
        values_D, vectors_DD = xp.flip(values_D, axis=0), xp.flip(vectors_DD, axis=1)
        largest_D = xp.argmax(xp.abs(vectors_DD), axis=0)
        sign_D = xp.sign(vectors_DD[largest_D, xp.arange(self.dim)])
        return xp.clip(values_D, min=0.0), vectors_DD * sign_D

    def spectrum(self, threshold: float = COLLAPSE_THRESHOLD, stored: str = "float64") -> Spectrum:
        """Spectrum of the covariance, with its measures.

        `threshold`: of s / s[0], for the collapse index. `stored`: the type that the rows were stored in (float16, float32 or
        float64), which sets the floor. Raises UserError below two rows or for another type.
        """
        values_D, vectors_DD = self.principal()
        floor = self._floor(values_D, vectors_DD, stored)
        return spectrum_from(values_D, floor, threshold)

    def _floor(self, values_D: Any, vectors_DD: Any, stored: str) -> float:
        """The value below which a singular value is due to rounding: the larger of two bounds.

        Storage: rounding to nearest moves an entry x by at most u|x|, uniformly, so that its variance is at most u²x²/3 (u: unit
        roundoff) and the noise along a unit vector v is at most u²/3 Σ_d v_d² E[x_d²]. Sampling over n rows widens its eigenvalues
        by (1 + √(D/n))² (Marchenko and Pastur 1967). Directions with no more variance than their bound are noise, and the floor is
        the largest bound of such a direction; without one it is the bound of the last direction.
        Accumulation: the sums and the eigensolver are backward stable, with an error of eps √D λ₁.
        """
        xp = namespace(values_D)
        roundoff = roundoff_of(stored)
        square_D = xp.linalg.diagonal(self.scatter_DD) / self.n + self.mean_D**2
        noise_D = (square_D @ vectors_DD**2) * (roundoff**2 / 3 * (1 + math.sqrt(self.dim / self.n)) ** 2)
        storage = float(xp.max(xp.where(values_D <= noise_D, noise_D, noise_D[-1])))
        return max(storage, 2.0**-52 * math.sqrt(self.dim) * float(values_D[0]))


def roundoff_of(stored: str) -> float:
    """Unit roundoff of float16, float32 or float64. Raises UserError for another type."""
    if stored not in _ROUNDOFF:
        raise UserError(f"rows stored as {stored} have an unknown rounding error; choose one of: {', '.join(_ROUNDOFF)}")
    return _ROUNDOFF[stored]


def average_floor(first: float, square: float, n: int, dim: int, stored: str) -> float:
    """The floor without eigenvectors: storage noise in the average direction, u²/3 mean_d E[x_d²] (1 + √(D/n))².

    `first`: the largest value. `square`: the mean over the dimensions of E[x²], 1/D for unit rows. Raises UserError for an unknown type.
    """
    storage = square * roundoff_of(stored) ** 2 / 3 * (1 + math.sqrt(dim / max(n, 1))) ** 2
    return max(storage, 2.0**-52 * math.sqrt(dim) * first)


def covariance_spectrum(x_ND: Any, threshold: float = COLLAPSE_THRESHOLD, stored: str | None = None) -> Spectrum:
    """Spectrum of the covariance of rows (N, D) as given, without normalising them (Figs 10 to 12).

    `threshold`: of s / s[0], for the collapse index. `stored`: the type that the rows were stored in, by default that of `x_ND`. Raises
    UserError below two rows or for a type other than float16, float32 and float64.
    """
    return Moments.of(x_ND).spectrum(threshold, stored or type_name(x_ND))


def _outer(x_D: Any) -> Any:
    return x_D[:, None] * x_D[None, :]


def spectrum_from(values_D: Any, floor: float, threshold: float) -> Spectrum:
    xp = namespace(values_D)
    dim, first = int(values_D.shape[0]), float(values_D[0])
    if first <= floor:
        return Spectrum(singular_values=values_D, effective_rank=0.0, participation_ratio=0.0, collapse_index=0, auc=0.0, floor=floor)
    share_D = values_D / xp.sum(values_D)
    entropy = -float(xp.sum(share_D * xp.log(xp.where(share_D > 0, share_D, 1.0))))
    collapsed_D = values_D / first < threshold
    depth_D = xp.log10(xp.clip(values_D, min=floor) / first)
    return Spectrum(
        singular_values=values_D,
        effective_rank=math.exp(entropy),
        participation_ratio=1.0 / float(xp.sum(share_D**2)),
        collapse_index=int(xp.argmax(xp.astype(collapsed_D, xp.int8))) if bool(xp.any(collapsed_D)) else dim,
        auc=float(xp.mean(xp.clip(1 + depth_D / DECADES, min=0.0))),
        floor=floor,
    )
