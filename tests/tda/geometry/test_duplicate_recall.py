"""Recall by kind and precision of what a rule has found, and binomial intervals held to scipy's."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from tda.geometry.duplicate_recall import METHODS, duplicate_recall, interval, recovery


def test_counts_shares_and_intervals() -> None:
    kind_N = np.array(["exact"] * 4 + ["cropped"] * 6 + [""] * 90)
    found_N = np.zeros(100, dtype=bool)
    found_N[[0, 1, 2, 3, 4, 5, 50, 51]] = True
    named_N = np.zeros(100, dtype=bool)
    named_N[[0, 1, 2, 4, 60]] = True
    cropped, exact, whole = recovery(found_N, kind_N, named_N)
    assert [one.kind for one in (cropped, exact, whole)] == ["cropped", "exact", ""]
    assert (exact.planted, exact.found, exact.recall, exact.source_named) == (4, 4, 1.0, 3)
    assert (cropped.planted, cropped.found, cropped.recall, cropped.source_named) == (6, 2, pytest.approx(1 / 3), 1)
    assert (whole.planted, whole.found, whole.others, whole.precision) == (10, 6, 2, 0.75)
    assert cropped.precision == 0.5
    assert exact.recall_low < 1.0 == exact.recall_high
    assert cropped.recall_low < cropped.recall < cropped.recall_high


def test_nothing_planted_and_nothing_found() -> None:
    (whole,) = recovery(np.zeros(3, dtype=bool), np.array(["", "", ""]), np.zeros(3, dtype=bool))
    assert (whole.planted, whole.found, whole.recall, whole.precision, whole.recall_low, whole.recall_high) == (0, 0, 0.0, 1.0, 0.0, 1.0)


def test_recall_counts_duplicates_and_knows_how_sure_it_is() -> None:
    exact, found = np.array([0.99, 0.96, 0.96, 0.5]), np.array([0.99, 0.96, 0.91, 0.4])
    some, none = duplicate_recall(exact, found, [0.999, 0.95, 0.95])
    assert (some["duplicates"], some["found"], some["recall"]) == (3, 2, 2 / 3)
    assert (none["recall"], none["low"], none["high"]) == (None, 0.0, 1.0)
    low, high = interval(8, 10)
    assert (round(low, 4), round(high, 4)) == (0.4439, 0.9748)  # Clopper and Pearson's tables
    assert interval(0, 10)[0] == 0
    assert interval(10, 10)[1] == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (8, 10), (10, 10), (1, 1), (1987, 2000)])
def test_the_interval_is_that_of_scipy(successes: int, trials: int, method: Any) -> None:
    wanted = binomtest(successes, trials).proportion_ci(method=method)
    assert interval(successes, trials, method) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_without_trials_nothing_is_known(method: str) -> None:
    assert interval(0, 0, method) == (0.0, 1.0)
