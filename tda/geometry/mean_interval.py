"""The mean of a few independent repeats, such as seeds, with Student's interval."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tda.errors import UserError


class MeanInterval(NamedTuple):
    """The mean of `repeats` values, and the interval that covers the true one with the asked confidence."""

    mean: float
    low: float
    high: float
    repeats: int


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> MeanInterval:
    """Student's t interval of a mean: exact for normal values, of any number of repeats from two.

    Raises UserError for fewer than two values: one repeat has no spread.
    """
    from scipy.stats import t  # imported here: it takes a second

    if len(values) < 2:
        raise UserError(f"an interval over repeats needs at least 2 values, here are {len(values)}")
    found = np.asarray(values, np.float64)
    half = float(t.ppf((1 + confidence) / 2, len(found) - 1)) * found.std(ddof=1) / len(found) ** 0.5
    return MeanInterval(float(found.mean()), float(found.mean() - half), float(found.mean() + half), len(found))
