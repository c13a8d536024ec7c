import numpy as np
import pyarrow as pa
import pytest

from tda.errors import UserError
from tda.store.commit.parquet import to_binary
from tda.store.ingest.columns import integers, side_columns, strings, vector_dim, vector_rows

X = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(X.tolist(), pa.list_(pa.float32())),
        pa.array(X.tolist(), pa.large_list(pa.float64())),
        pa.array(X.tolist(), pa.list_(pa.float32(), 3)),
        pa.array(list(X.astype(np.float16)), pa.list_(pa.float16())),
        to_binary(X),
    ],
)
@pytest.mark.parametrize("part", [slice(0, 4), slice(1, 3), slice(2, 2)])
def test_vectors_of_any_nesting(column: pa.Array, part: slice) -> None:
    run = column.slice(part.start, part.stop - part.start)
    assert vector_dim(column, "float32", "image") == 3
    assert np.array_equal(vector_rows(run, 3, "float32", "image", 0), X[part])


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float32(), 3)])
def test_nulls_become_nan(kind: pa.DataType) -> None:
    column = pa.array([[0, 1, 2], None, [6, None, 8]], kind)
    for offset in (0, 1):
        rows_BD = vector_rows(column.slice(offset), 3, None, "image", 0)
        assert np.array_equal(rows_BD, np.array([[0, 1, 2], [np.nan] * 3, [6, np.nan, 8]], np.float32)[offset:], equal_nan=True)


def test_a_list_of_another_length_is_reported_by_its_row() -> None:
    with pytest.raises(UserError, match="column image has 2 numbers in row 101, 3 elsewhere"):
        vector_rows(pa.array([[1.0, 2, 3], [1.0, 2]]), 3, None, "image", 100)


@pytest.mark.parametrize("kind", [pa.int64(), pa.string(), pa.list_(pa.int32()), pa.binary()])
def test_what_is_no_vector_is_refused(kind: pa.DataType) -> None:
    with pytest.raises(UserError, match="column image is"):
        vector_dim(pa.array([], kind), None, "image")


def test_binary_without_a_dtype_is_refused() -> None:
    with pytest.raises(UserError, match="without a dtype"):
        vector_dim(to_binary(X), None, "image")


def test_side_columns_under_the_names_of_other_tools() -> None:
    assert side_columns(["image_path", "TEXT", "URL", "WIDTH", "similarity"]) == {
        "key": "image_path",
        "caption": "TEXT",
        "url": "URL",
        "width": "WIDTH",
    }
    assert side_columns(["caption", "key"], taken=("caption",)) == {"key": "key"}


def test_text_and_sizes_of_any_quality() -> None:
    spoilt = pa.array([b"caf\xe9", b"ok", None]).view(pa.string())
    assert strings(spoilt) == ["caf\ufffd", "ok", None]
    assert strings(pa.array([1, None])) == ["1", None]
    assert integers(pa.array([3.0, None])) == [3, None]
    assert integers(pa.array([2**40, 1])) == [None, None]
    assert integers(pa.array(["wide"])) == [None]
