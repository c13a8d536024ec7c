"""The tar gate, through real archives with every fault."""

import json
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
from bad_shards import picture, write_tar
from raw_tars import END, JPG, MEBIBYTE, header, member, outcomes, pair, raw_pair, read, refused

from tda.store.shards.webdataset import RawPair, expected_pairs, read_pairs
from tda.store.types import Drop


def test_real_photographs(shared_data: Path) -> None:
    pairs = list(read_pairs(str(shared_data / "coco100.tar")))
    with tarfile.open(shared_data / "coco100.tar") as tar:
        for i, one in enumerate(pairs):
            assert isinstance(one, RawPair)
            assert (one.ordinal, one.key) == (i, f"{i:06d}")
            assert one.image == tar.extractfile(f"{i:06d}.jpg").read()  # type: ignore[union-attr]
            assert one.caption.encode() == tar.extractfile(f"{i:06d}.txt").read()  # type: ignore[union-attr]
    assert len(pairs) == 100


def test_side_files_give_url_and_size(tmp_path: Path) -> None:
    meta = {"url": "https://x/y.jpg", "width": 640, "height": 480, "caption": "of the side file"}
    found = read(tmp_path, [("0.jpg", JPG), ("0.txt", b"of the text"), ("0.json", json.dumps(meta).encode()), *pair("1")])
    assert found == [RawPair(0, "0", JPG, "of the text", "https://x/y.jpg", 640, 480), RawPair(1, "1", JPG, "a caption")]


@pytest.mark.parametrize(
    "meta", [b"", b"{", b"[1]", b'{"url": 3, "width": "wide", "height": -1}', b'{"width": 1e99, "height": true}', b"[" * 100_000]
)
def test_a_useless_side_file_does_no_harm(tmp_path: Path, meta: bytes) -> None:
    assert read(tmp_path, [*pair("0"), ("0.json", meta)]) == [RawPair(0, "0", JPG, "a caption")]


def test_captions_that_live_in_side_files_alone(tmp_path: Path) -> None:
    members = [member for i in range(50) for member in ((f"{i}.png", JPG), (f"{i}.json", json.dumps({"caption": f"c{i}"}).encode()))]
    assert [one.caption for one in read(tmp_path, members, waiting_bytes=2000) if isinstance(one, RawPair)] == [f"c{i}" for i in range(50)]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([("a.jpg", JPG), *pair("b")], [("a", "missing_caption"), ("b", None)]),
        ([("a.txt", b"x"), *pair("b")], [("a", "missing_image"), ("b", None)]),
        ([("a.json", b"{}"), *pair("b")], [("a", "missing_image"), ("b", None)]),
        (pair("a", b"") + pair("b", b" \n\t"), [("a", "empty_caption"), ("b", "empty_caption")]),
        (pair("a", b"caf\xe9"), [("a", "caption_not_utf8")]),
        ([("a.jpg", JPG), ("a.json", b'{"caption": "\\ud800"}')], [("a", "caption_not_utf8")]),
        ([("a.jpg", JPG), ("a.json", b'{"caption": 7}')], [("a", "missing_caption")]),
        (pair("a", b"x" * 1_000_000), [("a", "caption_too_long")]),
        (pair("a") + pair("b") + pair("a"), [("a", None), ("b", None), ("a", "duplicate_key")]),
        (pair("a") + pair("a"), [("a", None), ("a", "duplicate_key")]),
        ([("a.jpg", JPG), ("a.png", JPG), ("a.txt", b"x")], [("a", "duplicate_key")]),
        (pair("cat.v1") + pair("cat.v2"), [("cat.v1", None), ("cat.v2", None)]),
        ([("A.JPG", JPG), ("A.TXT", b"x"), *pair("a")], [("A", None), ("a", None)]),
        (pair("part/a") + pair("part/b") + pair("a"), [("part/a", None), ("part/b", None), ("a", None)]),
        (pair("./a"), [("a", None)]),
        (pair("../a") + pair("/b") + pair("c/../d"), [("../a", "bad_member"), ("/b", "bad_member"), ("c/../d", "bad_member")]),
        ([(".jpg", JPG), (".txt", b"x")], [("", "bad_member")]),
        ([("._a.jpg", b"fork"), *pair("a"), ("._a.txt", b"fork")], [("a", None)]),
        ([("README", b"x"), ("a.jpg", JPG), ("a.pyd", b"cos\nsystem\n"), ("a.cls", b"1"), ("a.txt", b"x")], [("a", None)]),
        ([("a.jpg", JPG), ("b.jpg", JPG), ("b.txt", b"x"), ("a.txt", b"x")], [("a", None), ("b", None)]),
        ([], []),
    ],
)
def test_each_pair_is_read_or_named(tmp_path: Path, members: list[tuple[str, bytes]], expected: list[tuple[str, str | None]]) -> None:
    assert outcomes(read(tmp_path, members)) == expected


