"""Rows as arrays: equal ones, samples, and those that are refused."""

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.arrays.rows import check_rows, distinct, sample_rows


def test_distinct_rows_know_their_first() -> None:
    x_ND = np.asarray([[0.0, 1], [2, 3], [-0.0, 1], [2, 3], [4, 5]], dtype=np.float32)
    first_U, inverse_N = distinct(x_ND)
    np.testing.assert_array_equal(first_U, [0, 1, 4])
    np.testing.assert_array_equal(inverse_N, [0, 1, 0, 1, 2])


def test_a_sample_is_ascending_without_repetition_and_all_rows_where_they_are_few() -> None:
    chosen_S = sample_rows(1000, 50, seed=3)
    assert len(chosen_S) == 50
    assert (np.diff(chosen_S) > 0).all()
    np.testing.assert_array_equal(chosen_S, sample_rows(1000, 50, seed=3))
    assert not np.array_equal(chosen_S, sample_rows(1000, 50, seed=4))
    np.testing.assert_array_equal(sample_rows(7, 7, seed=0), np.arange(7))


def test_the_first_row_that_is_not_finite_is_named() -> None:
    x_ND = np.ones((5, 3))
    check_rows(x_ND)
    x_ND[2, 1], x_ND[4, 0] = np.nan, np.inf
    with pytest.raises(UserError, match="texts: row 102 holds a value that is not finite"):
        check_rows(x_ND, "texts", first=100)
    with pytest.raises(UserError, match=r"shape \(0, 3\)"):
        check_rows(x_ND[:0])
