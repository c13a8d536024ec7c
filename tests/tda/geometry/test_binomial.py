"""Binomial intervals, held to scipy's."""

from typing import Any

import pytest
from scipy.stats import binomtest

from tda.geometry.binomial import METHODS, interval


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (8, 10), (10, 10), (1, 1), (1987, 2000)])
def test_the_interval_is_that_of_scipy(successes: int, trials: int, method: Any) -> None:
    wanted = binomtest(successes, trials).proportion_ci(method=method)
    assert interval(successes, trials, method) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_without_trials_nothing_is_known(method: str) -> None:
    assert interval(0, 0, method) == (0.0, 1.0)
