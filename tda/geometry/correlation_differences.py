"""Do two correlations over clusters differ? Bootstrap differences, with Holm's correction over all that are asked at once (Fig. 15).

K clusters of a model on a data set, R draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.geometry.controlled import LEAST_INTERVAL

Clusters = tuple[Any, Any]  # dimension (K,) and top-1 (K,)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Pearson's correlation of `one` less that of `other`, on Fisher's scale for the test; None with fewer than 12 clusters in either."""

    one: str
    other: str
    value: float | None
    ci95: tuple[float, float] | None
    p_value: float | None
    p_holm: float | None = None  # corrected for all differences asked together


def correlation_differences(
    clusters: Mapping[str, Clusters], pairs: Sequence[tuple[str, str]], *, draws: int = 2000, seed: int = 0
) -> list[Difference]:
    """Differences of the correlations of these pairs, by a bootstrap over the clusters of each, with Holm's p over all of them."""
    rng = np.random.default_rng(seed)
    drawn = {name: _drawn(*one, draws, rng) for name, one in clusters.items()}
    found = [_difference(pair, drawn) for pair in pairs]
    corrected = holm([one.p_value for one in found])
    return [Difference(**{**vars(one), "p_holm": p}) for one, p in zip(found, corrected, strict=True)]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's corrected p-values (1979), at most 1; None stays None and counts as no test."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[place] = highest
    return corrected


def _drawn(x_K: Any, y_K: Any, draws: int, rng: np.random.Generator) -> Any | None:
    """Fisher's z of the correlation in each draw, (R,), the correlation itself first."""
    if len(x_K) < LEAST_INTERVAL or np.ptp(x_K) == 0 or np.ptp(y_K) == 0:
        return None
    chosen_RK = np.vstack([np.arange(len(x_K)), rng.integers(len(x_K), size=(draws, len(x_K)))])
    x_RK, y_RK = (np.asarray(one, float)[chosen_RK] for one in (x_K, y_K))
    x_RK, y_RK = (one - one.mean(axis=1, keepdims=True) for one in (x_RK, y_RK))
    spread_R = np.sqrt((x_RK**2).sum(axis=1) * (y_RK**2).sum(axis=1))
    return np.arctanh(np.clip((x_RK * y_RK).sum(axis=1) / np.where(spread_R > 0, spread_R, np.inf), -1 + 1e-9, 1 - 1e-9))


def _difference(pair: tuple[str, str], drawn: Mapping[str, Any | None]) -> Difference:
    from scipy.stats import norm

    one_R, other_R = (drawn[name] for name in pair)
    if one_R is None or other_R is None:
        return Difference(one=pair[0], other=pair[1], value=None, ci95=None, p_value=None)
    value = float(np.tanh(one_R[0]) - np.tanh(other_R[0]))
    apart_R = one_R - other_R
    low, high = np.quantile(np.tanh(one_R[1:]) - np.tanh(other_R[1:]), [0.025, 0.975])
    p = 2 * float(norm.sf(abs(apart_R[0]) / np.std(apart_R[1:])))
    return Difference(one=pair[0], other=pair[1], value=value, ci95=(float(low), float(high)), p_value=p)
