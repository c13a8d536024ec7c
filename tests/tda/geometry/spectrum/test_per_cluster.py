"""Moments and spectra per cluster against each cluster taken alone, and against LAPACK."""

from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tda.errors import UserError
from tda.geometry.spectrum.moments import Moments, covariance_spectrum
from tda.geometry.spectrum.per_cluster import GroupMoments, cluster_spectra


def rows(n: int = 4000, dim: int = 48, groups: int = 7, seed: int = 0) -> tuple[Any, Any]:
    """Groups of very different sizes, each around a mean far from 0, and noise labelled -1."""
    rng = np.random.default_rng(seed)
    label_N = np.minimum(rng.geometric(0.3, size=n) - 2, groups - 1)
    scale_D = np.logspace(0, -3, dim)
    return 5 * rng.standard_normal((groups + 1, dim))[label_N] + scale_D * rng.standard_normal((n, dim)), label_N


def by_svd(x_ND: Any) -> Any:
    x_ND = x_ND.astype(np.float64)
    values = np.linalg.svd(x_ND - x_ND.mean(0), compute_uv=False) ** 2 / (len(x_ND) - 1)
    return np.pad(values, (0, x_ND.shape[1] - len(values)))


def close(one: GroupMoments, other: GroupMoments) -> None:
    np.testing.assert_array_equal(one.n_G, other.n_G)
    np.testing.assert_allclose(one.mean_GD, other.mean_GD, atol=1e-12)
    np.testing.assert_allclose(np.triu(one.upper_GDD), np.triu(other.upper_GDD), atol=1e-9)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("block_rows", [None, 333])
def test_values_above_the_floor_equal_lapacks(dtype: str, block_rows: int | None) -> None:
    """Relative error 1e-9. Accumulation leaves eps√D of the largest value: 1e-15, six decades under the smallest."""
    x_ND, label_N = rows()
    x_ND = x_ND.astype(dtype)
    for group, found in enumerate(GroupMoments.of(x_ND, label_N, 7, block_rows).spectra()):
        assert found is not None
        np.testing.assert_allclose(found.singular_values, by_svd(x_ND[label_N == group]), rtol=1e-9, atol=found.floor)


@pytest.mark.parametrize("n", [2, 3, 20, 24, 25, 48, 49])
def test_fewer_rows_than_dimensions(n: int) -> None:
    x_ND = rows(n)[0]
    (found,) = GroupMoments.of(x_ND, np.zeros(n, dtype=int), 1).spectra()
    assert found is not None
    np.testing.assert_allclose(found.singular_values, by_svd(x_ND), rtol=1e-9, atol=found.floor)
    assert (found.singular_values[n - 1 :] <= found.floor).all()
    assert found.effective_rank <= n - 1 + 1e-9


def test_measures_are_those_of_the_cluster_alone() -> None:
    """Rows of equal scale in every direction: there the noise of the average direction is that of any."""
    x_ND = np.random.default_rng(0).standard_normal((900, 24)).astype(np.float32)
    label_N = np.arange(900) % 3
    for group, found in enumerate(GroupMoments.of(x_ND, label_N, 3).spectra(stored="float32")):
        alone = covariance_spectrum(x_ND[label_N == group])
        assert found is not None
        for name in ("effective_rank", "participation_ratio", "collapse_index", "auc"):
            assert getattr(found, name) == pytest.approx(getattr(alone, name), rel=1e-12)
        assert found.floor == pytest.approx(alone.floor, rel=0.3)


@pytest.mark.parametrize("stored", ["float32", "float16"])
def test_a_collapse_inside_a_cluster_is_found_where_it_is(stored: str) -> None:
    rng = np.random.default_rng(0)
    basis_KD = np.linalg.qr(rng.standard_normal((128, 100)))[0].T
    x_ND = rng.standard_normal((3000, 100)) @ basis_KD
    label_N = np.arange(3000) % 2
    x_ND[label_N == 1] += rng.standard_normal(100) @ basis_KD
    x_ND /= np.linalg.norm(x_ND, axis=1, keepdims=True)
    for found in GroupMoments.of(x_ND.astype(stored), label_N, 2).spectra(stored=stored):
        assert found is not None
        assert (found.collapse_index, int((found.singular_values > found.floor).sum())) == (100, 100)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=5), st.integers(1, 6), st.integers(1, 4))
