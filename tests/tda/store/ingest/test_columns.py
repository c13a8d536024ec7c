import numpy as np
import pyarrow as pa
import pytest

from tda.errors import UserError
from tda.store.commit.parquet import to_binary
from tda.store.ingest.columns import integers, plain, plain_type, require_once, side_columns, strings, vector_dim, vector_rows

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


def _schema(**kinds: pa.DataType) -> pa.Schema:
    return pa.schema(list(kinds.items()))


def test_side_columns_under_the_names_of_other_tools() -> None:
    text, number = pa.string(), pa.int32()
    assert side_columns(_schema(image_path=text, TEXT=text, URL=text, WIDTH=number, similarity=pa.float32())) == {
        "key": "image_path",
        "caption": "TEXT",
        "url": "URL",
        "width": "WIDTH",
    }
    assert side_columns(_schema(caption=text, key=text), taken=("caption",)) == {"key": "key"}
    assert side_columns(_schema(uid=text, url=text, text=text, original_width=number)) == {
        "key": "uid",
        "caption": "text",
        "url": "url",
        "width": "original_width",
    }
    assert side_columns(_schema(text=pa.list_(pa.float32()), uid=text)) == {"key": "uid"}, "a vector is no caption"


def test_named_columns_come_first_and_have_to_be_there() -> None:
    schema = _schema(caption=pa.string(), alt=pa.large_string(), id=pa.int64())
    assert side_columns(schema, named={"caption": "alt", "key": "id", "url": None}) == {"caption": "alt", "key": "id"}
    with pytest.raises(UserError, match=r"^caption_column=alts is no column; there are: caption, alt, id$"):
        side_columns(schema, named={"caption": "alts"})
    with pytest.raises(UserError, match=r"^column caption is list<.*float>, which holds no caption: name another by caption_column=$"):
        side_columns(_schema(caption=pa.list_(pa.float32())))


def test_a_column_that_stands_twice_is_refused_where_it_is_used() -> None:
    twice = pa.schema([("caption", pa.string()), ("caption", pa.string()), ("key", pa.string())])
    with pytest.raises(UserError, match="column caption stands in the file 2 times: rename all but one"):
        side_columns(twice)
    assert side_columns(twice, named={"caption": "key"}) == {"key": "key", "caption": "key"}
    with pytest.raises(UserError, match="column key stands"):
        require_once(pa.schema([("key", pa.string())] * 2), ["key"])


FIXED = pa.fixed_shape_tensor(pa.float32(), [3])


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array(["a", None, "ü"]), ["a", None, "ü"]),
        (pa.array([b"a", b"\xff", None], pa.large_binary()), ["a", "\ufffd", None]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([b"a", None, b"a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array([["a", "b"], [], None, [None, "c"]]), ["a", None, None, "c"]),
        (pa.array([[b"a"], [b"\xff"]], pa.large_list(pa.binary())), ["a", "\ufffd"]),
        (pa.array([{"n": 1, "en": "a", "fr": "b"}, None, {"n": 2, "en": None, "fr": "c"}]), ["a", None, None]),
        (pa.array([7, None]), ["7", None]),
        (pa.array([]), []),
        (pa.chunked_array([["a"], ["b"]]), ["a", "b"]),
    ],
)
def test_texts_of_any_column(column: pa.Array, texts: list[str | None]) -> None:
    assert strings(column) == texts


def test_vectors_in_an_extension_type_are_read_from_its_storage() -> None:
    x_BD = np.arange(6, dtype=np.float32).reshape(2, 3)
    column = pa.FixedShapeTensorArray.from_numpy_ndarray(x_BD)
    assert column.type == FIXED
    assert vector_dim(column, None, "image") == 3
    np.testing.assert_array_equal(vector_rows(column, 3, None, "image", 0), x_BD)
    assert plain_type(FIXED) == pa.list_(pa.float32(), 3)
    assert plain(column).type == plain_type(FIXED)


def test_text_and_sizes_of_any_quality() -> None:
    spoilt = pa.array([b"caf\xe9", b"ok", None]).view(pa.string())
    assert strings(spoilt) == ["caf\ufffd", "ok", None]
    assert strings(pa.array([1, None])) == ["1", None]
    assert integers(pa.array([3.0, None])) == [3, None]
    assert integers(pa.array([2**40, 1])) == [None, None]
    assert integers(pa.array(["wide"])) == [None]
