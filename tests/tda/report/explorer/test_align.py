"""Layouts are turned onto one another, and only turned."""

import numpy as np
import pytest

from tda.report.explorer.align import onto, turned_alike

RNG = np.random.default_rng(0)


def _turn(c: int) -> np.ndarray:
    return np.asarray(np.linalg.qr(RNG.standard_normal((c, c)))[0])


def test_a_turned_layout_comes_back() -> None:
    fixed_P3 = RNG.standard_normal((50, 3))
    assert np.allclose(onto(fixed_P3 @ _turn(3), fixed_P3), fixed_P3)


def test_rows_that_one_layout_lacks_are_turned_along() -> None:
    fixed_P3 = RNG.standard_normal((50, 3))
    moved_P3 = fixed_P3 @ _turn(3)
    known_P3 = fixed_P3.copy()
    known_P3[:10] = np.nan
    assert np.allclose(onto(moved_P3, known_P3), fixed_P3)
    moved_P3[10:20] = np.nan
    found = onto(moved_P3, known_P3)
    assert np.isnan(found[10:20]).all()
    assert np.allclose(found[20:], fixed_P3[20:])


def test_lengths_and_distances_stay() -> None:
    moved_P3, fixed_P3 = RNG.standard_normal((2, 40, 3))
    found = onto(moved_P3, fixed_P3)
    assert np.allclose(found @ found.T, moved_P3 @ moved_P3.T)
    assert ((found - fixed_P3) ** 2).sum() <= ((moved_P3 - fixed_P3) ** 2).sum()


def test_in_the_plane_the_middle_is_matched_too() -> None:
    fixed_P2 = RNG.standard_normal((30, 2))
    moved_P2 = fixed_P2 @ _turn(2) + [5, -3]
    assert np.allclose(onto(moved_P2, fixed_P2, centred=True), fixed_P2)
    assert not np.allclose(onto(moved_P2, fixed_P2), fixed_P2)


def test_too_few_shared_rows_turn_nothing() -> None:
    moved_P3, fixed_P3 = RNG.standard_normal((2, 5, 3))
    fixed_P3[2:] = np.nan
    assert np.array_equal(onto(moved_P3, fixed_P3), moved_P3)


@pytest.mark.parametrize("order", [[None, 0, 0], [1, 2, None]])
def test_each_follows_the_one_that_is_named(order: list[int | None]) -> None:
    layout_2P3 = RNG.standard_normal((2, 20, 3))
    found = turned_alike([layout_2P3 @ _turn(3) for _ in order], order)
    last = found[order.index(None)]
    assert all(one is not None and np.allclose(one, last) for one in found)


def test_texts_on_the_other_side_do_not_hide_the_turn() -> None:
    image_P3 = RNG.standard_normal((20, 3))
    apart_2P3, mixed_2P3 = np.stack([image_P3, -image_P3]), np.stack([image_P3, image_P3])
    _, found = turned_alike([apart_2P3, mixed_2P3 @ _turn(3)], [None, 0])
    assert found is not None
    assert np.allclose(found, mixed_2P3)


def test_a_missing_layout_stays_missing_and_stops_nobody() -> None:
    layout_2P3 = RNG.standard_normal((2, 20, 3))
    found = turned_alike([None, layout_2P3, RNG.standard_normal((2, 20, 2))], [None, 0, 1])
    assert found[0] is None
    assert found[1] is layout_2P3
    assert found[2] is not None
    assert found[2].shape == (2, 20, 2)
