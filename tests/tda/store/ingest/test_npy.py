import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tda.errors import UserError
from tda.store.ingest.npy import NpyReader, member_size


def stream(array: np.ndarray, cut: int = 0) -> io.BytesIO:
    out = io.BytesIO()
    np.save(out, array)
    return io.BytesIO(out.getvalue()[: len(out.getvalue()) - cut])


def reader_of(data: io.BytesIO) -> NpyReader:
    return NpyReader(data, "x", len(data.getvalue()))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_rows_from_anywhere(dtype: str) -> None:
    x_ND = np.arange(60).reshape(20, 3).astype(dtype)
    reader = reader_of(stream(x_ND))
    assert (reader.rows, reader.dim) == (20, 3)
    assert np.array_equal(reader.read(5, 9), x_ND[5:9])
    assert np.array_equal(reader.read(0, 20), x_ND)
    assert reader.read(0, 1).dtype.isnative


@pytest.mark.parametrize(
    ("array", "reported"),
    [
        (np.zeros(3, np.float32), "shape"),
        (np.zeros((2, 2, 2), np.float32), "shape"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.zeros((2, 2), np.longdouble), "float128"),
        (np.array([[None]], dtype=object), "object"),
        (np.asfortranarray(np.ones((4, 3), np.float32)), "column by column"),
    ],
)
def test_what_is_not_rows_of_floats_is_refused(array: np.ndarray, reported: str) -> None:
    with pytest.raises(UserError, match=reported):
        reader_of(stream(array))


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"junk" * 100, b"\x93NUMPY\x01\x00\x05\x00{1:2}"])
def test_what_is_no_npy_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match=r"x is not a \.npy array"):
        reader_of(io.BytesIO(content))


def test_a_cut_array_is_refused_before_a_row_is_read() -> None:
    with pytest.raises(UserError, match="x is cut: its header says 20 rows of 12 bytes, it holds 18 of them"):
        reader_of(stream(np.zeros((20, 3), np.float32), cut=13))


def test_a_stream_that_ends_early_is_named_by_its_row() -> None:
    data = stream(np.zeros((20, 3), np.float32), cut=13)
    with pytest.raises(UserError, match="its header has 20 rows, and it ends in row 18"):
        NpyReader(data, "x", len(data.getvalue()) + 13).read(10, 20)


def _with_header(shape: str, rest: bytes, descr: str = "'<f4'") -> io.BytesIO:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return io.BytesIO(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + rest)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("(1000000000000000, 8)", "is cut: its header says 1000000000000000 rows of 32 bytes, it holds 50 of them"),
        ("(2, 1000000000)", "is cut"),
        ("(49, 8)", "holds 1600 bytes after its header, which says 49 rows of 32 bytes: 1568 bytes"),
        ("(-50, 8)", r"has shape \(-50, 8\)"),
        ("(True, 8)", r"has shape \(True, 8\)"),
        ("(50, False)", "has shape"),
        ("(50, 0)", "has rows of 0 dimensions"),
        ("(50.0, 8)", "x "),
        ("(50, '8')", "x "),
        ("(__import__('os').getpid(), 8)", "is not a .npy array"),
        ("(" * 3000 + "1" + ",)" * 3000, "is not a .npy array"),
    ],
)
def test_a_header_that_cannot_be_is_refused_at_once(shape: str, words: str) -> None:
    tracemalloc.start()
    with pytest.raises(UserError, match=words) as refused:
        reader_of(_with_header(shape, bytes(1600)))
    assert "\n" not in str(refused.value).split(":", 1)[0]
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@given(st.integers(-3, 60), st.integers(-3, 12), st.integers(0, 2000))
def test_header_and_size_agree_or_it_is_refused(rows: int, dim: int, held: int) -> None:
    if rows >= 0 and dim > 0 and rows * dim * 4 == held:
        assert reader_of(_with_header(f"({rows}, {dim})", bytes(held))).rows == rows
    else:
        with pytest.raises(UserError, match=r"^x "):
            reader_of(_with_header(f"({rows}, {dim})", bytes(held)))


def _archive(tmp_path: Path, **options: Any) -> zipfile.ZipInfo:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("image.npy", bytes(10_000), **options)
        return archive.infolist()[0]


def test_the_size_of_a_member_is_bounded_by_its_archive(tmp_path: Path) -> None:
    assert member_size("x", _archive(tmp_path, compress_type=zipfile.ZIP_DEFLATED), 10_000) == 10_000
    stored = _archive(tmp_path)
    assert member_size("x", stored, 20_000) == 10_000
    stored.file_size = 10**15
    with pytest.raises(UserError, match=r"source=x\[image.npy\] promises 1000000000000000 bytes out of 10000 in an archive of 20000"):
        member_size("x", stored, 20_000)
    with pytest.raises(UserError, match="promises"):
        member_size("x", _archive(tmp_path), 9_000)
