"""Randomized SVD inside its own error, TSQR as checker, both the same over blocks as over one array."""

from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.spectrum.moments import covariance_spectrum
from tda.geometry.spectrum.passes import over, over_rows
from tda.geometry.spectrum.randomized import randomized_svd
from tda.geometry.spectrum.tsqr import spectrum, tsqr_spectrum

DECAYS = {
    "flat": np.ones(120),
    "slow": np.linspace(1, 0.1, 120),
    "power law": 1 / np.arange(1, 121.0),
    "exponential": np.logspace(0, -8, 120),
    "step": np.r_[np.ones(20), np.full(100, 1e-6)],
    "low rank": np.r_[np.logspace(0, -4, 30), np.zeros(90)],
}


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("power", [0, 2, 5])
def test_within_the_reported_error(planted: Any, decay: str, power: int) -> None:
    x_ND = planted(1000, DECAYS[decay], mean=3.0)
    true_D = np.linalg.svd(x_ND - x_ND.mean(0), compute_uv=False)
    for seed in range(8):
        found = randomized_svd(x_ND, 20, power=power, seed=seed)
        missed_K = true_D[:20] - found.values_K
        assert (missed_K <= found.error_K).all()
        assert (missed_K >= -1e-13 * true_D[0]).all()


def test_the_error_is_of_use(planted: Any) -> None:
    """A bound of 100 % would be valid and useless: the leading values of a decaying spectrum are known closely."""
    found = randomized_svd(planted(1000, DECAYS["exponential"]), 20, power=3)
    assert found.error_K[0] / found.values_K[0] < 1e-8
    assert found.error_K[9] / found.values_K[9] < 1e-4
    step = randomized_svd(planted(1000, DECAYS["step"]), 20)
    assert (step.error_K / step.values_K).max() < 1e-12


def test_directions_are_orthonormal_and_point_along_the_rows(planted: Any) -> None:
    x_ND = planted(1000, DECAYS["exponential"], mean=1.0)
    found = randomized_svd(x_ND, 5, power=3)
    np.testing.assert_allclose(found.vectors_DK.T @ found.vectors_DK, np.eye(5), atol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(found.project(x_ND), axis=0), found.values_K, rtol=1e-9)
    assert (found.vectors_DK[np.abs(found.vectors_DK).argmax(0), range(5)] > 0).all()
    missed_K = covariance_spectrum(x_ND).singular_values[:5] - found.covariance_K
    assert (missed_K <= found.covariance_error_K).all()
    assert (found.covariance_error_K < 1e-3 * found.covariance_K).all()


def test_same_seed_same_bits_and_blocks_change_rounding_alone(planted: Any) -> None:
    x_ND = planted(3000, DECAYS["power law"])
    one, again = randomized_svd(x_ND, 10, seed=3), randomized_svd(x_ND, 10, seed=3)
    np.testing.assert_array_equal(one.values_K, again.values_K)
    np.testing.assert_array_equal(one.vectors_DK, again.vectors_DK)
    shards = np.array_split(x_ND, [0, 5, 5, 700, 2999])
    np.testing.assert_allclose(randomized_svd(over(lambda: shards), 10, seed=3).values_K, one.values_K, rtol=1e-9)
    np.testing.assert_allclose(randomized_svd(over_rows(x_ND, 64), 10, seed=3).values_K, one.values_K, rtol=1e-9)


@pytest.mark.parametrize("n", [2, 7, 25, 40])
def test_fewer_rows_than_columns_and_the_whole_rank(n: int) -> None:
    x_ND = np.random.default_rng(0).standard_normal((n, 30))
    true_D = np.pad(np.linalg.svd(x_ND - x_ND.mean(0), compute_uv=False), (0, max(0, 30 - n)))
    for rank in (1, 10, 30):
        found = randomized_svd(x_ND, rank)
        assert (np.abs(true_D[:rank] - found.values_K) <= found.error_K).all()
        np.testing.assert_allclose(found.vectors_DK.T @ found.vectors_DK, np.eye(rank), atol=1e-12)


def test_without_centring() -> None:
    x_ND = np.random.default_rng(0).standard_normal((200, 12)) + 4
    np.testing.assert_allclose(randomized_svd(x_ND, 12, center=False).values_K, np.linalg.svd(x_ND, compute_uv=False), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_half_precision_rows_are_what_they_are(planted: Any, dtype: str) -> None:
    x_ND = planted(1000, DECAYS["power law"]).astype(dtype)
    true_D = np.linalg.svd((x_ND - x_ND.mean(0, dtype=np.float64)).astype(np.float64), compute_uv=False)
    found = randomized_svd(x_ND, 20)
    assert (true_D[:20] - found.values_K <= found.error_K).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_tsqr_equals_moments_above_the_floor(planted: Any, dtype: str) -> None:
    x_ND = planted(3000, np.logspace(-2, -8, 64), mean=1.0).astype(dtype)
    checked, found = tsqr_spectrum(x_ND), covariance_spectrum(x_ND)
    np.testing.assert_allclose(checked.singular_values, found.singular_values, rtol=1e-9, atol=found.floor)
    assert checked.auc == pytest.approx(found.auc, rel=1e-9)
    np.testing.assert_array_equal(spectrum(x_ND, "tsqr").singular_values, checked.singular_values)
    assert spectrum(x_ND).auc == found.auc


def test_tsqr_over_shards_and_of_few_rows(planted: Any) -> None:
    x_ND = planted(500, np.logspace(0, -3, 16))
    shards = np.array_split(x_ND, 7)
    np.testing.assert_allclose(tsqr_spectrum(over(lambda: shards)).singular_values, tsqr_spectrum(x_ND).singular_values, rtol=1e-12)
    few = tsqr_spectrum(x_ND[:5])
    assert few.singular_values.shape == (16,)
    assert (few.singular_values[4:] <= few.floor).all()


def test_rows_all_equal_and_a_constant_dimension() -> None:
    equal = randomized_svd(np.ones((50, 8)), 3)
    np.testing.assert_array_equal(equal.values_K, 0)
    np.testing.assert_allclose(equal.vectors_DK.T @ equal.vectors_DK, np.eye(3), atol=1e-12)
    assert tsqr_spectrum(np.ones((50, 8))).effective_rank == 0
    x_ND = np.random.default_rng(0).standard_normal((60, 5))
    x_ND[:, 2] = 7
    assert randomized_svd(x_ND, 5).values_K[4] <= randomized_svd(x_ND, 5).error_K[4]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: randomized_svd(x, 9), "rank=9 is out of range"),
        (lambda x: randomized_svd(x, 0), "rank=0 is out of range"),
        (lambda x: randomized_svd(x[:1], 1), "at least 2 rows and got 1"),
        (lambda x: randomized_svd(x, 2, certify=0), "certify=0"),
        (lambda x: randomized_svd(x[0], 2), r"\(N, D\)"),
        (lambda x: randomized_svd(np.where(x > 1, np.nan, x), 2), "not finite"),
        (lambda x: spectrum(x, "svd"), "choose one of: gram, tsqr"),
    ],
)
def test_bad_input_is_one_clear_line(call: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        call(np.random.default_rng(0).standard_normal((50, 8)))
