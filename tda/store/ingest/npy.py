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


class NpyReader:
    """Random access to rows of a stream that begins with an .npy header; `name` is for messages.

    Raises UserError if it is not a 2-D floating point array (object arrays need unpickling, and are refused) or is cut.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self._name = stream, name
        try:
            version = np.lib.format.read_magic(stream)
            read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, by_column, self._dtype = read_header(stream)
        except (ValueError, *UNREADABLE) as error:
            raise UserError(f"{name} is not a .npy array: {error}") from None
        if len(shape) != 2:
            raise UserError(f"{name} has shape {shape}; embeddings are (rows, dimensions)")
        if self._dtype.kind != "f" or self._dtype.itemsize > 8:
            raise UserError(f"{name} holds {self._dtype}; embeddings are float16, float32 or float64")
        if by_column and min(shape) > 1:
            raise UserError(f"{name} is stored column by column; save numpy.ascontiguousarray of it")
        self.rows, self.dim = int(shape[0]), int(shape[1])
        self._begin = stream.tell()

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
