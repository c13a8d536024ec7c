"""Cosines against their definitions: quantiles, merges, the fine histogram that replaces many values, means over all partners."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tda.errors import UserError
from tda.geometry import cosine
from tda.geometry.cosine import Cosines, cross_mean, cross_std, within_mean
from tda.geometry.spectrum.moments import Moments


def test_a_fine_histogram_stands_in_for_many_values() -> None:
    values = np.clip(np.random.default_rng(0).normal(0.2, 0.2, 200_000), -1, 1)
    exact, fine = Cosines.of(values), reduce(Cosines.merge, [Cosines.of(part, exact=False) for part in np.split(values, 4)])
    assert fine.values is None
    assert fine.quantiles() == pytest.approx(exact.quantiles(), abs=3e-5)  # spacing of the values, more than the bins
    assert (fine.mean, fine.std) == pytest.approx((exact.mean, exact.std), abs=1e-13)
    assert np.abs(fine.histogram(200) - exact.histogram(200)).max() <= 5
    assert fine.histogram(200).sum() == len(values)


def test_values_beyond_the_bound_become_a_histogram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosine, "EXACT_VALUES", 100)
    values = np.linspace(-1, 1, 120)
    merged = Cosines.of(values[:80]).merge(Cosines.of(values[80:]))
    assert merged.values is None
    assert merged.count == merged.fine_counts().sum() == 120
    assert merged.quantiles([0.5])["0.5"] == pytest.approx(0, abs=0.01)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.integers(0, 99))
def test_parts_merge_to_the_statistics_of_the_whole(sizes: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).uniform(-1, 1, sum(sizes))
    merged = reduce(Cosines.merge, [Cosines.of(part) for part in np.split(values, np.cumsum(sizes)[:-1])])
    np.testing.assert_array_equal(merged.values, values)  # in the order of merging
    assert merged.count == len(values)
    assert (merged.mean, merged.std) == pytest.approx((values.mean(), values.std()), abs=1e-14)
    shares = (0.0, 0.01, 0.3, 0.5, 1.0)
    expected = dict(zip(("0", "0.01", "0.3", "0.5", "1"), np.quantile(values, shares), strict=True))
    assert merged.quantiles(shares) == pytest.approx(expected)


def test_one_exact_part_and_one_binned_part_merge_to_a_histogram() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, 300)
    merged = Cosines.of(values[:100]).merge(Cosines.of(values[100:], exact=False))
    assert merged.values is None
    np.testing.assert_array_equal(merged.fine_counts(), Cosines.of(values).fine_counts())
    assert (merged.mean, merged.std) == pytest.approx((values.mean(), values.std()), abs=1e-14)


def test_a_quantile_of_the_histogram_is_off_by_half_a_bin_at_most() -> None:
    """257 values and shares in steps of 1/32: each quantile is one of the values, so that interpolation adds nothing."""
    values = np.sort(np.random.default_rng(1).uniform(-1, 1, 257))
    shares = np.arange(33) / 32
    found = np.array(list(Cosines.of(values, exact=False).quantiles(shares).values()))
    assert np.abs(found - values[::8]).max() <= 1 / cosine.FINE_BINS + 1e-12


@pytest.mark.parametrize("exact", [True, False])
def test_the_histogram_counts_each_value_in_its_bin_and_both_ends(exact: bool) -> None:
    values = np.array([-1.0, -1.0, -0.76, -0.1, 0.26, 0.99, 1.0])
    np.testing.assert_array_equal(Cosines.of(values, exact).histogram(8), [2 + 1, 0, 0, 1, 0, 1, 0, 2])
    assert Cosines.of(np.array([1 + 1e-9, -1 - 1e-9]), exact).histogram(2).tolist() == [1, 1]  # rounding beyond the ends


def test_means_over_all_partners_are_those_of_the_whole_matrix() -> None:
    rng = np.random.default_rng(2)
    image_ND, text_ND = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in rng.standard_normal((2, 57, 9)) + 0.4)
    other_NN = ~np.eye(57, dtype=bool)
    image, text, pair = Moments.of(image_ND), Moments.of(text_ND), Cosines.of((image_ND * text_ND).sum(axis=1))
    assert cross_mean(image, text, pair) == pytest.approx((image_ND @ text_ND.T)[other_NN].mean(), abs=1e-14)
    assert within_mean(text) == pytest.approx((text_ND @ text_ND.T)[other_NN].mean(), abs=1e-14)


def test_metrics_name_every_kind() -> None:
    rng = np.random.default_rng(3)
    image_ND, text_ND = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in rng.standard_normal((2, 30, 5)))
    pair, shifted = (Cosines.of((image_ND * other_ND).sum(axis=1)) for other_ND in (text_ND, np.roll(text_ND, -15, axis=0)))
    found = cosine.metrics(Moments.of(image_ND), Moments.of(text_ND), pair, shifted, [0.5])
    assert found["pair"] == {"mean": pair.mean, "std": pair.std, "quantiles": pair.quantiles([0.5])}
    others = (image_ND @ text_ND.T)[~np.eye(30, dtype=bool)]
    assert found["random"]["std"] == pytest.approx(others.std(), abs=1e-12)
    assert found["random"]["quantiles"] == shifted.quantiles([0.5])
    assert found["random"]["mean"] == cross_mean(Moments.of(image_ND), Moments.of(text_ND), pair)
    assert (set(found["image_image"]), set(found["text_text"])) == ({"mean"}, {"mean"})


@pytest.mark.parametrize("gap", [0.0, 3.0])
def test_the_spread_over_all_partners_is_that_of_the_whole_matrix(gap: float) -> None:
    """Beside a large gap too, and where all rows are equal: squares are sums of products of two Gram matrices."""
    rng = np.random.default_rng(4)
    both = rng.standard_normal((2, 80, 12)) + np.array([[[gap]], [[gap / 2]]])
    image_ND, text_ND = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in both)
    pair = Cosines.of((image_ND * text_ND).sum(axis=1))
    wanted = (image_ND @ text_ND.T)[~np.eye(80, dtype=bool)].std()
    assert cross_std(Moments.of(image_ND), Moments.of(text_ND), pair) == pytest.approx(wanted, abs=1e-12)
    equal = np.ones((5, 4)) / 2
    assert cross_std(Moments.of(equal), Moments.of(equal), Cosines.of(np.ones(5))) == 0


def test_one_pair_has_no_random_partner() -> None:
    one = Moments.of(np.eye(1, 4))
    with pytest.raises(UserError, match="random cosines need at least 2 pairs and got 1"):
        cross_mean(one, one, Cosines.of(np.ones(1)))
