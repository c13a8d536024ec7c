"""Rows of a two-dimensional .npy, block by block, from any seekable stream: a file, or a member of an .npz.

Legend: N rows, D dimensions, B rows of a block.
"""

import zipfile
import zlib
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tda.errors import UserError

UNREADABLE = (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)  # errors of a damaged archive


MAX_RATIO = 1100  # deflate packs at most 1,032 bytes into one


class NpyReader:
    """Random access to rows of a stream that begins with an .npy header; `name` is for messages.

    `size` is the number of bytes of the stream, as its file or archive gives it: header and rows must fill it exactly.

    Raises UserError, before any row is read, for what is not a 2-D array of floating point rows (object arrays need unpickling, and are
    refused), or has more or fewer bytes than its header promises.
    """

    def __init__(self, stream: IO[bytes], name: str, size: int) -> None:
        self._stream, self._name = stream, name
        try:
            version = np.lib.format.read_magic(stream)
            read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, by_column, self._dtype = read_header(stream)
        except (ValueError, RecursionError, MemoryError, *UNREADABLE) as error:
            raise UserError(f"{name} is not a .npy array: {str(error) or type(error).__name__}") from None
        if len(shape) != 2 or not all(type(n) is int and n >= 0 for n in shape):
            raise UserError(f"{name} has shape {_brief(shape)}; embeddings are (rows, dimensions)")
        if shape[1] == 0:
            raise UserError(f"{name} has rows of 0 dimensions")
        if self._dtype.kind != "f" or self._dtype.itemsize > 8:
            raise UserError(f"{name} holds {self._dtype}; embeddings are float16, float32 or float64")
        if by_column and min(shape) > 1:
            raise UserError(f"{name} is stored column by column; save numpy.ascontiguousarray of it")
        self.rows, self.dim = int(shape[0]), int(shape[1])
        self._begin = stream.tell()
        self._check_size(size)

    def _check_size(self, size: int) -> None:
        width = self.dim * self._dtype.itemsize
        wanted, held = self.rows * width, size - self._begin
        if held < wanted:
            raise UserError(f"{self._name} is cut: its header says {self.rows} rows of {width} bytes, it holds {held // width} of them")
        if held > wanted:
            raise UserError(
                f"{self._name} holds {held} bytes after its header, which says {self.rows} rows of {width} bytes: {wanted} bytes"
            )

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """(B, D) rows start..stop-1, in the machine's byte order."""
        width = self.dim * self._dtype.itemsize
        try:
            self._stream.seek(self._begin + start * width)
            data = self._stream.read((stop - start) * width)
        except UNREADABLE as error:
            raise UserError(f"{self._name} cannot be read: {error}") from None
        if len(data) != (stop - start) * width:
            raise UserError(
                f"{self._name} is cut: its header has {self.rows} rows, and it ends in row {start + len(data) // max(width, 1)}"
            )
        block_BD = np.frombuffer(data, dtype=self._dtype).reshape(stop - start, self.dim)
        return block_BD.astype(self._dtype.newbyteorder("="), copy=False)


def _brief(shape: tuple[Any, ...]) -> str:
    text = repr(shape)
    return text if len(text) <= 80 else text[:80] + "..."


def member_size(name: str, info: zipfile.ZipInfo, archive_bytes: int) -> int:
    """Bytes of a member once unpacked, as the archive's directory says. Raises UserError where that cannot be so."""
    packed = info.compress_size
    most = packed if info.compress_type == zipfile.ZIP_STORED else packed * MAX_RATIO
    if packed > archive_bytes or info.file_size > most:
        raise UserError(f"source={name}[{info.filename}] promises {info.file_size} bytes out of {packed} in an archive of {archive_bytes}")
    return info.file_size
