"""Conjecture 1: are images more diverse where the cluster of their prompt has more dimensions?

C clusters of a guide's space, Z covariates. By arm: partial Spearman correlation of a cluster's dimension, from equally many texts of each
cluster, and the diversity of its prompts' images at matched fidelity, given the covariates.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.errors import UserError

LEVEL = 0.05
POWER = 0.8
SPEARMAN = 1.06  # its variance against Pearson's (Fieller 1957)
COVARIATES = ("size", "caption_length", "spread", "purity")


@dataclass(frozen=True, kw_only=True)
class Partial:
    """A partial Spearman correlation over `clusters`, its 95 % interval, one-sided p-values, and the power to find `detectable`."""

    value: float
    ci95: tuple[float, float]
    p_larger: float
    p_smaller: float
    clusters: int
    power: float


def rarefied_rank(rows_ND: Any, size: int, *, draws: int = 20, seed: int = 0) -> float:
    """Effective rank (exp of the entropy of the covariance's eigenvalues) of `size` rows, the mean over draws of so many of the N.

    Clusters of different size are compared by equally many rows. Raises UserError for fewer rows than `size`, or `size` below 3.
    """
    if size < 3 or len(rows_ND) < size:
        raise UserError(f"{size} rows of {len(rows_ND)} cannot be drawn; at least 3 are needed")
    rng = np.random.default_rng(seed)
    return float(np.mean([_rank(rows_ND[rng.choice(len(rows_ND), size, replace=False)]) for _ in range(draws)]))


def _rank(rows_ND: Any) -> float:
    values = np.linalg.svd(rows_ND - rows_ND.mean(axis=0), compute_uv=False) ** 2
    if values.sum() <= 0:
        return 1.0
    share = values[values > 0] / values.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def partial_spearman(x_C: Any, y_C: Any, given_CZ: Any, *, draws: int, detectable: float, seed: int) -> Partial:
    """Correlation of what the covariates' ranks leave of the ranks of x and y; p-values by permuting what they leave of y.

    (Freedman and Lane 1983.) The interval is Fisher's, with a degree of freedom less for each covariate that varies. `power`: of the
    one-sided test at 5 % for a correlation of `detectable`. Raises UserError with too few clusters for any degree of freedom.
    """
    from scipy.stats import rankdata

    ranks_C = [rankdata(one) for one in (x_C, y_C)]
    given = [rankdata(one) for one in np.asarray(given_CZ).T if np.ptp(one) > 0]
    base = np.column_stack([np.ones(len(x_C)), *given])
    free = len(x_C) - 3 - len(given)
    if free < 1:
        raise UserError(f"{len(x_C)} clusters are too few for {len(given)} covariates")
    x_left, y_left = (one - base @ np.linalg.lstsq(base, one, rcond=None)[0] for one in ranks_C)
    value = _correlation(x_left, y_left)
    rng = np.random.default_rng(seed)
    shuffled_RC = rng.permuted(np.tile(y_left, (draws, 1)), axis=1)
    left_RC = shuffled_RC - shuffled_RC @ (base @ np.linalg.pinv(base))
    length_R = np.linalg.norm(left_RC, axis=1) * np.linalg.norm(x_left)
    drawn_R = np.where(length_R > 1e-9, left_RC @ x_left / np.maximum(length_R, 1e-9), 0.0)
    half = 1.959964 * math.sqrt(SPEARMAN / free)
    bent = math.atanh(max(-0.999999, min(0.999999, value)))
    return Partial(
        value=value,
        ci95=(math.tanh(bent - half), math.tanh(bent + half)),
        p_larger=float((1 + (drawn_R >= value - 1e-12).sum()) / (draws + 1)),
        p_smaller=float((1 + (drawn_R <= value + 1e-12).sum()) / (draws + 1)),
        clusters=len(x_C),
        power=power_at(detectable, free),
    )


def power_at(correlation: float, free: int) -> float:
    """The chance that the one-sided test at 5 % finds a partial correlation, by Fisher's z with `free` degrees of freedom."""
    shift = math.atanh(correlation) / math.sqrt(SPEARMAN / max(free, 1))
    return 0.5 * (1 + math.erf((shift - 1.644854) / math.sqrt(2)))


def verdict(arms: Mapping[str, Partial], detectable: float) -> str:
    """Of all arms together: `supported` or `reversed` where every arm is, `not supported` where every interval excludes `detectable`.

    `refused` where an arm's power is below 80 %, else `undecided`. An arm is never counted alone: all guides see the same prompts.
    """
    found: Sequence[Partial] = list(arms.values())
    if not found or any(one.power < POWER for one in found):
        return "refused"
    if all(one.p_larger < LEVEL and one.ci95[0] > 0 for one in found):
        return "supported"
    if all(one.p_smaller < LEVEL and one.ci95[1] < 0 for one in found):
        return "reversed"
    return "not supported" if all(one.ci95[1] < detectable for one in found) else "undecided"


def _correlation(x_C: Any, y_C: Any) -> float:
    length = float(np.linalg.norm(x_C) * np.linalg.norm(y_C))
    return float(x_C @ y_C) / length if length > 1e-9 else 0.0
