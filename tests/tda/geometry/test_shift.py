"""Shifts of distributions from counts, against scipy on the values."""

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm

from tda.errors import UserError
from tda.geometry import shift as module
from tda.geometry.shift import BINS, Shift, Values, coarser, histogram, ks_distance, quantile, shift


def drawn(n: int, mean: float, seed: int, spread: float = 0.05) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(mean, spread, n), -1, 1)


def shifted(one: np.ndarray, other: np.ndarray, **options: int) -> Shift:
    return shift(Values.of(one), Values.of(other), **options)


def test_distances_and_quantiles_are_those_of_the_values() -> None:
    one, other = drawn(3000, 0.80, 1).round(3), drawn(2000, 0.76, 2).round(3)  # with ties
    first, second = Values.of(one), Values.of(other)
    assert ks_distance(first, second) == pytest.approx(ks_2samp(one, other).statistic, abs=1e-12)
    shares = [0.0, 0.05, 0.5, 0.7512, 1.0]
    assert first.quantile(shares) == pytest.approx(np.quantile(one, shares), abs=1e-12)
    assert ks_distance(first, first) == 0
    for share in shares:
        assert quantile(histogram(one), share) == pytest.approx(np.quantile(one, share), abs=2e-3)


def test_values_merge_as_the_rows_do_and_become_a_grid_where_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = drawn(300, 0.8, 1).round(2), drawn(200, 0.7, 2)
    merged, whole = Values.of(one).merge(Values.of(other)), Values.of(np.concatenate([one, other]))
    assert np.array_equal(merged.value_F, whole.value_F)
    assert np.array_equal(merged.count_F, whole.count_F)
    assert (merged.rows, len(merged.value_F)) == (500, len(np.unique(np.concatenate([one, other]))))
    assert np.array_equal(merged.counts(), histogram(np.concatenate([one, other])))
    monkeypatch.setattr(module, "MOST_VALUES", 100)
    rounded = Values.of(np.concatenate([one, other]))
    assert rounded.rows == 500
    assert np.array_equal(rounded.value_F, np.round(rounded.value_F * 2**20) / 2**20)
    assert ks_distance(rounded, whole) <= 1.0
    assert rounded.quantile(0.5) == pytest.approx(float(whole.quantile(0.5)), abs=1e-6)


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
        found = shifted(drawn(400, 0.80, seed), drawn(400, 0.77, 1000 + seed), draws=200, seed=seed)
        low, high = found.median_ci95
        assert low <= found.median_difference <= high
        assert found.ks_ci95[0] < found.ks < found.ks_ci95[1]
        held += low <= truth <= high
    assert held >= 34  # 38 expected; fewer than 34 of 40 happen in one of 80 such tests


@pytest.mark.long
@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (0.1, 1.0), (0.4, 1.0), (1.5, 1.0), (0.0, 1.5)])
@pytest.mark.parametrize(("rows", "others"), [(80, 80), (300, 120)])
def test_the_interval_of_the_distance_covers_it(rows: int, others: int, mean: float, spread: float) -> None:
    """Equal, close, apart, and two places of the largest difference: 92 to 98 % of 400 draws, plus two standard errors of that count."""
    place = np.linspace(-8, 8, 20_001)
    truth = float(np.abs(norm.cdf(place) - norm.cdf((place - mean) / spread)).max())
    held = middle = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        one, other = 0.1 * rng.normal(size=rows), 0.1 * (mean + spread * rng.normal(size=others))
        found = shifted(one, other, draws=200, seed=seed)
        held += found.ks_ci95[0] <= truth <= found.ks_ci95[1]
        middle += found.median_ci95[0] <= -0.1 * mean <= found.median_ci95[1]
    assert 0.92 - 0.02 <= held / 400 <= 0.98 + 0.014
    assert 0.92 - 0.02 <= middle / 400 <= 0.98 + 0.014


def test_equal_distributions_have_an_interval_that_begins_at_nothing() -> None:
    found = [shifted(drawn(200, 0.5, seed), drawn(200, 0.5, 500 + seed), draws=100).ks_ci95[0] for seed in range(20)]
    assert sum(low == 0 for low in found) >= 17
    assert shifted(drawn(200, 0.5, 1), drawn(200, 0.8, 2)).ks_ci95[0] > 0.8


def test_the_same_seed_gives_the_same_shift() -> None:
    one, other = drawn(100, 0.5, 1), drawn(100, 0.6, 2)
    assert shifted(one, other, seed=4) == shifted(one, other, seed=4) != shifted(one, other, seed=5)
    assert shifted(one, other).median_difference < 0


def test_nothing_has_no_distribution() -> None:
    with pytest.raises(UserError, match="no rows"):
        quantile(histogram([]), 0.5)
    with pytest.raises(UserError, match="no rows"):
        Values.of([]).quantile(0.5)
    with pytest.raises(UserError, match="no rows"):
        shift(Values.of([]), Values.of([0.5]))
