"""Moments and spectra against LAPACK's SVD, planted spectra, and degenerate rows."""

from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from tda.errors import UserError
from tda.geometry.spectrum.moments import PART_ROWS, Moments, covariance_spectrum


def by_svd(x_ND: Any) -> Any:
    x_ND = x_ND.astype(np.float64)
    return np.linalg.svd(x_ND - x_ND.mean(0), compute_uv=False) ** 2 / (len(x_ND) - 1)


def close(one: Moments, other: Moments) -> None:
    assert one.n == other.n
    np.testing.assert_allclose(one.mean_D, other.mean_D, atol=1e-13)
    np.testing.assert_allclose(one.scatter_DD, other.scatter_DD, atol=1e-11)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_spectrum_equals_svd_above_the_floor(planted: Any, dtype: str) -> None:
    x_ND = planted(5000, np.logspace(-2, -6, 96), mean=1.0).astype(dtype)
    found = covariance_spectrum(x_ND, stored="float64")
    np.testing.assert_allclose(found.singular_values, by_svd(x_ND), rtol=1e-9, atol=found.floor)


def test_small_variances_survive_a_large_mean(planted: Any) -> None:
    """Raw sums would leave eps · mean² = 2e-16 of the values here: nothing of the last ones."""
    variances_D = np.logspace(-8, -16, 32)
    found = covariance_spectrum(planted(3000, variances_D, mean=1.0))
    np.testing.assert_allclose(found.singular_values, variances_D, rtol=1e-6)


def test_sums_are_those_of_the_rows(planted: Any) -> None:
    x_ND = planted(3001, np.linspace(2, 1, 17), mean=3.0)
    moments = Moments.of(x_ND)
    np.testing.assert_allclose(moments.sum_D, x_ND.sum(0), rtol=1e-11)
    np.testing.assert_allclose(moments.gram_DD, x_ND.T @ x_ND, rtol=1e-11, atol=1e-9)
    np.testing.assert_allclose(moments.covariance(), np.cov(x_ND.T), atol=1e-12)


def test_many_rows_give_the_same_bits_on_any_number_of_cores(planted: Any) -> None:
    x_ND = planted(3 * PART_ROWS + 7, np.logspace(0, -8, 24), mean=1.0).astype(np.float32)
    x_ND[-1] = 40  # the last part is its own
    found = []
    for cores in (1, 2, 3):
        with threadpool_limits(cores):
            found.append(Moments.of(x_ND))
    for other in found[1:]:
        np.testing.assert_array_equal(other.mean_D, found[0].mean_D)
        np.testing.assert_array_equal(other.scatter_DD, found[0].scatter_DD)
    wide_ND = x_ND.astype(np.float64)
    np.testing.assert_allclose(found[0].covariance(), np.cov(wide_ND.T), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(covariance_spectrum(x_ND, stored="float64").singular_values, by_svd(x_ND), rtol=1e-8, atol=1e-15)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.randoms(use_true_random=False), st.integers(1, 9))
def test_merging_in_any_order_and_grouping_gives_the_whole(sizes: list[int], random: Any, dim: int) -> None:
    rng = np.random.default_rng(sum(sizes) + dim)
    blocks = [rng.standard_normal((size, dim)) + rng.standard_normal(dim) for size in sizes]
    parts = [Moments.of(block) for block in blocks]
    random.shuffle(parts)
    while len(parts) > 1:
        left = parts.pop(random.randrange(len(parts)))
        right = parts.pop(random.randrange(len(parts)))
        parts.append(left.merge(right))
        np.testing.assert_array_equal(left.merge(right).scatter_DD, right.merge(left).scatter_DD)
    close(parts[0], Moments.of(np.concatenate(blocks)))


def test_both_modalities_merge_into_the_spectrum_of_the_stack(planted: Any) -> None:
    image_ND, text_ND = planted(800, np.linspace(2, 1, 12), 1.0, seed=1), planted(700, np.linspace(3, 1, 12), 2.0, seed=2)
    both = Moments.of(image_ND).merge(Moments.of(text_ND)).spectrum()
    np.testing.assert_allclose(both.singular_values, by_svd(np.concatenate([image_ND, text_ND])), rtol=1e-10)


def test_rotation_and_order_leave_the_spectrum(planted: Any) -> None:
    x_ND = planted(900, np.logspace(0, -3, 24))
    turn, _ = np.linalg.qr(np.random.default_rng(5).standard_normal((24, 24)))
    one, other = covariance_spectrum(x_ND), covariance_spectrum((x_ND @ turn)[::-1])
    np.testing.assert_allclose(one.singular_values, other.singular_values, rtol=1e-10)
    assert (one.effective_rank, one.auc) == pytest.approx((other.effective_rank, other.auc), rel=1e-10)


