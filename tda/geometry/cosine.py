"""Cosines of pairs and of random partners (Fig. 3), in partial results that merge.

N pairs, B pairs of a block, Q quantiles. Rows are L2-normalised in float64, so that a cosine is a dot product in [-1, 1].
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

EXACT_VALUES = 20_000_000  # values kept one by one for exact quantiles: 160 MB
FINE_BINS = 1 << 20  # beyond that, counts in bins 1.9e-6 wide, which bounds the error of a quantile
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True)
class Cosines:
    """Cosines of one kind: moments always, the values themselves while they are few, else a fine histogram."""

    count: int
    mean: float
    squares: float  # Σ (value - mean)²
    values: Floats | None  # in the order of merging
    fine: Counts | None  # (FINE_BINS,) over [-1, 1]

    @classmethod
    def of(cls, values_B: Any, exact: bool = True) -> "Cosines":
        """From cosines (B,), NumPy or CuPy; ``exact=False`` keeps a fine histogram and not the values."""
        values = np.asarray(values_B.get() if hasattr(values_B, "get") else values_B, dtype=np.float64)
        mean = float(values.mean())
        fine = None if exact else _binned(values, FINE_BINS)
        return cls(len(values), mean, float(((values - mean) ** 2).sum()), values if exact else None, fine)

    def merge(self, other: "Cosines") -> "Cosines":
        """Both together; the values stay exact while they number at most `EXACT_VALUES`."""
        count, apart = self.count + other.count, self.mean - other.mean
        mean = (self.count * self.mean + other.count * other.mean) / count
        squares = self.squares + other.squares + apart**2 * self.count * other.count / count
        if self.values is not None and other.values is not None and count <= EXACT_VALUES:
            return Cosines(count, mean, squares, np.concatenate([self.values, other.values]), None)
        return Cosines(count, mean, squares, None, self.fine_counts() + other.fine_counts())

    @property
    def std(self) -> float:
        """Standard deviation of these values (divided by their count)."""
        return float(np.sqrt(self.squares / self.count))

    def quantiles(self, at: Sequence[float] = QUANTILES) -> dict[str, float]:
        """Quantile at each share, linear between values; exact, or within 2e-6 where only the fine histogram is kept."""
        found = np.quantile(self.values, at) if self.values is not None else _quantiles_of_bins(self.fine_counts(), at)
        return {f"{share:g}": float(value) for share, value in zip(at, found, strict=True)}

    def histogram(self, bins: int) -> Counts:
        """Counts in `bins` equal bins over [-1, 1]; from the fine histogram, a value within 2e-6 of an edge may fall beside it."""
        if self.values is not None:
            return _binned(self.values, bins)
        centres = (np.arange(FINE_BINS) + 0.5) * (bins / FINE_BINS)
        return np.bincount(centres.astype(np.int64), weights=self.fine_counts(), minlength=bins).astype(np.int64)

    def fine_counts(self) -> Counts:
        """Counts in `FINE_BINS` equal bins over [-1, 1]."""
        if self.fine is not None:
            return self.fine
        assert self.values is not None
        return _binned(self.values, FINE_BINS)


def cross_mean(image: Moments, text: Moments, pair: Cosines) -> float:
    """Mean cosine over all ordered pairs i ≠ j of an image and a text, exact from the sums of unit rows."""
    n = image.n
    if n < 2:
        raise UserError(f"random cosines need at least 2 pairs and got {n}")
    xp = namespace(image.mean_D)
    return float((n * float(xp.sum(image.mean_D * text.mean_D)) - pair.mean) / (n - 1))


def within_mean(moments: Moments) -> float:
    """Mean cosine over all i ≠ j within one modality, exact from the sum of unit rows."""
    xp = namespace(moments.mean_D)
    return float((moments.n * float(xp.sum(moments.mean_D**2)) - 1) / (moments.n - 1))


def metrics(image: Moments, text: Moments, pair: Cosines, shifted: Cosines, at: Sequence[float] = QUANTILES) -> dict[str, Any]:
    """The `cosine` part of metrics.json. `shifted`: row i with row (i + N//2) mod N, whose spread stands for all random partners."""
    return {
        "pair": {"mean": pair.mean, "std": pair.std, "quantiles": pair.quantiles(at)},
        "random": {"mean": cross_mean(image, text, pair), "std": shifted.std, "quantiles": shifted.quantiles(at)},
        "image_image": {"mean": within_mean(image)},
        "text_text": {"mean": within_mean(text)},
    }


def _binned(values: Floats, bins: int) -> Counts:
    place = ((values + 1) * (bins / 2)).astype(np.int64)
    return np.bincount(np.clip(place, 0, bins - 1), minlength=bins)


def _quantiles_of_bins(fine: Counts, at: Sequence[float]) -> Floats:
    """Centre of the bin in which the value of that order lies."""
    order = np.asarray(at) * (fine.sum() - 1)
    centres: Floats = (np.searchsorted(np.cumsum(fine), order, side="right") + 0.5) * (2 / FINE_BINS) - 1
    return centres
