"""Vectors of an encoder into rows and drops.

B batch, N rows, D dimensions.
"""

from typing import Any

import numpy as np
import pytest

from tda.encoders.pipeline.batches import Kept
from tda.encoders.pipeline.outputs import Columns
from tda.store.commit.rows import assert_unit
from tda.store.types import DETAIL_LENGTH, Drop, Reason, Stage


def pairs(count: int, first: int = 0) -> list[Kept]:
    return [Kept(i, f"k{i}", f"caption {i}", f"https://x/{i}" if i % 2 else None, 10 + i, 20 + i) for i in range(first, first + count)]


def vectors(rows: int, seed: int = 0, dim: int = 5) -> Any:
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32) * 7


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_rows_are_the_batches_in_order_normalised(dtype: str) -> None:
    columns, image_ND, text_ND = Columns(), vectors(7), vectors(7, 1)
    for part in (slice(0, 4), slice(4, 7)):
        columns.keep(pairs(7)[part], image_ND[part], text_ND[part], dtype)
    rows = columns.rows(5, dtype)
    assert (rows.ordinals, rows.keys) == (list(range(7)), [f"k{i}" for i in range(7)])
    assert rows.captions == [f"caption {i}" for i in range(7)]
    assert rows.urls == [f"https://x/{i}" if i % 2 else None for i in range(7)]
    assert (rows.widths, rows.heights) == (list(range(10, 17)), list(range(20, 27)))
    assert (rows.dtype, rows.dim) == (dtype, 5)
    for found_ND, x_ND in ((rows.image_ND, image_ND), (rows.text_ND, text_ND)):
        assert_unit(found_ND)
        exact_ND = x_ND / np.linalg.norm(x_ND.astype(np.float64), axis=1, keepdims=True)
        np.testing.assert_allclose(found_ND, exact_ND, atol=5e-4 if dtype == "float16" else 1e-7)
    assert columns.drops == []


@pytest.mark.parametrize("side", ["image", "text"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, Reason.NOT_FINITE), (np.inf, Reason.NOT_FINITE), (-np.inf, Reason.NOT_FINITE), (0.0, Reason.ZERO_VECTOR)],
)
def test_a_row_without_a_direction_in_either_modality_drops_its_pair(side: str, value: float, reason: Reason) -> None:
    image_BD, text_BD = vectors(4), vectors(4, 1)
    bad_BD = image_BD if side == "image" else text_BD
    bad_BD[2] = bad_BD[2] * value if value == 0 else bad_BD[2]
    bad_BD[2, 3] = value
    columns = Columns()
    columns.keep(pairs(4), image_BD, text_BD, "float16")
    assert columns.drops == [Drop(2, "k2", Stage.ENCODE, reason)]
    rows = columns.rows(5, "float16")
    assert rows.ordinals == [0, 1, 3]
    assert_unit(rows.image_ND)
    assert_unit(rows.text_ND)


def test_a_row_that_is_no_number_is_named_before_one_that_is_zero() -> None:
    image_BD, text_BD = vectors(1), vectors(1, 1)
    image_BD[0], text_BD[0, 0] = 0, np.nan
    columns = Columns()
    columns.keep(pairs(1), image_BD, text_BD, "float16")
    assert [drop.reason for drop in columns.drops] == [Reason.NOT_FINITE]


def test_without_rows_the_arrays_have_their_dimension_and_dtype() -> None:
    rows = Columns().rows(5, "float16")
    assert (len(rows), rows.image_ND.shape, rows.text_ND.shape, rows.dtype) == (0, (0, 5), (0, 5), "float16")


def test_pairs_at_fault_are_dropped_with_their_error_and_not_counted_as_passed() -> None:
    columns = Columns(passed=10)
    first, second = pairs(2)
    columns.blame({first: RuntimeError("cannot take it"), second: ValueError("\udcff" + "x" * 1000)})
    assert columns.passed == 8
    assert columns.drops[0] == Drop(0, "k0", Stage.ENCODE, Reason.ENCODER_FAILED, "RuntimeError: cannot take it")
    assert columns.drops[1].detail.startswith("ValueError: \\udcffxxx")
    assert len(columns.drops[1].detail) <= DETAIL_LENGTH + 5
    assert columns.rows(5, "float16").ordinals == []


def test_pairs_and_vectors_of_unequal_number_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Columns().keep(pairs(3), vectors(2), vectors(2), "float16")


def test_columns_of_two_encoders_share_nothing() -> None:
    one, other = Columns(), Columns()
    one.keep(pairs(1), vectors(1), vectors(1), "float16")
    assert (len(other.kept), len(other.image), other.passed) == (0, 0, 0)
