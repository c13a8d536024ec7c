"""Spectra of covariance matrices, from moments that merge (Figs 10 to 12; Jing et al. 2021 on dimensional collapse).

N rows, D dimensions, B rows of a block. Everything is accumulated in float64: accumulating in float32 puts a false floor at
1.7e-8 of the largest value, which looks like a collapse.
"""

import math
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import BLOCK_ROWS, namespace, row_blocks
from tda.geometry.arrays.threads import blas_threads, threaded
from tda.geometry.spectrum.randomized import randomized_svd as randomized_svd  # noqa: PLC0414 (re-exported: its public place is here)

COLLAPSE_THRESHOLD = 1e-3
PART_ROWS = 16_384  # that one core sums up: the parts, and so the bits, are the same on any number of cores
GRAM_ROWS = 4096  # of a product: with fewer its mirror image costs as much as itself
DECADES = 6  # the depth of `auc`
_ROUNDOFF = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Singular values of a (D, D) covariance matrix, descending, with what they say. Values under `floor` are noise.

    Where even the largest value is under the floor the rows are one point: the four measures are then 0.
    """

    singular_values: Any  # (D,)
    effective_rank: float  # exp(entropy of s / sum s), in [1, D]
    participation_ratio: float  # (sum s)² / sum s², in [1, D]
    collapse_index: int  # first index with s / s[0] under the threshold, D if there is none
    auc: float  # mean of max(0, 1 + log10(max(s, floor) / s[0]) / 6), in (0, 1]: 1 is flat
    floor: float

    def metrics(self) -> dict[str, Any]:
        """The fields as JSON knows them."""
        return {**vars(self), "singular_values": [float(value) for value in self.singular_values]}


@dataclass(frozen=True)
class Moments:
    """Count, mean and centred scatter of rows: what a covariance needs, in a form that merges over blocks and machines.

    Kept about the mean (Chan, Golub and LeVeque 1983) and not as raw sums: rows of norm 1 around a mean of norm near 1 would lose
    the small variances in the difference of two large sums. `sum_D` and `gram_DD` give the raw sums.
    """

    n: int
    mean_D: Any
    scatter_DD: Any  # Σ (x - mean)(x - mean)ᵀ

    @classmethod
    def of(cls, x_ND: Any) -> "Moments":
        """Moments of rows of any floating type, (N, D), on as many cores as there are.

        Above `PART_ROWS` rows the bits are the same on any number of cores. Each core's float64 temporary is a few thousand rows.
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
        buffer_BD = xp.empty((blocks[0].stop, dim), dtype=xp.float64)  # one for all: fresh pages cost more than the conversion
        for block in blocks:
            centred_BD = buffer_BD[: block.stop - block.start, :]
            centred_BD[...] = x_ND[block, :]
            centred_BD -= shift_D
            sum_D += xp.sum(centred_BD, axis=0)
            gram_DD += centred_BD.T @ centred_BD
        offset_D = sum_D / n
        return cls(n, shift_D + offset_D, gram_DD - n * _outer(offset_D))

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of rows together. Commutative to the last bit, associative up to rounding."""
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
        """Covariance (D, D), divided by n - 1. Raises UserError below two rows."""
        if self.n < 2:
            raise UserError(f"a covariance needs at least 2 rows and got {self.n}")
        return self.scatter_DD / (self.n - 1)

    def principal(self) -> tuple[Any, Any]:
        """Eigenvalues (D,) of the covariance, descending, none negative, and eigenvectors as columns (D, D).

        A vector's largest entry is positive, so that the same rows give the same picture.
        """
        xp = namespace(self.mean_D)
        values_D, vectors_DD = xp.linalg.eigh(self.covariance())
        values_D, vectors_DD = xp.flip(values_D, axis=0), xp.flip(vectors_DD, axis=1)
        largest_D = xp.argmax(xp.abs(vectors_DD), axis=0)
        sign_D = xp.sign(vectors_DD[largest_D, xp.arange(self.dim)])
        return xp.clip(values_D, min=0.0), vectors_DD * sign_D

    def spectrum(self, threshold: float = COLLAPSE_THRESHOLD, stored: str = "float64") -> Spectrum:
        """Spectrum of the covariance; `stored` names the type that the rows were stored in, which sets the floor."""
        values_D, vectors_DD = self.principal()
        floor = self._floor(values_D, vectors_DD, stored)
        return _spectrum(values_D, floor, threshold)

    def _floor(self, values_D: Any, vectors_DD: Any, stored: str) -> float:
        """The value below which storage and accumulation decide.

        Storage: rounding to nearest moves an entry x by at most u|x|, uniformly, so its variance is at most u²x²/3 (u: unit
        roundoff) and along a unit vector v the noise is at most u²/3 Σ_d v_d² E[x_d²]. Sampling noise over n rows widens its
        eigenvalues by (1 + √(D/n))² (Marchenko and Pastur 1967). Directions that hold no more than that are noise, and the
        floor is the most that any of them can hold; where every direction holds more it is that of the last direction.
        Accumulation: the sums and the eigensolver are backward stable, eps √D λ₁.
        """
        xp = namespace(values_D)
        roundoff = roundoff_of(stored)
        square_D = xp.linalg.diagonal(self.scatter_DD) / self.n + self.mean_D**2
        noise_D = (square_D @ vectors_DD**2) * (roundoff**2 / 3 * (1 + math.sqrt(self.dim / self.n)) ** 2)
        storage = float(xp.max(xp.where(values_D <= noise_D, noise_D, noise_D[-1])))
        return max(storage, 2.0**-52 * math.sqrt(self.dim) * float(values_D[0]))


def roundoff_of(stored: str) -> float:
    """Unit roundoff of the type that rows were stored in. Raises UserError for a type that has none known."""
    if stored not in _ROUNDOFF:
        raise UserError(f"rows stored as {stored} have no known rounding; choose one of: {', '.join(_ROUNDOFF)}")
    return _ROUNDOFF[stored]


def average_floor(first: float, square: float, n: int, dim: int, stored: str) -> float:
    """The floor where no eigenvectors are at hand: storage noise in the average direction, u²/3 mean_d E[x_d²] (1 + √(D/n))².

    `first`: the largest value. `square`: the mean over the dimensions of E[x²], 1/D for unit rows.
    """
    storage = square * roundoff_of(stored) ** 2 / 3 * (1 + math.sqrt(dim / max(n, 1))) ** 2
    return max(storage, 2.0**-52 * math.sqrt(dim) * first)


def covariance_spectrum(x_ND: Any, threshold: float = COLLAPSE_THRESHOLD, stored: str | None = None) -> Spectrum:
    """Spectrum of the covariance of rows (N, D) as they are given; no row is normalised here.

    `stored` names the type that the rows were once stored in, if not that of `x_ND`. Raises UserError below two rows.
    """
    return Moments.of(x_ND).spectrum(threshold, stored or str(x_ND.dtype).rsplit(".", maxsplit=1)[-1])


def _outer(x_D: Any) -> Any:
    return x_D[:, None] * x_D[None, :]


def _spectrum(values_D: Any, floor: float, threshold: float) -> Spectrum:
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
