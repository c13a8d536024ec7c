"""Untrusted tars: both ends are checked before reading, every header and every trailing byte while reading.

Common readers silently treat a broken header as the end, and trust the sizes in headers. Here broken headers are refused, sparse ones
(images are not sparse, and a sparse map is read into memory whole), and long chains of extension headers: each may hold `MAX_META_BYTES`,
and Python's reader holds them all at once.
"""

import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from tda.errors import ShardError
from tda.store.files import filesystem
from tda.store.shards.changed import etag_of
from tda.store.types import Source, printable

MAX_META_BYTES = 2**20
MAX_EXTENSIONS = 4  # in a row: one member can need a long name, a long link and a pax header
_EXTENDED_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


def check_archive(url: str) -> Source:
    """Refuse a file that is not a complete tar, by its first 512 and last 1024 bytes.

    Raises ShardError, reason missing, forbidden, unreadable, empty, not_a_tar or truncated; only unreadable (the store failed) is worth a
    retry.
    """
    source, head, tail = stat_shard(url)
    _check_ends(url, source.size, head, tail)
    return source


def stat_shard(url: str) -> tuple[Source, bytes, bytes]:
    """A shard's source, its first 512 and its last 1024 bytes. Raises ShardError, reason missing, unreadable, empty or not_a_tar."""
    fs, path = filesystem(url)
    try:
        info = fs.info(path)
        size = _size(url, info)
        head, tail = fs.cat_file(path, start=0, end=min(512, size)), fs.cat_file(path, start=max(0, size - 1024), end=size)
    except FileNotFoundError:
        raise ShardError(url, "missing", "no such file") from None
    except OSError as error:
        raise ShardError(url, unread(error), printable(error.strerror or str(error))) from None
    return Source(url, size, etag_of(info)), head, tail


def unread(error: OSError) -> str:
    """The reason of a shard that cannot be read: forbidden is permanent, unreadable may be worth a retry."""
    return "forbidden" if isinstance(error, PermissionError) else "unreadable"


def _size(url: str, info: dict[str, Any]) -> int:
    if info["type"] != "file":
        raise ShardError(url, "not_a_tar", f"it is a {info['type']}")
    if info["size"] is None:
        raise ShardError(url, "unreadable", "its store does not give its size")
    if info["size"] == 0:
        raise ShardError(url, "empty", "0 bytes")
    return int(info["size"])


def _check_ends(url: str, size: int, head: bytes, tail: bytes) -> None:
    if size >= 512 and any(head):
        try:
            tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise ShardError(url, "not_a_tar", f"begins with {head[:16]!r}") from None
    elif head.lstrip().startswith((b"<", b"{")):
        raise ShardError(url, "not_a_tar", f"begins with {head[:16]!r}")
    if size % 512 or size < 1024 or any(tail):
        raise ShardError(url, "truncated", f"{size} bytes without the end of an archive")


class DamagedError(Exception):
    """Not a HeaderError: tarfile silently treats those as the end of the archive."""


def iter_members(file: BinaryIO, size: int) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Every member of an archive of `size` bytes, to be read before the next one. Raises DamagedError and tarfile's errors."""
    with tarfile.open(fileobj=file, mode="r|", tarinfo=Header, errorlevel=2) as tar:
        while (member := tar.next()) is not None:
            if not 0 <= member.size <= size - member.offset_data:  # tarfile would skip so far in steps of 10 kB
                raise DamagedError(f"a member of {member.size} bytes at byte {member.offset_data}")
            tar.members.clear()  # type: ignore[attr-defined]  # tarfile would keep every header until the end
            tar.pax_headers.clear()  # type: ignore[attr-defined]  # and every global one
            yield tar, member
        end = tar.offset  # of the first block of zeros
    file.seek(end)
    while chunk := file.read(2**20):
        if any(chunk):
            raise DamagedError(f"data after the end-of-archive mark at byte {end}")


class Header(tarfile.TarInfo):
    """A tar header. A broken one is refused, not treated as the end, and chains of extension headers are bounded."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Header":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the proper end
            raise
        except tarfile.HeaderError as error:
            raise DamagedError(f"broken header: {error}") from None
        if header.size < 0 or header.type == tarfile.GNUTYPE_SPARSE or (header.type in _EXTENDED_HEADERS and header.size > MAX_META_BYTES):
            raise DamagedError(f"header of type {header.type!r} and size {header.size}")
        return header

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        """Tarfile's step from a header to a member; it recurses for every extension header."""
        depth = getattr(tar, "extensions", 0) + 1 if self.type in _EXTENDED_HEADERS else 0
        tar.extensions = depth  # type: ignore[attr-defined]
        if depth > MAX_EXTENSIONS:
            raise DamagedError(f"more than {MAX_EXTENSIONS} extended headers in a row")
        member: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return member

    def _refuse_sparse(self, *_: Any) -> NoReturn:
        raise DamagedError("a sparse member")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse
