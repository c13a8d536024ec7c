"""Alignment and uniformity against closed forms and brute force, and the sampled estimate against the exact value."""

import math
from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.alignment import Uniformity, alignment, drawn_pairs, sampled_uniformity, uniformity

NAMES = ("image", "text", "across")


def drawn(n: int, dim: int = 12, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    image_ND = rng.standard_normal((n, dim)) + 0.3
    return image_ND, image_ND + rng.standard_normal((n, dim)) - 0.5


def unit(x_ND: Any) -> Any:
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)


def brute(x_ND: Any, y_ND: Any) -> float:
    """The definition: every ordered pair of rows i != j, by its difference."""
    squared_NN = ((unit(x_ND)[:, None, :] - unit(y_ND)[None, :, :]) ** 2).sum(axis=2)
    return math.log(np.exp(-2 * squared_NN)[~np.eye(len(x_ND), dtype=bool)].mean())


def values(found: dict[str, Uniformity]) -> list[float]:
    return [found[name].value for name in NAMES]


def test_orthonormal_rows() -> None:
    x_ND = np.eye(7)
    assert alignment(x_ND, x_ND) == 0
    assert alignment(x_ND, np.roll(x_ND, 1, axis=0)) == pytest.approx(2, abs=1e-15)
    assert values(uniformity(x_ND, x_ND)) == pytest.approx([-4, -4, -4], abs=1e-14)


def test_equal_rows() -> None:
    x_ND = np.tile([[3.0, -1.0, 2.0]], (9, 1))
    assert alignment(x_ND, 4 * x_ND) == 0
    assert values(uniformity(x_ND, 4 * x_ND)) == pytest.approx([0, 0, 0], abs=1e-14)


def test_opposed_modalities() -> None:
    x_ND = np.tile([[0.0, 2.0]], (5, 1))
    assert alignment(x_ND, -x_ND) == 4
    assert values(uniformity(x_ND, -x_ND)) == pytest.approx([0, 0, -8], abs=1e-14)


def test_own_pairs_do_not_count_across() -> None:
    """Partners are equal, other rows at right angles: only the latter enter."""
    x_ND = np.eye(4)
    assert uniformity(x_ND, x_ND)["across"].value == pytest.approx(-4, abs=1e-14)


@pytest.mark.parametrize("tile", [1, 7, 50, 64, 2048])
@pytest.mark.parametrize("n", [2, 3, 50, 101])
def test_any_tile_gives_the_definition(n: int, tile: int) -> None:
    image_ND, text_ND = drawn(n)
    assert alignment(image_ND, text_ND) == pytest.approx(((unit(image_ND) - unit(text_ND)) ** 2).sum(axis=1).mean(), rel=1e-13)
    found = uniformity(image_ND, text_ND, tile)
    expected = [brute(image_ND, image_ND), brute(text_ND, text_ND), brute(image_ND, text_ND)]
    assert values(found) == pytest.approx(expected, rel=1e-12)
    assert all(one.exact and one.standard_error == 0 for one in found.values())


def test_stored_halves_are_measured_in_float64() -> None:
    image_ND, text_ND = (x_ND.astype(np.float16) for x_ND in drawn(40))
    image64_ND, text64_ND = image_ND.astype(np.float64), text_ND.astype(np.float64)
    assert alignment(image_ND, text_ND) == alignment(image64_ND, text64_ND)
    assert uniformity(image_ND, text_ND) == uniformity(image64_ND, text64_ND)


def test_drawn_pairs_are_distinct_uniform_and_seeded() -> None:
    i_S, j_S = drawn_pairs(4, 60_000, seed=1)
    assert (i_S != j_S).all()
    counts = np.bincount(4 * i_S + j_S, minlength=16).reshape(4, 4)[~np.eye(4, dtype=bool)]
    assert np.abs(counts - 5000).max() < 5 * math.sqrt(5000)
    np.testing.assert_array_equal(np.stack(drawn_pairs(4, 60_000, seed=1)), np.stack((i_S, j_S)))
    assert (drawn_pairs(4, 60_000, seed=2)[0] != i_S).any()


def test_a_sample_lies_within_its_error_of_the_exact_value() -> None:
    image_ND, text_ND = drawn(400)
    exact, found = uniformity(image_ND, text_ND), sampled_uniformity(image_ND, text_ND, *drawn_pairs(400, 50_000, seed=0))
    for name in NAMES:
        assert not found[name].exact
        assert 0 < found[name].standard_error < 0.05
        assert abs(found[name].value - exact[name].value) < 4 * found[name].standard_error


def test_every_pair_as_a_sample_is_the_exact_value() -> None:
    image_ND, text_ND = drawn(30)
    i_S, j_S = np.nonzero(~np.eye(30, dtype=bool))
    assert values(sampled_uniformity(image_ND, text_ND, i_S, j_S)) == pytest.approx(values(uniformity(image_ND, text_ND)), rel=1e-12)


def test_the_standard_error_covers() -> None:
    """Over 300 draws, 1.96 errors hold the exact value about 95 times in a hundred, and the spread of the draws is the error."""
    image_ND, text_ND = drawn(200)
    exact = uniformity(image_ND, text_ND)
    found = [sampled_uniformity(image_ND, text_ND, *drawn_pairs(200, 2000, seed)) for seed in range(300)]
    for name in NAMES:
        scores = np.array([(one[name].value - exact[name].value) / one[name].standard_error for one in found])
        assert 0.91 <= np.mean(np.abs(scores) < 1.96) <= 0.985
        assert 0.87 <= scores.std() <= 1.13


@pytest.mark.parametrize("measure", [alignment, uniformity])
def test_rows_that_do_not_pair_up_are_refused(measure: Any) -> None:
    with pytest.raises(UserError, match="do not pair up"):
        measure(np.eye(3), np.eye(4))
    with pytest.raises(UserError, match=r"row 1 has norm 0\.0"):
        measure(np.diag([1.0, 0.0, 1.0]), np.eye(3))


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(UserError, match="at least 2"):
        uniformity(np.eye(1), np.eye(1))
    with pytest.raises(UserError, match="at least 2"):
        drawn_pairs(1, 10, seed=0)
    with pytest.raises(UserError, match="at least 2"):
        sampled_uniformity(np.eye(2), np.eye(2), np.array([0]), np.array([1]))
