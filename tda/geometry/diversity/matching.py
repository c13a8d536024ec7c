"""Diversity at matched fidelity: what guided images are like where two guides follow the prompt equally well.

A arms (guides), P prompts, S strengths of guidance, ascending, L levels of fidelity. At one strength guides are not comparable: a guide
that follows its prompts less has more diverse images. So each arm is read where its mean fidelity reaches a level.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.errors import UserError


@dataclass(frozen=True)
class Matched:
    """`level_L`: fidelities that every arm reaches. `measure_APL`: each prompt's measure there, adjusted for its own fidelity.

    The adjustment, the slope of the mean curve times the prompt's fidelity less the level, leaves the mean over prompts as it is. With it
    the spread over prompts is that of the matched mean, the uncertainty of the matching included (the delta method).
    """

    level_L: Any
    strength_AL: Any
    measure_APL: dict[str, Any]


def levels(fidelity_APS: Any, count: int) -> Any:
    """`count` fidelities evenly inside the range that the mean curves of all arms have in common, (L,).

    Raises UserError where they have none.
    """
    mean_AS = fidelity_APS.mean(axis=1)
    low, high = float(mean_AS[:, 0].max()), float(mean_AS.max(axis=1).min())
    if not high > low:
        raise UserError(
            f"no fidelity is reached by every arm: the weakest guidance has {low:.3f} or more in one, the strongest {high:.3f} in another; "
            "add strengths"
        )
    return low + (high - low) * (np.arange(count) + 1) / (count + 1)


def matched(fidelity_APS: Any, measures: dict[str, Any], strength_AS: Any, level_L: Any) -> Matched:
    """Every measure (A, P, S) at the levels, between strengths in proportion to fidelity. Raises UserError for a level that is not reached.

    `strength_AS`: each arm's own strengths.
    """
    arms, prompts, _ = fidelity_APS.shape
    strength_AL = np.empty((arms, len(level_L)))
    found = {name: np.empty((arms, prompts, len(level_L))) for name in measures}
    for arm in range(arms):
        mean_S = fidelity_APS[arm].mean(axis=0)
        for place, level in enumerate(level_L):
            lower, share = crossing(mean_S, float(level))
            pair, weights = slice(lower, lower + 2), np.array([1 - share, share])
            strength_AL[arm, place] = strength_AS[arm, pair] @ weights
            own_P = fidelity_APS[arm][:, pair] @ weights
            rise = float(mean_S[lower + 1] - mean_S[lower])
            for name, measure_APS in measures.items():
                slope = float(np.diff(measure_APS[arm][:, pair].mean(axis=0))[0]) / rise
                found[name][arm, :, place] = measure_APS[arm][:, pair] @ weights - slope * (own_P - own_P.mean())
    return Matched(level_L, strength_AL, found)


def crossing(mean_S: Any, level: float) -> tuple[int, float]:
    """Where a curve first rises through a level: the place before it, and the share of the way to the next. Raises UserError if never."""
    for lower in range(len(mean_S) - 1):
        before, after = float(mean_S[lower]), float(mean_S[lower + 1])
        if before <= level <= after and after > before:
            return lower, (level - before) / (after - before)
    raise UserError(f"fidelity {level:.3f} is not reached by an arm: {float(min(mean_S)):.3f} to {float(max(mean_S)):.3f} are")
