"""Conjecture 2: are the images of one guide more diverse than those of another, at matched fidelity?

P prompts in C clusters, L levels of fidelity, R draws. Prompts of one cluster are not independent: clusters are resampled, and their signs
are flipped.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tda.errors import UserError

LEAST_CLUSTERS = 12  # with fewer a bootstrap over clusters covers too little
LEVEL = 0.05


def difference(first_PL: Any, second_PL: Any, cluster_P: Any, *, draws: int, seed: int) -> list[dict[str, Any]]:
    """At each level the mean of second - first over prompts, its 95 % interval, and the p-value of a sign-flip permutation, two-sided.

    The bootstrap resamples clusters; the permutation exchanges both guides within whole clusters. Raises UserError for fewer than 12.
    """
    _, place_P = np.unique(cluster_P, return_inverse=True)
    count = int(place_P.max()) + 1
    if count < LEAST_CLUSTERS:
        raise UserError(f"{count} clusters of prompts are too few; at least {LEAST_CLUSTERS} are needed")
    apart_PL = second_PL - first_PL
    sum_CL = np.zeros((count, apart_PL.shape[1]))
    np.add.at(sum_CL, place_P, apart_PL)
    size_C = np.bincount(place_P, minlength=count)
    rng = np.random.default_rng(seed)
    times_RC = rng.multinomial(count, np.full(count, 1 / count), size=draws)
    drawn_RL = (times_RC @ sum_CL) / (times_RC @ size_C)[:, None]
    low_L, high_L = np.quantile(drawn_RL, [0.025, 0.975], axis=0)
    flipped_RL = np.abs(rng.choice([-1.0, 1.0], size=(draws, count)) @ sum_CL)
    seen_L = np.abs(sum_CL.sum(axis=0))
    p_L = (1 + (flipped_RL >= seen_L * (1 - 1e-12)).sum(axis=0)) / (draws + 1)
    mean_L = apart_PL.mean(axis=0)
    return [
        {"value": float(mean), "ci95": [float(low), float(high)], "p_value": float(p)}
        for mean, low, high, p in zip(mean_L, low_L, high_L, p_L, strict=True)
    ]


def verdict(differences: Mapping[str, list[dict[str, Any]]]) -> str:
    """`supported` if both measures are clearly larger at every level, `reversed` if clearly smaller at every level.

    Else `not supported` where any is clearly smaller at a level; else `undecided`.
    A difference is clear where its interval excludes 0 and its p-value is below 5 %.
    """
    signs = [_clear(one) for levels in differences.values() for one in levels]
    if all(sign > 0 for sign in signs):
        return "supported"
    if all(sign < 0 for sign in signs):
        return "reversed"
    return "not supported" if any(sign < 0 for sign in signs) else "undecided"


def _clear(one: Mapping[str, Any]) -> int:
    low, high = one["ci95"]
    return 0 if one["p_value"] >= LEVEL else int(low > 0) - int(high < 0)
