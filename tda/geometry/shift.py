"""How far apart two distributions of cosines are, from counts: the shift between data sets (Fig. 1).

H bins of equal width over [-1, 1], F of them that hold rows. Counts merge by addition, so that a set of any size takes one pass. A bin
is 1e-4 wide, which is the resolution of every number here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tda.errors import UserError

BINS = 20_000
DRAWS = 500
INTERVAL = (0.025, 0.975)

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """The shift of one distribution against another; 95 % intervals by bootstrap over the rows of both.

    `ks` is the Kolmogorov-Smirnov distance, the largest difference of the two distribution functions, in [0, 1]; its interval lies above 0
    even for equal distributions, as resampled rows always differ. `median_difference` is the first median minus the second, a cosine.
    """

    ks: float
    ks_ci95: tuple[float, float]
    median_difference: float
    median_ci95: tuple[float, float]


def histogram(cosine_N: Any, bins: int = BINS) -> Counts:
    """Counts (H,) of cosines (N,); a cosine that rounding put outside [-1, 1] counts in the nearest bin."""
    place_N = np.floor((np.asarray(cosine_N, dtype=np.float64) + 1) * (bins / 2)).astype(np.int64)
    return np.bincount(np.clip(place_N, 0, bins - 1), minlength=bins)


def coarser(counts_H: Counts, bins: int) -> Counts:
    """The same counts in `bins` wider bins; `bins` divides H."""
    merged: Counts = counts_H.reshape(bins, -1).sum(axis=1)
    return merged


def quantile(counts_H: Counts, share: float) -> float:
    """The cosine below which a `share` in [0, 1] of the rows lies, linear within its bin. Raises UserError without rows."""
    if not counts_H.any():
        raise UserError("no rows: a distribution without rows has no quantiles")
    (there_F,) = np.nonzero(counts_H)
    return _quantile(counts_H[there_F], there_F, len(counts_H), share)


def _quantile(counts_F: Counts, place_F: Counts, bins: int, share: float) -> float:
    """As `quantile`, from the F bins that may have rows and their numbers among all `bins`."""
    below_F = np.cumsum(counts_F)
    wanted = share * below_F[-1]
    at = min(int(np.searchsorted(below_F, wanted, side="right")), int(np.searchsorted(below_F, below_F[-1])))
    within = (wanted - below_F[at] + counts_F[at]) / counts_F[at]
    return float((place_F[at] + within) * (2 / bins) - 1)


def ks_distance(one_H: Counts, other_H: Counts) -> float:
    """Kolmogorov-Smirnov distance in [0, 1]: largest difference of the two distribution functions at an edge of a bin."""
    return float(np.abs(np.cumsum(one_H) / one_H.sum() - np.cumsum(other_H) / other_H.sum()).max())


def shift(one_H: Counts, other_H: Counts, *, draws: int = DRAWS, seed: int = 0) -> Shift:
    """Compare two distributions of cosines, given as counts (H,), with `draws` bootstrap draws. Raises UserError where one is empty."""
    if not (one_H.sum() and other_H.sum()):
        raise UserError("no rows: nothing can be compared with an empty distribution")
    (there_F,) = np.nonzero(one_H + other_H)
    one_F, other_F = one_H[there_F], other_H[there_F]
    rng = np.random.default_rng(seed)
    resampled = [(_resample(one_F, rng), _resample(other_F, rng)) for _ in range(draws)]

    def median_difference(one: Counts, other: Counts) -> float:
        first, second = (_quantile(counts, there_F, len(one_H), 0.5) for counts in (one, other))
        return first - second

    return Shift(
        ks=ks_distance(one_F, other_F),
        ks_ci95=_interval(ks_distance, resampled),
        median_difference=median_difference(one_F, other_F),
        median_ci95=_interval(median_difference, resampled),
    )


def _resample(counts_F: Counts, rng: np.random.Generator) -> Counts:
    """A bootstrap draw: as many rows, drawn with replacement."""
    total = int(counts_F.sum())
    return rng.multinomial(total, counts_F / total)


def _interval(measure: Callable[[Counts, Counts], float], resampled: list[tuple[Counts, Counts]]) -> tuple[float, float]:
    low, high = np.quantile([measure(one, other) for one, other in resampled], INTERVAL)
    return float(low), float(high)
