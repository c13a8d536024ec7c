"""Shifts of distributions from counts, against scipy on the values."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from tda.errors import UserError
from tda.geometry.shift import BINS, coarser, histogram, ks_distance, quantile, shift


def drawn(n: int, mean: float, seed: int, spread: float = 0.05) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(mean, spread, n), -1, 1)


def test_distances_and_quantiles_are_those_of_the_values() -> None:
    one, other = drawn(3000, 0.80, 1), drawn(2000, 0.76, 2)
    counts = histogram(one), histogram(other)
    assert ks_distance(*counts) == pytest.approx(ks_2samp(one, other).statistic, abs=2e-3)  # bins of 1e-4 at a density of 8
    for share in (0.0, 0.05, 0.5, 0.95, 1.0):
        assert quantile(counts[0], share) == pytest.approx(np.quantile(one, share), abs=3e-4 if 0 < share < 1 else 1e-4)
    assert ks_distance(counts[0], counts[0]) == 0


def test_counts_merge_and_ends_belong_to_a_bin() -> None:
    values = np.array([-1.0, 1.0, 1.0000001, -1.0000001, 0.0])
    counts = histogram(values)
    assert (counts[0], counts[-1], counts.sum()) == (2, 2, 5)
    assert np.array_equal(histogram(values[:2]) + histogram(values[2:]), counts)
    assert coarser(counts, 4).tolist() == [2, 0, 1, 2]
    assert len(counts) == BINS


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    truth, held = 0.03, 0
    for seed in range(40):
        found = shift(histogram(drawn(400, 0.80, seed)), histogram(drawn(400, 0.77, 1000 + seed)), draws=200, seed=seed)
        low, high = found.median_ci95
        assert low <= found.median_difference <= high
        assert found.ks_ci95[0] < found.ks_ci95[1]
        held += low <= truth <= high
    assert held >= 34  # 38 expected; fewer than 34 of 40 happen in one of 80 such tests


def test_the_same_seed_gives_the_same_shift() -> None:
    counts = histogram(drawn(100, 0.5, 1)), histogram(drawn(100, 0.6, 2))
    assert shift(*counts, seed=4) == shift(*counts, seed=4) != shift(*counts, seed=5)
    assert shift(*counts).median_difference < 0


def test_nothing_has_no_distribution() -> None:
    none = histogram([])
    with pytest.raises(UserError, match="no rows"):
        quantile(none, 0.5)
    with pytest.raises(UserError, match="no rows"):
        shift(none, histogram([0.5]))
