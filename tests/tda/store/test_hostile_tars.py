"""Archives made to hurt: each is refused or told pair by pair, within a bound of memory that is measured in a process of its own."""

import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bad_shards import picture

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


def pair(key: str) -> bytes:
    return member(f"{key}.jpg", JPG) + member(f"{key}.txt", b"a caption")


def chained(kind: bytes) -> bytes:
    return member("x", b"n" * (MEBIBYTE - 1) + b"\0", kind) * 40 + pair("a")


REFUSED: dict[str, Callable[[], bytes]] = {
    "pax size negative": lambda: pax(size="-512") + pair("a"),
    "pax size beyond the file": lambda: pax(size=str(2**60)) + member("a.bin", b"x") + pair("b"),
    "pax sparse 0.1": lambda: pax(GNU__sparse__map="0,1," * 1000, GNU__sparse__size="9") + pair("a"),
    "pax sparse 1.0": lambda: (
        pax(GNU__sparse__major="1", GNU__sparse__minor="0", GNU__sparse__realsize=str(2**40))
        + member("a.jpg", b"999999999\n" + b"0\n" * 200_000)
    ),
    "gnu sparse": lambda: header("a.jpg", 512, tarfile.GNUTYPE_SPARSE) + bytes(512),
    "40 long names in a row": lambda: chained(tarfile.GNUTYPE_LONGNAME),
    "40 long links in a row": lambda: chained(tarfile.GNUTYPE_LONGLINK),
    "40 global headers in a row": lambda: member("pax", b"20 comment=aaaaaaaaa\n" * 1000, tarfile.XGLTYPE) * 40 + pair("a"),
    "a long name of 2 MiB": lambda: member("x", b"n" * (2 * MEBIBYTE), tarfile.GNUTYPE_LONGNAME) + pair("a"),
    "data after the end": lambda: pair("a") + END + b"garbage".ljust(512, b"!"),
    "two archives in one": lambda: pair("a") + END + pair("b"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_lying_archive_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(REFUSED[name]() + END)
    with pytest.raises(ShardError) as caught:
        list(read_pairs(str(tmp_path / "x.tar")))
    assert caught.value.reason == "damaged", str(caught.value)
    assert "\n" not in str(caught.value)


def read(path: Path, data: bytes) -> dict[str, str | None]:
    (path / "x.tar").write_bytes(data + END)
    found: list[RawPair | Drop] = list(read_pairs(str(path / "x.tar")))
    assert sorted(one.ordinal for one in found) == list(range(len(found)))
    return {one.key: one.reason.value if isinstance(one, Drop) else None for one in found}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (header("a.jpg", 0, tarfile.SYMTYPE, "/etc/passwd") + member("a.txt", b"x") + pair("b"), {"a": "bad_member", "b": None}),
        (header("a.jpg", 0, tarfile.LNKTYPE, "b.jpg") + member("a.txt", b"x") + pair("b"), {"a": "bad_member", "b": None}),
        (header("a.jpg", 0, tarfile.CHRTYPE) + member("a.txt", b"x"), {"a": "bad_member"}),
        (header("a.jpg", 0, tarfile.FIFOTYPE) + member("a.txt", b"x"), {"a": "bad_member"}),
        (header("a.jpg/", 0, tarfile.DIRTYPE) + pair("b"), {"b": None}),
        (
            pair("../a") + pair("/b") + pair("c/../d") + pair("e/f.g"),
            {"../a": "bad_member", "/b": "bad_member", "c/../d": "bad_member", "e/f.g": None},
        ),
        (
            member("a.JPG", JPG) + member("a.TXT", b"upper") + member("a.v2.jpg", JPG) + member("a.v2.txt", b"dotted"),
            {"a": None, "a.v2": None},
        ),
        (pax(size="9") + member("a.txt", b"a caption") + member("a.jpg", JPG), {"a": None}),
        (pax(path="b.jpg") + member("a.jpg", JPG) + member("b.txt", b"renamed"), {"b": None}),
    ],
    ids=["symlink", "hard link", "device", "fifo", "folder", "paths", "case and dots", "honest pax", "pax path"],
)
def test_strange_members(tmp_path: Path, data: bytes, told: dict[str, str | None]) -> None:
    assert read(tmp_path, data) == told


