import io

import numpy as np
import pytest

from tda.errors import UserError
from tda.store.ingest.npy import NpyReader


def stream(array: np.ndarray, cut: int = 0) -> io.BytesIO:
    out = io.BytesIO()
    np.save(out, array)
    return io.BytesIO(out.getvalue()[: len(out.getvalue()) - cut])


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_rows_from_anywhere(dtype: str) -> None:
    x_ND = np.arange(60).reshape(20, 3).astype(dtype)
    reader = NpyReader(stream(x_ND), "x")
    assert (reader.rows, reader.dim) == (20, 3)
    assert np.array_equal(reader.read(5, 9), x_ND[5:9])
    assert np.array_equal(reader.read(0, 20), x_ND)
    assert reader.read(0, 1).dtype.isnative


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros(3, np.float32), "shape"),
        (np.zeros((2, 2, 2), np.float32), "shape"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.zeros((2, 2), np.longdouble), "float128"),
        (np.array([[None]], dtype=object), "object"),
        (np.asfortranarray(np.ones((4, 3), np.float32)), "column by column"),
    ],
)
def test_what_is_not_rows_of_floats_is_refused(array: np.ndarray, told: str) -> None:
    with pytest.raises(UserError, match=told):
        NpyReader(stream(array), "x")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"junk" * 100, b"\x93NUMPY\x01\x00\x05\x00{1:2}"])
def test_what_is_no_npy_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match=r"x is not a \.npy array"):
        NpyReader(io.BytesIO(content), "x")


def test_a_cut_array_is_reported_by_its_row() -> None:
    with pytest.raises(UserError, match="its header has 20 rows, and it ends in row 18"):
        NpyReader(stream(np.zeros((20, 3), np.float32), cut=13), "x").read(10, 20)