def test_merging_in_any_order_gives_the_whole(sizes: list[int], dim: int, groups: int) -> None:
    rng = np.random.default_rng(sum(sizes))
    blocks = [(rng.standard_normal((size, dim)) + 3, rng.integers(-1, groups, size)) for size in sizes]
    parts = [GroupMoments.of(*block, groups) for block in blocks]
    whole = GroupMoments.of(*(np.concatenate(part) for part in zip(*blocks, strict=True)), groups)
    close(reduce(GroupMoments.merge, parts), whole)
    close(reduce(GroupMoments.merge, parts[::-1]), whole)
    streamed = GroupMoments.empty(groups, dim)
    for block in blocks:
        streamed.add(*block)
    close(streamed, whole)
    np.testing.assert_array_equal(parts[0].merge(parts[1]).upper_GDD, parts[1].merge(parts[0]).upper_GDD)


def test_moments_of_a_group_are_whole() -> None:
    x_ND, label_N = rows()
    found, alone = GroupMoments.of(x_ND, label_N, 7).moments(2), Moments.of(x_ND[label_N == 2])
    assert found.n == alone.n
    np.testing.assert_allclose(found.scatter_DD, alone.scatter_DD, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(found.scatter_DD, found.scatter_DD.T)


def test_image_text_and_both() -> None:
    image_ND, label_N = rows(600)
    text_ND, other_N = rows(500, seed=1)
    found = cluster_spectra(GroupMoments.of(image_ND, label_N, 7), GroupMoments.of(text_ND, other_N, 7))
    both = np.concatenate([image_ND[label_N == 2], text_ND[other_N == 2]])
    spectrum = found["both"][2]
    assert spectrum is not None
    np.testing.assert_allclose(spectrum.singular_values, by_svd(both), rtol=1e-9, atol=spectrum.floor)
    assert [len(found[name]) for name in ("image", "text", "both")] == [7, 7, 7]


def test_degenerate_clusters_have_defined_answers() -> None:
    """No row, one, two, equal rows, and a constant dimension."""
    x_ND = np.asarray(
        [[1, 2, 3, 4], [5, 6, 7, 8], [6, 6, 7, 8], *[[3, 3, 3, 3]] * 5, [0, 1, 2, 0], [1, 0, 3, 0], [1, 1, 1, 0]], dtype=np.float32
    )
    label_N = np.asarray([1, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4])
    empty, one, two, equal, constant = GroupMoments.of(x_ND, label_N, 5).spectra(stored="float32")
    assert empty is None
    assert one is None
    assert two is not None
    assert two.effective_rank == pytest.approx(1)
    assert equal is not None
    assert (equal.effective_rank, equal.auc) == (0, 0)
    assert constant is not None
    assert (constant.singular_values[2:] <= constant.floor).all()


def test_bad_input_is_one_clear_line() -> None:
    x_ND, label_N = rows(50)
    with pytest.raises(UserError, match="label 6 is out of range; there are 3 groups"):
        GroupMoments.of(x_ND, np.full(50, 6), 3)
    with pytest.raises(UserError, match="do not match"):
        GroupMoments.empty(3, 4).add(x_ND, label_N)
    with pytest.raises(UserError, match="group 1 has no rows"):
        GroupMoments.of(x_ND, np.zeros(50, dtype=int), 2).moments(1)
    with pytest.raises(UserError, match="unknown rounding error"):
        GroupMoments.of(x_ND, label_N, 7).spectra(stored="int8")
    x_ND[3] = np.nan
    with pytest.raises(UserError, match="not finite"):
        GroupMoments.of(x_ND, np.zeros(50, dtype=int), 2)
