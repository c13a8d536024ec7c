"""Recall by kind and precision of what a rule has found, and binomial intervals held to scipy's."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from tda.geometry.duplicate_recall import METHODS, clustered_interval, duplicate_recall, interval, recovery


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


def test_clusters_that_differ_widen_the_interval_and_clusters_that_do_not_leave_it() -> None:
    trials = np.full(20, 30)
    alike, apart = np.full(20, 27), np.repeat([30, 24], 10)
    plain, same, wide = interval(540, 600), clustered_interval(alike, trials), clustered_interval(apart, trials)
    assert wide[0] < same[0] <= plain[0] < 0.9 < plain[1] <= same[1] < wide[1]
    assert clustered_interval(trials, trials) == interval(600, 600)
    assert clustered_interval([], []) == clustered_interval([0, 0], [0, 0]) == (0.0, 1.0)
    assert clustered_interval([8, 0], [10, 0]) == interval(8, 10), "one shard has no spread to see"


def test_the_shards_of_a_recall_are_those_of_its_queries() -> None:
    exact, shard = np.full(600, 0.97), np.repeat(np.arange(20), 30)
    found = np.where(np.tile(np.arange(30), 20) < np.repeat(np.repeat([30, 24], 10), 30), 0.97, 0.1)
    (one,) = duplicate_recall(exact, found, [0.95], shard)
    assert (one["low"], one["high"]) == pytest.approx(clustered_interval(np.repeat([30, 24], 10), np.full(20, 30)))


@pytest.mark.parametrize("correlation", [0.02, 0.1])
def test_the_interval_by_shard_covers_where_the_plain_one_does_not(correlation: float) -> None:
    """64 of many shards, 16 duplicates each, a recall of .95 that differs between shards: 600 draws, 92 to 98 % must cover."""
    rng, truth = np.random.default_rng(0), 0.95
    shape = truth * (1 / correlation - 1), (1 - truth) * (1 / correlation - 1)
    held = np.zeros(2)
    for _ in range(600):
        trials = rng.poisson(16, 64)
        found = rng.binomial(trials, rng.beta(*shape, 64))
        ends = clustered_interval(found, trials), interval(int(found.sum()), int(trials.sum()))
        held += [low <= truth <= high for low, high in ends]
    clustered, plain = held / 600
    assert 0.92 <= clustered <= 0.98
    assert plain < clustered
    assert correlation < 0.1 or plain < 0.85
