"""Two-NN and maximum likelihood against scikit-dimension, known manifolds, copies and rows too few."""

from typing import Any

import numpy as np
import pytest
import skdim

from tda.errors import UserError
from tda.geometry.dimension import Dimension, by_cluster, mle, two_nn


def manifold(n: int, intrinsic: int, dim: int, seed: int = 0) -> Any:
    """A flat cube of `intrinsic` dimensions, turned in `dim`."""
    rng = np.random.default_rng(seed)
    return rng.uniform(size=(n, intrinsic)) @ np.linalg.qr(rng.standard_normal((dim, intrinsic)))[0].T


@pytest.mark.parametrize(("intrinsic", "dim"), [(1, 3), (2, 8), (5, 30), (8, 64)])
def test_agree_with_scikit_dimension(intrinsic: int, dim: int) -> None:
    """The same formulas: what differs is how neighbours' distances are rounded."""
    x_ND = manifold(900, intrinsic, dim)
    assert two_nn(x_ND).value == pytest.approx(skdim.id.TwoNN().fit(x_ND).dimension_, rel=1e-6)
    assert mle(x_ND).value == pytest.approx(skdim.id.MLE().fit(x_ND, n_neighbors=20).dimension_, rel=1e-6)


@pytest.mark.parametrize("intrinsic", [1, 2, 4])
@pytest.mark.parametrize("estimate", [two_nn, mle])
def test_a_manifolds_dimension_is_found(intrinsic: int, estimate: Any) -> None:
    found = estimate(manifold(4000, intrinsic, 20))
    assert found.value == pytest.approx(intrinsic, rel=0.1)
    assert 0 < found.stderr < 0.1 * intrinsic


def test_both_modalities_of_real_rows(shared_data: Any) -> None:
    with np.load(shared_data / "clip_vitb16_coco500.npz", allow_pickle=False) as arrays:
        for name in ("image", "text"):
            x_ND = arrays[name]
            assert two_nn(x_ND).value == pytest.approx(skdim.id.TwoNN().fit(x_ND.astype(np.float64)).dimension_, rel=1e-6)
            assert 5 < (mle(x_ND).value or 0) < 60


@pytest.mark.long
@pytest.mark.parametrize(("intrinsic", "rows"), [(2, 200), (5, 200), (5, 500), (12, 300)])
@pytest.mark.parametrize("estimate", [two_nn, mle])
def test_the_sampling_error_covers_the_expected_estimate(estimate: Any, intrinsic: int, rows: int) -> None:
    """1.96 errors hold the mean estimate of that many rows in 92 to 98 % of 300 draws, plus two standard errors of that count."""
    found = [estimate(np.random.default_rng(seed).standard_normal((rows, intrinsic))) for seed in range(300)]
    value_R, error_R = np.asarray([(one.value, one.stderr) for one in found]).T
    held = float((np.abs(value_R - value_R.mean()) <= 1.96 * error_R).mean())
    assert 0.92 - 0.03 <= held <= 0.98 + 0.016


@pytest.mark.parametrize("estimate", [two_nn, mle])
def test_above_five_dimensions_bias_rules(estimate: Any) -> None:
    """What the sentence of the report warns of: in 20 dimensions both estimates are too low by several sampling errors."""
    found = estimate(np.random.default_rng(0).standard_normal((600, 20)))
    assert found.value + 3 * found.stderr < 20


@pytest.mark.parametrize("estimate", [two_nn, mle])
def test_copies_change_nothing(estimate: Any) -> None:
    x_ND = manifold(500, 3, 10).astype(np.float16)
    found, plain = estimate(np.concatenate([x_ND, x_ND[:400], x_ND[:1], x_ND[:1]])), estimate(x_ND)
    assert found.value == plain.value
    assert found.duplicates == plain.duplicates + 402


@pytest.mark.parametrize("estimate", [two_nn, mle])
@pytest.mark.parametrize("x_ND", [np.ones((30, 4)), np.eye(2), np.ones((1, 3)), np.empty((0, 3))], ids=["equal", "two", "one", "none"])
def test_too_few_distinct_rows_have_none(estimate: Any, x_ND: Any) -> None:
    found = estimate(x_ND)
    assert found.value is None
    assert found.notes


def test_rows_all_equally_far_have_none() -> None:
    for found in (two_nn(np.eye(30)), mle(np.eye(30))):
        assert found.value is None
        assert "equally far" in found.notes[0]


def test_a_constant_dimension_changes_nothing() -> None:
    x_ND = manifold(300, 2, 5)
    assert two_nn(np.c_[x_ND, np.full(300, 9.0)]).value == pytest.approx(two_nn(x_ND).value)


def test_a_sample_of_many_rows() -> None:
    x_ND = manifold(6000, 2, 6)
    found = two_nn(x_ND, sample=2000, seed=1)
    assert found.rows == 2000
    assert found.value == pytest.approx(2, rel=0.1)
    assert found == two_nn(x_ND, sample=2000, seed=1)


def test_each_cluster_has_its_own() -> None:
    x_ND = np.concatenate([manifold(800, 1, 9), 5 + manifold(800, 4, 9), np.zeros((2, 9))])
    label_N = np.repeat([0, 1, 2], [800, 800, 2])
    one, four, pair = by_cluster(x_ND, label_N)
    assert (one.value, four.value) == (pytest.approx(1, rel=0.1), pytest.approx(4, rel=0.15))
    assert pair.value is None
    assert isinstance(by_cluster(x_ND, label_N, mle, k=10)[0], Dimension)
    assert by_cluster(x_ND, np.full(1602, -1)) == []


def test_bad_input_is_one_clear_line() -> None:
    with pytest.raises(UserError, match="k=1 is too small"):
        mle(np.eye(4), 1)
    with pytest.raises(UserError, match="discard=1"):
        two_nn(np.eye(4), discard=1)
    with pytest.raises(UserError, match="row 2 holds"):
        two_nn(np.asarray([[1.0], [2], [np.nan]]))
