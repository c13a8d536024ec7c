import numpy as np
import pytest
from small_rows import small_rows, unit

from tda.store.commit.rows import assert_unit, row_norms, unit_rows


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_rows_of_any_scale_become_unit(dtype: str) -> None:
    x_ND = np.random.default_rng(0).standard_normal((3000, 64)) * np.logspace(-60, 60, 3000)[:, None]
    unit_ND, finite_N, nonzero_N = unit_rows(x_ND, dtype)
    assert finite_N.all()
    assert nonzero_N.all()
    assert unit_ND.dtype == dtype
    assert_unit(unit_ND)
    cosine_N = (unit_ND.astype(np.float64) * x_ND).sum(1) / np.linalg.norm(x_ND, axis=1)
    assert cosine_N.min() > 1 - 1e-3


def test_rows_without_a_direction_are_reported() -> None:
    x_ND = np.ones((6, 4), np.float32)
    x_ND[1, 2], x_ND[2, 0], x_ND[3] = np.nan, -np.inf, 0
    unit_ND, finite_N, nonzero_N = unit_rows(x_ND)
    assert finite_N.tolist() == [True, False, False, True, True, True]
    assert nonzero_N.tolist() == [True, True, True, False, True, True]
    assert_unit(unit_ND[finite_N & nonzero_N])


def test_norms_do_not_overflow_half_precision() -> None:
    assert row_norms(np.full((1, 100), 60_000, np.float16))[0] == pytest.approx(600_000, rel=1e-3)


def test_what_is_not_unit_is_never_written() -> None:
    assert_unit(unit(5))
    with pytest.raises(AssertionError, match="unit length"):
        assert_unit(unit(5, dtype="float32") * np.float32(1.001))
    with pytest.raises(AssertionError):
        assert_unit(np.full((1, 4), np.nan, np.float32))


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(AssertionError, match="unequal length"):
        small_rows(3, keys=["a"])
