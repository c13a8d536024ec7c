"""How far apart two distributions of cosines are: the shift between data sets (Fig. 1).

N rows, F distinct values, H bins of equal width over [-1, 1], P places, R draws. Distances and medians are of the values themselves;
bins, 1e-4 wide, serve figures. Both merge by addition, so that a set of any size takes one pass.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tda.errors import UserError

BINS = 20_000
DRAWS = 500
INTERVAL = (0.025, 0.975)
MOST_VALUES = 1 << 21  # distinct values that are kept; where there are more, all are rounded to multiples of GRID
GRID = 2.0**-20
PLACES = 512  # of the pooled distribution at which the interval of a distance is drawn
NEAR = 1.5  # standard errors within which a place may be that of the largest difference, and a difference may have either sign

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """The shift of one distribution against another, with 95 % intervals over the rows of both.

    `ks` is the Kolmogorov-Smirnov distance, the largest difference of the two distribution functions, in [0, 1]; the interval of equal
    distributions begins at 0. `median_difference` is the first median minus the second, a cosine.
    """

    ks: float
    ks_ci95: tuple[float, float]
    median_difference: float
    median_ci95: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Values:
    """The cosines of N rows: the distinct ones (F,), ascending, and how many rows have each, (F,)."""

    value_F: Floats
    count_F: Counts

    @classmethod
    def of(cls, cosine_N: Any) -> "Values":
        """Exact up to `MOST_VALUES` distinct cosines."""
        return cls(*_distinct(np.asarray(cosine_N, dtype=np.float64)))

    def merge(self, other: "Values") -> "Values":
        """The cosines of the rows of both."""
        value_F = np.concatenate([self.value_F, other.value_F])
        return Values(*_distinct(value_F, np.concatenate([self.count_F, other.count_F])))

    @property
    def rows(self) -> int:
        return int(self.count_F.sum())

    def below(self, place_P: Any) -> Floats:
        """The share of rows with a cosine of at most each place, (P,)."""
        upto = np.concatenate([[0], np.cumsum(self.count_F)])
        share_P: Floats = upto[np.searchsorted(self.value_F, place_P, side="right")] / upto[-1]
        return share_P

    def quantile(self, share: Any) -> Floats:
        """As `numpy.quantile` of the rows, linear between neighbours. Raises UserError without rows."""
        if not len(self.value_F):
            raise UserError("no rows: a distribution without rows has no quantiles")
        upto_F, order = np.cumsum(self.count_F), np.asarray(share, dtype=np.float64) * (self.rows - 1)
        ends = (self.value_F[np.searchsorted(upto_F, one, side="right").clip(max=len(upto_F) - 1)] for one in _around(order))
        low, high = ends
        found: Floats = low + (high - low) * (order - np.floor(order))
        return found

    def counts(self, bins: int = BINS) -> Counts:
        """Counts (H,) in bins over [-1, 1]."""
        return histogram(self.value_F, bins, self.count_F)


def _around(order: Floats) -> tuple[Floats, Floats]:
    return np.floor(order), np.ceil(order)


def _distinct(value_N: Floats, count_N: Counts | None = None) -> tuple[Floats, Counts]:
    value_F, count_F = _counted(value_N, np.ones(len(value_N), dtype=np.int64) if count_N is None else count_N)
    return (value_F, count_F) if len(value_F) <= MOST_VALUES else _counted(np.round(value_F / GRID) * GRID, count_F)


def _counted(value_N: Floats, count_N: Counts) -> tuple[Floats, Counts]:
    value_F, at_N = np.unique(value_N, return_inverse=True)
    return value_F, np.bincount(at_N, count_N, minlength=len(value_F)).astype(np.int64)


def histogram(cosine_N: Any, bins: int = BINS, count_N: Any = None) -> Counts:
    """Counts (H,) of cosines (N,), each of one row or of `count_N` rows.

    A cosine that rounding put outside [-1, 1] counts in the nearest bin.
    """
    place_N = np.floor((np.asarray(cosine_N, dtype=np.float64) + 1) * (bins / 2)).astype(np.int64)
    return np.bincount(np.clip(place_N, 0, bins - 1), count_N, minlength=bins).astype(np.int64)


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


def ks_distance(one: Values, other: Values) -> float:
    """Kolmogorov-Smirnov distance in [0, 1]: largest difference of the two distribution functions, over all values."""
    place_P = np.union1d(one.value_F, other.value_F)
    return float(np.abs(one.below(place_P) - other.below(place_P)).max())


def shift(one: Values, other: Values, *, draws: int = DRAWS, seed: int = 0) -> Shift:
    """Compare two distributions of cosines, with `draws` draws for the intervals. Raises UserError where one is empty."""
    if not (one.rows and other.rows):
        raise UserError("no rows: nothing can be compared with an empty distribution")
    rng = np.random.default_rng(seed)
    middle = float(one.quantile(0.5) - other.quantile(0.5))
    drawn_R = _drawn_medians(one, draws, rng) - _drawn_medians(other, draws, rng)
    low, high = np.quantile(drawn_R, INTERVAL)
    return Shift(
        ks=ks_distance(one, other),
        ks_ci95=_ks_interval(one, other, draws, rng),
        median_difference=middle,
        median_ci95=(float(low), float(high)),
    )


def _drawn_medians(values: Values, draws: int, rng: np.random.Generator) -> Floats:
    """Medians of bootstrap draws (R,): the middle of N uniform ranks has this beta distribution."""
    half = (values.rows + 1) / 2
    return values.quantile(rng.beta(half, half, draws))


def _ks_interval(one: Values, other: Values, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """95 % interval of the distance.

    A largest difference is found too large where many places are nearly as far: the lower end takes off what the largest over these
    places varies by (Fang and Santos 2019), where a sign is open to both sides. The upper end adds 1.96 standard errors of one place:
    the distance at the true place is at most the largest that is found.
    """
    place_P = _places(one, other)
    share = one.below(place_P), other.below(place_P)
    difference_P = share[0] - share[1]
    variance_P = sum(share_P * (1 - share_P) / values.rows for share_P, values in zip(share, (one, other), strict=True))
    error_P, distance = np.sqrt(variance_P), float(np.abs(difference_P).max())
    bridge_RP = _bridges(one.rows, share[0], draws, rng) - _bridges(other.rows, share[1], draws, rng)
    either_P = np.abs(difference_P) < NEAR * error_P
    near_P = np.abs(difference_P) >= distance - NEAR * error_P.max()
    beyond_R = np.where(either_P, np.abs(bridge_RP), np.sign(difference_P) * bridge_RP)[:, near_P].max(axis=1)
    low, high = distance - np.quantile(beyond_R, INTERVAL[1]), distance + 1.96 * error_P[near_P].max()
    return max(0.0, float(low)), min(1.0, float(high))


def _places(one: Values, other: Values) -> Floats:
    """Quantiles of both distributions together, and the place of the largest difference."""
    value_F = np.union1d(one.value_F, other.value_F)
    farthest = value_F[np.argmax(np.abs(one.below(value_F) - other.below(value_F)))]
    spread = one.merge(other).quantile(np.linspace(0, 1, PLACES))
    return np.union1d(spread, farthest)


def _bridges(rows: int, share_P: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """How far the distribution functions of draws of `rows` lie from that which they are drawn from, (R, P)."""
    part_P = np.clip(np.diff(np.concatenate([[0.0], share_P, [1.0]])), 0, None)
    drawn_RP = np.cumsum(rng.multinomial(rows, part_P / part_P.sum(), size=draws), axis=1)[:, :-1]
    bridge_RP: Floats = drawn_RP / rows - share_P
    return bridge_RP