@pytest.mark.parametrize(("caption", "reason"), [("x" * 100, None), ("x" * 101, "caption_too_long"), ("é" * 51, "caption_too_long")])
def test_a_caption_in_a_side_file_obeys_the_limit_of_captions(tmp_path: Path, caption: str, reason: str | None) -> None:
    members = [("a.jpg", JPG), ("a.json", json.dumps({"caption": caption}, ensure_ascii=False).encode())]
    assert outcomes(read(tmp_path, members, max_caption_bytes=100)) == [("a", reason)]


def test_a_side_file_over_its_limit_is_named_where_its_caption_is_missed(tmp_path: Path) -> None:
    large = json.dumps({"caption": "x", "url": "u", "more": "y" * 2**20}).encode()
    (drop,) = read(tmp_path, [("a.jpg", JPG), ("a.json", large)])
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.detail) == ("member_too_large", f"its .json has {len(large)} bytes, at most {2**20}: no caption is read")
    assert outcomes(read(tmp_path, [*pair("a"), ("a.json", large)])) == [("a", None)]


def test_the_count_of_img2dataset_is_kept_to(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "00000.tar", [*pair("a"), ("b.jpg", JPG)])
    stats = tmp_path / "00000_stats.json"
    assert expected_pairs(str(path)) is None
    stats.write_text(json.dumps({"count": 9, "successes": 2}))
    assert len(list(read_pairs(str(path)))) == 2
    stats.write_text(json.dumps({"count": 9, "successes": 3}))
    assert refused(path).reason == "count"
    stats.write_text("{")
    assert refused(path).reason == "count"


def test_a_shard_on_an_object_store(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "x.tar", pair("a")).read_bytes()
    fsspec.filesystem("memory").pipe_file("/bucket-of-tars/x.tar", whole)
    assert outcomes(list(read_pairs("memory://bucket-of-tars/x.tar"))) == [("a", None)]


READER = """
import sys
from tda.store.shards.webdataset import read_pairs
from tda.store.types import Drop
from tda.errors import ShardError
from tda.store.images.decode import PixelError, decode_rgb
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
outcome = {}
try:
    for one in read_pairs(sys.argv[1]):
        word = getattr(one, "reason", "pair")
        if word == "pair" and sys.argv[2] == "decode":
            try:
                decode_rgb(one.image, 64_000_000)
            except PixelError as error:
                word = error.reason
        outcome[str(word)] = outcome.get(str(word), 0) + 1
except ShardError as error:
    outcome[error.reason] = 1
print((peak() - before) // 1024, outcome)
"""


def measure(path: Path, chunks: Iterator[bytes], decode: str = "") -> tuple[int, dict[str, int]]:
    """(Peak memory above that of the imports in MiB, what became of the pairs), of a process that reads the archive."""
    with (path / "x.tar").open("wb") as file:
        file.writelines(chunks)
        file.write(END)
    done = subprocess.run([sys.executable, "-c", READER, str(path / "x.tar"), decode], capture_output=True, text=True, check=True)
    peak, _, outcome = done.stdout.partition(" ")
    return int(peak), dict(eval(outcome))  # noqa: S307 (our own words)


def long_names() -> Iterator[bytes]:
    for i in range(150):
        yield member("x", f"{i}{'n' * (MEBIBYTE - 100)}.jpg\0".encode(), tarfile.GNUTYPE_LONGNAME) + member("y", b"x")


def global_headers() -> Iterator[bytes]:
    for i in range(150):
        body = f" k{i}={'v' * (MEBIBYTE - 100)}\n".encode()
        yield member("pax", str(len(body) + 7).encode() + body, tarfile.XGLTYPE) + raw_pair(str(i))


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
    ("chunks", "decode", "most", "outcome"),
    [
        (long_names, "", 24, {"bad_member": 150}),
        (global_headers, "", 24, {"pair": 150}),
        (unfinished, "", 110, {"missing_caption": 60}),  # 64 MiB wait for the rest of their pairs
        (tiny, "", 96, {"missing_image": 100_000}),
        (image_bombs, "decode", 48, None),
    ],
)
def test_peak_memory(chunks: Callable[[], Iterator[bytes]], decode: str, most: int, outcome: dict[str, int] | None, tmp_path: Path) -> None:
    peak, found = measure(tmp_path, chunks(), decode)
    print(f"{chunks.__name__}: {peak} MiB at most, {found}")
    assert outcome is None or found == outcome
    assert sum(found.values()) == 4 if outcome is None else True
    assert peak < most