def test_names_too_long_to_be_kept_still_tell_pairs_apart(tmp_path: Path) -> None:
    def long(letter: str, ending: str) -> bytes:
        return member("x", f"{'n' * 5000}{letter}.{ending}\0".encode(), tarfile.GNUTYPE_LONGNAME) + member("short", JPG)

    found = read(tmp_path, long("a", "jpg") + long("a", "txt") + long("b", "jpg") + pair("c"))
    assert sorted(map(str, found.values())) == ["None", "bad_member", "bad_member"]
    assert max(map(len, found)) < 300


READER = """
import sys
from tda.store.shards.webdataset import read_pairs
from tda.errors import ShardError
from tda.store.images.decode import PixelError, decode_rgb
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
told = {}
try:
    for one in read_pairs(sys.argv[1]):
        word = getattr(one, "reason", "pair")
        if word == "pair" and sys.argv[2] == "decode":
            try:
                decode_rgb(one.image, 64_000_000)
            except PixelError as error:
                word = error.reason
        told[str(word)] = told.get(str(word), 0) + 1
except ShardError as error:
    told[error.reason] = 1
print((peak() - before) // 1024, told)
"""


def measure(path: Path, chunks: Iterator[bytes], decode: str = "") -> tuple[int, dict[str, int]]:
    """(Peak memory above that of the imports in MiB, what became of the pairs), of a process that reads the archive."""
    with (path / "x.tar").open("wb") as file:
        file.writelines(chunks)
        file.write(END)
    done = subprocess.run([sys.executable, "-c", READER, str(path / "x.tar"), decode], capture_output=True, text=True, check=True)
    peak, _, told = done.stdout.partition(" ")
    return int(peak), dict(eval(told))  # noqa: S307 (our own words)


def long_names() -> Iterator[bytes]:
    for i in range(150):
        yield member("x", f"{i}{'n' * (MEBIBYTE - 100)}.jpg\0".encode(), tarfile.GNUTYPE_LONGNAME) + member("y", b"x")


def global_headers() -> Iterator[bytes]:
    for i in range(150):
        body = f" k{i}={'v' * (MEBIBYTE - 100)}\n".encode()
        yield member("pax", str(len(body) + 7).encode() + body, tarfile.XGLTYPE) + pair(str(i))


def unfinished() -> Iterator[bytes]:
    for i in range(60):
        yield member(f"{i}.jpg", bytes(4 * MEBIBYTE))


def tiny() -> Iterator[bytes]:
    for i in range(100_000):
        yield header(f"{i}.txt", 0)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*extra: bytes) -> bytes:
    """A true PNG, with chunks put in after its header."""
    data = picture(1, kind="PNG")
    return data[:33] + b"".join(extra) + data[33:]


def image_bombs() -> Iterator[bytes]:
    bomb = zlib.compress(bytes(300 * MEBIBYTE), 9)
    images = {
        "a.png": png(chunk(b"zTXt", b"k\0\0" + bomb)),
        "b.png": png(chunk(b"iCCP", b"p\0\0" + bomb)),
        "c.png": png(chunk(b"IDAT", bomb)),
        "d.webp": b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + b"\xff\x3f\0\xff\x3f\0" + bytes(8),
    }
    for name, data in images.items():
        yield member(name, data) + member(f"{name[0]}.txt", b"x")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a process's own peak is read from /proc")
@pytest.mark.parametrize(
    ("chunks", "decode", "most", "told"),
    [
        (long_names, "", 24, {"bad_member": 150}),
        (global_headers, "", 24, {"pair": 150}),
        (unfinished, "", 110, {"missing_caption": 60}),  # 64 MiB wait for the rest of their pairs
        (tiny, "", 96, {"missing_image": 100_000}),
        (image_bombs, "decode", 48, None),
    ],
)
def test_peak_memory(chunks: Callable[[], Iterator[bytes]], decode: str, most: int, told: dict[str, int] | None, tmp_path: Path) -> None:
    peak, found = measure(tmp_path, chunks(), decode)
    print(f"{chunks.__name__}: {peak} MiB at most, {found}")
    assert told is None or found == told
    assert sum(found.values()) == 4 if told is None else True
    assert peak < most