@pytest.mark.parametrize("n", [1000, 3000])
def test_a_planted_collapse_is_found_and_its_tail_marked(planted: Any, n: int) -> None:
    """Variance in 400 of 512 directions, around a mean as of CLIP's rows: the rest is what storage makes of it."""
    x_ND = planted(n, np.r_[np.logspace(-2, -4, 400), np.zeros(112)], mean=0.7)
    for dtype in ("float16", "float32", "float64"):
        found = covariance_spectrum(x_ND.astype(dtype))
        assert found.collapse_index == 400
        assert found.singular_values[400] < found.floor < found.singular_values[399]
        if dtype == "float16":  # the bound on rounding is not a loose one
            assert found.floor < 10 * found.singular_values[400]


def test_the_floor_follows_the_dimensions_that_rounding_hits(planted: Any) -> None:
    """One entry of a large mean carries most of the rounding: directions without it are not marked on its account."""
    x_ND = planted(4000, np.r_[np.logspace(-2, -4, 60), np.full(4, 1e-8)])
    turned_ND = x_ND @ np.linalg.eigh(np.cov(x_ND.T))[1]
    turned_ND[:, -1] += 8.0
    found = covariance_spectrum(turned_ND.astype(np.float16))
    assert found.floor < 1e-8
    np.testing.assert_allclose(found.singular_values[60:], 1e-8, rtol=0.2)


def test_float16_rows_held_in_float32_keep_their_floor(planted: Any) -> None:
    x_ND = planted(2000, np.r_[np.ones(20), np.zeros(12)]).astype(np.float16)
    wide = covariance_spectrum(x_ND.astype(np.float32), stored="float16")
    assert wide.floor == pytest.approx(covariance_spectrum(x_ND).floor, rel=1e-12)


def test_measures_of_a_flat_and_of_a_single_direction(planted: Any) -> None:
    flat = covariance_spectrum(planted(500, np.ones(16)))
    assert (flat.effective_rank, flat.participation_ratio, flat.auc) == pytest.approx((16, 16, 1), rel=1e-9)
    assert flat.collapse_index == 16
    line = covariance_spectrum(planted(500, np.r_[1.0, np.zeros(15)]))
    assert (line.effective_rank, line.participation_ratio, line.auc) == pytest.approx((1, 1, 1 / 16), rel=1e-9)
    assert line.collapse_index == 1


def test_measures_by_their_formulas(planted: Any) -> None:
    values = np.array([1.0, 0.1, 1e-2, 1e-5, 1e-9])
    found = covariance_spectrum(planted(400, values), threshold=0.05)
    share = values / values.sum()
    assert found.effective_rank == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-6)
    assert found.participation_ratio == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-9)
    assert found.collapse_index == 2
    assert found.auc == pytest.approx(np.mean([1, 5 / 6, 4 / 6, 1 / 6, 0]), rel=1e-6)


def test_fewer_rows_than_dimensions() -> None:
    x_ND = np.random.default_rng(0).standard_normal((20, 50))
    found = covariance_spectrum(x_ND)
    np.testing.assert_allclose(found.singular_values[:19], by_svd(x_ND)[:19], rtol=1e-10)
    assert (found.singular_values[19:] < found.floor).all()
    assert found.collapse_index == 19


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equal_rows_are_one_point(dtype: str) -> None:
    x_ND = np.tile(np.random.default_rng(0).standard_normal(24), (5000, 1)).astype(dtype)
    found = covariance_spectrum(x_ND)
    assert (found.effective_rank, found.participation_ratio, found.collapse_index, found.auc) == (0, 0, 0, 0)
    assert np.isfinite(found.singular_values).all()


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(UserError, match="at least 2 rows and got 1"):
        covariance_spectrum(np.ones((1, 3)))
    with pytest.raises(UserError, match=r"\(0, 3\)"):
        Moments.of(np.ones((0, 3)))
    with pytest.raises(UserError, match="float8"):
        covariance_spectrum(np.ones((4, 3)), stored="float8")


def test_principal_directions_have_a_fixed_sign(planted: Any) -> None:
    x_ND = planted(600, np.linspace(2, 1, 8))
    parts = [Moments.of(x_ND[rows]) for rows in (slice(0, 200), slice(200, 600))]
    for moments in (Moments.of(x_ND), reduce(Moments.merge, parts)):
        _, vectors_DD = moments.principal()
        assert (vectors_DD[np.abs(vectors_DD).argmax(0), np.arange(8)] > 0).all()
