"""SHA-256 of a shard's bytes, made while the shard is read: its identity costs no second reading."""

import hashlib
from dataclasses import dataclass
from typing import Any, BinaryIO

BUFFER = 2**20  # bytes hashed at once: hashing lets other threads run, and changing threads for each small read costs more than the hash


@dataclass
class Seen:
    """What a reader has found out of its shard on the way: `sha256` is set once every byte was read."""

    sha256: str | None = None


class HashedFile:
    """A file that is read from its start, here and there a little of it again; `digest` is that of the bytes up to the furthest read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash, self._waiting, self._hashed = file, hashlib.sha256(), bytearray(), 0

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        data = self._file.read(size)
        self._take(start, data)
        return data

    def readline(self, size: int = -1) -> bytes:
        start = self._file.tell()
        line = self._file.readline(size)
        self._take(start, line)
        return line

    def seek(self, offset: int, whence: int = 0) -> int:
        """Forward moves read what they pass over, so that it is hashed too."""
        target = self._file.seek(offset, whence)
        if target > self._hashed:
            self._file.seek(self._hashed)
            while self._hashed < target and (data := self._file.read(min(BUFFER, target - self._hashed))):
                self._take(self._hashed, data)
        return self._file.seek(target)

    def tell(self) -> int:
        return self._file.tell()

    def digest(self, size: int) -> str | None:
        """SHA-256 in hexadecimal if exactly `size` bytes were read, else None."""
        self._flush()
        return self._hash.hexdigest() if self._hashed == size else None

    def _take(self, start: int, data: bytes) -> None:
        fresh = data[max(0, self._hashed - start) :]
        if start <= self._hashed and fresh:
            self._waiting += fresh
            self._hashed += len(fresh)
            if len(self._waiting) >= BUFFER:
                self._flush()

    def _flush(self) -> None:
        self._hash.update(self._waiting)
        self._waiting = bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
