"""Tars written byte by byte, so that any header can be wrong, and what the tar gate makes of them."""

import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from bad_shards import write_tar

from tda.errors import ShardError
from tda.store.shards.webdataset import RawPair, read_pairs
from tda.store.types import Drop

JPG = b"\xff\xd8" + bytes(range(1, 256)) * 3
END = bytes(1024)
MEBIBYTE = 2**20


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info.tobuf(tarfile.GNU_FORMAT)


def member(name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    return header(name, len(data), kind) + data + bytes(-len(data) % 512)


def pax(**fields: str) -> bytes:
    """A pax header before a member."""
    body = b""
    for key, value in fields.items():
        rest = f" {key.replace('__', '.')}={value}\n".encode()
        length = len(rest) + len(str(len(rest) + 3))
        body += str(length).encode() + rest
    return member("pax", body, tarfile.XHDTYPE)


def raw_pair(key: str) -> bytes:
    return member(f"{key}.jpg", JPG) + member(f"{key}.txt", b"a caption")


def pair(key: str, caption: bytes = b"a caption") -> list[tuple[str, bytes]]:
    """The members of a pair, for `write_tar`."""
    return [(f"{key}.jpg", JPG), (f"{key}.txt", caption)]


def read(path: Path, members: Iterable[tuple[str, bytes]] | bytes, **limits: int) -> list[RawPair | Drop]:
    """The pairs and drops of an archive of these members, or of these bytes, in order; each ordinal once."""
    file = path / "x.tar"
    if isinstance(members, bytes):
        file.write_bytes(members + END)
    else:
        write_tar(file, members)
    found = list(read_pairs(str(file), **limits))
    assert sorted(one.ordinal for one in found) == list(range(len(found))), "every pair once"
    return sorted(found, key=lambda one: one.ordinal)


def outcomes(found: list[RawPair | Drop]) -> list[tuple[str, str | None]]:
    """(key, reason of the drop or None) of each."""
    return [(one.key, one.reason.value if isinstance(one, Drop) else None) for one in found]


def refused(path: Path) -> ShardError:
    with pytest.raises(ShardError) as caught:
        list(read_pairs(str(path)))
    return caught.value
