"""How a spectrum falls: where it passes under a threshold, and whether it drops there or only fades.

D values of a covariance, descending. A power law that never drops is also under any threshold from some index on: "collapse" is a drop.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.geometry.arrays.rows import to_host

LEAST_DROP = 0.5  # decades from one value to the next
ABOVE_TREND = 3.0  # times the median step of the neighbours
NEIGHBOURS = 5  # steps on each side that make the trend
LEAST_ROWS = 10  # rows a dimension; with fewer the tail shows the sample, not the distribution
FALLS = ("none", "fades", "drops")


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A step from one value to the next: `index` values come before it, and it is so many decades deep."""

    index: int
    decades: float


@dataclass(frozen=True, kw_only=True)
class Fall:
    """How a spectrum falls.

    `kind`: none, where no value is under the threshold; drops, where one step of at least half a decade, and three times its neighbours,
    ends under it; else fades. `drop` is that step. `largest_drop` is the deepest step of all, `alpha` the slope of log value against log
    index as a positive number (alpha-ReQ, Agrawal et al. 2022), None below three values above the floor.
    """

    kind: str
    numerical_rank: int  # values above the floor of rounding
    drop: Drop | None
    largest_drop: Drop | None
    alpha: float | None

    def metrics(self, dim: int) -> dict[str, Any]:
        """Numbers by name, ready for JSON; a step that there is not has index `dim` and depth 0, as `collapse_index` has."""
        nowhere = Drop(index=dim, decades=0.0)
        steps = {"drop": self.drop or nowhere, "largest_drop": self.largest_drop or nowhere}
        places = {f"{name}_{field}": value for name, step in steps.items() for field, value in vars(step).items()}
        return {"numerical_rank": self.numerical_rank, **places, "alpha": self.alpha}


def fall(values_D: Any, floor: float, under: int, rows: int | None = None) -> Fall:
    """How values (D,), descending, fall; those at the floor or below count as the floor. `under`: the first index under the threshold.

    `rows`: n rows have n - 1 values at most, so that a step from there on is theirs and no drop of the distribution.
    """
    values_D = to_host(values_D)
    rank = int((values_D > floor).sum())
    step_d = steps(values_D, floor)
    inside = np.arange(1, len(values_D)) < rank  # both ends of the step are above the floor
    own_d = step_d if rows is None else np.where(np.arange(1, len(values_D)) < rows - 1, step_d, 0.0)
    drop = _drop(own_d, inside, under) if rank and under < len(values_D) else None
    at = int(np.argmax(step_d)) if len(step_d) and step_d.max() > 0 else None
    return Fall(
        kind="drops" if drop else "fades" if under < len(values_D) else "none",
        numerical_rank=rank,
        drop=drop,
        largest_drop=None if at is None else Drop(index=at + 1, decades=float(step_d[at])),
        alpha=power_law(values_D[:rank]),
    )


def steps(values_D: Any, floor: float) -> Any:
    """Decades from each value to the next, (D - 1,), none below the floor."""
    clipped_D = np.clip(values_D, max(floor, np.finfo(np.float64).tiny), None)
    return -np.diff(np.log10(clipped_D))


def power_law(values_K: Any) -> float | None:
    """Slope of log value against log index, as a positive number, of K positive values, descending; None below three."""
    if len(values_K) < 3:
        return None
    slope, _ = np.polyfit(np.log(np.arange(1, len(values_K) + 1)), np.log(values_K), 1)
    return float(-slope)


def _drop(step_d: Any, inside_d: Any, under: int) -> Drop | None:
    """The deepest step that ends under the threshold and stands out of its neighbours."""
    first = max(under, 1) - 1
    for place in first + np.argsort(-step_d[first:], kind="stable"):
        if step_d[place] < LEAST_DROP:
            return None
        around = np.r_[max(place - NEIGHBOURS, 0) : place, place + 1 : min(place + NEIGHBOURS + 1, len(step_d))]
        others = step_d[around][inside_d[around]]
        if step_d[place] >= ABOVE_TREND * (float(np.median(others)) if len(others) else 0.0):
            return Drop(index=int(place) + 1, decades=float(step_d[place]))
    return None
