"""Cosines of pairs and of random partners (Fig. 3), in partial results that merge.

N pairs, D dimensions, B pairs of a block. Rows are L2-normalised in float64, so that a cosine is a dot product in [-1, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tda.errors import UserError
from tda.geometry.arrays.namespace import namespace
from tda.geometry.spectrum.moments import Moments

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

EXACT_VALUES = 20_000_000  # largest number of values that are kept, for exact quantiles: 160 MB
FINE_BINS = 1 << 20  # above it, counts in bins 1.9e-6 wide, which bounds the error of a quantile
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True)
class Cosines:
    """Statistics of a set of cosines: count and moments, with the values themselves or, for many values, a fine histogram."""

    count: int
    mean: float
    squares: float  # Σ (value - mean)²
    values: Floats | None  # in the order of merging
    fine: Counts | None  # (FINE_BINS,) over [-1, 1]

    @classmethod
    def of(cls, values_B: Any, exact: bool = True) -> "Cosines":
        """Statistics of cosines (B,), NumPy or CuPy, B at least 1; ``exact=False`` keeps a fine histogram instead of the values."""
        values = np.asarray(values_B.get() if hasattr(values_B, "get") else values_B, dtype=np.float64)
        mean = float(values.mean())
        fine = None if exact else _binned(values, FINE_BINS)
        return cls(len(values), mean, float(((values - mean) ** 2).sum()), values if exact else None, fine)

    def merge(self, other: "Cosines") -> "Cosines":
        """Statistics of both sets together; values are kept while there are at most `EXACT_VALUES` of them."""
        count, apart = self.count + other.count, self.mean - other.mean
        mean = (self.count * self.mean + other.count * other.mean) / count
        squares = self.squares + other.squares + apart**2 * self.count * other.count / count
        if self.values is not None and other.values is not None and count <= EXACT_VALUES:
            return Cosines(count, mean, squares, np.concatenate([self.values, other.values]), None)
        return Cosines(count, mean, squares, None, self.fine_counts() + other.fine_counts())

    @property
    def std(self) -> float:
        """Standard deviation: the root of the mean squared deviation (divided by the count, not by count - 1)."""
        return float(np.sqrt(self.squares / self.count))

    def quantiles(self, at: Sequence[float] = QUANTILES) -> dict[str, float]:
        """Quantile at each share in [0, 1], keyed by the share as text: exact and linear between values, or from the fine histogram.

        From the histogram it is the centre of the bin that holds the value of that rank: within 1e-6 of that value.
        """
        found = np.quantile(self.values, at) if self.values is not None else _quantiles_of_bins(self.fine_counts(), at)
        return {f"{share:g}": float(value) for share, value in zip(at, found, strict=True)}

    def histogram(self, bins: int) -> Counts:
        """Counts (bins,) in equal bins over [-1, 1]; from the fine histogram, a value within 2e-6 of an edge may be one bin off."""
        if self.values is not None:
            return _binned(self.values, bins)
        centres = (np.arange(FINE_BINS) + 0.5) * (bins / FINE_BINS)
        return np.bincount(centres.astype(np.int64), weights=self.fine_counts(), minlength=bins).astype(np.int64)

    def fine_counts(self) -> Counts:
        """Counts (FINE_BINS,) in equal bins over [-1, 1]."""
        if self.fine is not None:
            return self.fine
        assert self.values is not None
        return _binned(self.values, FINE_BINS)


def cross_mean(image: Moments, text: Moments, pair: Cosines) -> float:
    """Mean cosine of image i and text j over all ordered pairs i ≠ j: exact, from the sums of unit rows.

    `image` and `text` are moments of unit rows, `pair` the cosines of the pairs (i, i). Raises UserError below two pairs.
    """
    n = image.n
    if n < 2:
        raise UserError(f"random cosines need at least 2 pairs and got {n}")
    xp = namespace(image.mean_D)
    return float((n * float(xp.sum(image.mean_D * text.mean_D)) - pair.mean) / (n - 1))


def cross_std(image: Moments, text: Moments, pair: Cosines) -> float:
    """Standard deviation of the cosines of image i and text j over all ordered pairs i ≠ j: exact, from the Gram matrices.

    The sum of squares over all i and j is the trace of (XᵀX)(YᵀY). Arguments and errors as `cross_mean`.
    """
    mean, n = cross_mean(image, text, pair), image.n
    xp = namespace(image.mean_D)
    own = pair.squares + pair.count * pair.mean**2
    squares = (float(xp.sum(image.gram_DD * text.gram_DD)) - own) / (n * (n - 1))
    return float(np.sqrt(max(squares - mean**2, 0.0)))


def within_mean(moments: Moments) -> float:
    """Mean cosine over all i ≠ j within one modality: exact, from the sum of unit rows (at least two)."""
    xp = namespace(moments.mean_D)
    return float((moments.n * float(xp.sum(moments.mean_D**2)) - 1) / (moments.n - 1))


def metrics(image: Moments, text: Moments, pair: Cosines, shifted: Cosines, at: Sequence[float] = QUANTILES) -> dict[str, Any]:
    """The `cosine` part of metrics.json: mean, standard deviation and quantiles at the shares `at`. Raises UserError below two pairs.

    `shifted`: cosines of image i and text (i + N//2) mod N; its quantiles stand in for those of all random partners, whose mean and
    standard deviation are exact.
    """
    return {
        "pair": {"mean": pair.mean, "std": pair.std, "quantiles": pair.quantiles(at)},
        "random": {"mean": cross_mean(image, text, pair), "std": cross_std(image, text, pair), "quantiles": shifted.quantiles(at)},
        "image_image": {"mean": within_mean(image)},
        "text_text": {"mean": within_mean(text)},
    }


def _binned(values: Floats, bins: int) -> Counts:
    place = ((values + 1) * (bins / 2)).astype(np.int64)
    return np.bincount(np.clip(place, 0, bins - 1), minlength=bins)


def _quantiles_of_bins(fine: Counts, at: Sequence[float]) -> Floats:
    """Centre of the bin that holds the value of that rank."""
    order = np.asarray(at) * (fine.sum() - 1)
    centres: Floats = (np.searchsorted(np.cumsum(fine), order, side="right") + 0.5) * (2 / FINE_BINS) - 1
    return centres
