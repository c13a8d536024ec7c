"""Archives: their ends, every header and every trailing byte are checked; no fault is taken for the end."""

import gzip
import io
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from bad_shards import write_tar
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_tars import END, JPG, MEBIBYTE, header, member, pair, pax, raw_pair, refused

from tda.errors import ShardError
from tda.store.shards import tar as module
from tda.store.shards.tar import DamagedError, check_archive, iter_members, stat_shard
from tda.store.shards.webdataset import read_pairs

names = st.text(st.characters(codec="utf-8", exclude_characters="\0/", exclude_categories=("Cs",)), min_size=1, max_size=150)
archives = st.lists(st.tuples(names, st.binary(max_size=1500)), min_size=1, max_size=6)


def archive(members: list[tuple[str, bytes]], form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def contents(data: bytes) -> list[tuple[str, bytes]]:
    found = []
    for tar, one in iter_members(io.BytesIO(data), len(data)):
        file = tar.extractfile(one)
        assert file is not None
        found.append((one.name, file.read()))
    return found


@settings(max_examples=60, deadline=None)
@given(members=archives, form=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_every_member_of_a_sound_archive_is_read(members: list[tuple[str, bytes]], form: int) -> None:
    assert contents(archive(members, form)) == members


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_changed_byte_is_refused_or_changes_no_name_and_no_size(data: st.DataObject) -> None:
    members = [("a.jpg", b"x" * 700), ("b.txt", b"y" * 20), ("c.txt", b"")]
    whole = archive(members, tarfile.USTAR_FORMAT)
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        found = contents(bytes(changed))
    except (DamagedError, tarfile.TarError):
        return
    assert [(name, len(content)) for name, content in found] == [(name, len(content)) for name, content in members]


def test_headers_are_let_go_as_members_are_read() -> None:
    data = archive([(f"{i}.txt", b"x") for i in range(50)], tarfile.PAX_FORMAT)
    assert max(len(tar.members) for tar, _ in iter_members(io.BytesIO(data), len(data))) == 0


def test_the_ends_and_the_source_of_an_archive(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", pair("a"))
    source, head, tail = stat_shard(str(path))
    assert (source.path, source.size) == (str(path), path.stat().st_size)
    assert (head, tail) == (path.read_bytes()[:512], path.read_bytes()[-1024:])
    assert check_archive(str(path)) == source
    os.utime(path, (1, 1))
    assert check_archive(str(path)).etag != source.etag, "a file that was replaced is another source"


def test_the_source_of_an_archive_on_an_object_store(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "x.tar", pair("a")).read_bytes()
    fsspec.filesystem("memory").pipe_file("/bucket-of-ends/x.tar", whole)
    source = check_archive("memory://bucket-of-ends/x.tar")
    assert (source.path, source.size) == ("memory://bucket-of-ends/x.tar", len(whole))
    with pytest.raises(ShardError, match="missing"):
        check_archive("memory://bucket-of-ends/y.tar")


class Store:
    """A store whose listing, or whose bytes, fail."""

    def __init__(self, info: dict[str, Any], error: OSError | None = None) -> None:
        self._info, self._error = info, error

    def info(self, _: str) -> dict[str, Any]:
        return self._info

    def cat_file(self, _: str, start: int, end: int) -> bytes:
        if self._error is not None:
            raise self._error
        return bytes(end - start)


@pytest.mark.parametrize(
    ("store", "reason", "detail"),
    [
        (Store({"type": "file", "size": 9}, PermissionError(13, "Access Denied")), "forbidden", "Access Denied"),
        (Store({"type": "file", "size": 9}, OSError("500: try again\udcff")), "unreadable", "500: try again\\udcff"),
        (Store({"type": "file", "size": None}), "unreadable", "its store does not give its size"),
        (Store({"type": "file", "size": 0}), "empty", "0 bytes"),
        (Store({"type": "directory", "size": 0}), "not_a_tar", "it is a directory"),
    ],
)
def test_a_store_that_fails_is_named_by_reason(store: Store, reason: str, detail: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "filesystem", lambda url: (store, url))
    with pytest.raises(ShardError) as caught:
        check_archive("s3://bucket/x.tar")
    assert (caught.value.shard, caught.value.reason, caught.value.detail) == ("s3://bucket/x.tar", reason, detail)


def test_every_cut_is_refused_and_none_passes_for_a_shorter_shard(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "whole.tar", [member for i in range(4) for member in pair(f"{i}")]).read_bytes()
    used = len(whole.rstrip(b"\0"))
    end = -(-used // 512) * 512  # of the last member
    cut = tmp_path / "cut.tar"
    for size in [*range(0, end + 1024, 128), *range(1, end, 997)]:
        cut.write_bytes(whole[:size])
        assert refused(cut).reason in ("empty", "truncated", "not_a_tar"), size
    for size in range(end + 1024, len(whole) + 1, 512):
        cut.write_bytes(whole[:size])
        assert len(list(read_pairs(str(cut)))) == 4, "only surplus padding is gone"


def test_a_cut_that_ends_in_zeros_by_chance(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "x.tar", [("a.jpg", JPG + bytes(4096)), ("a.txt", b"x"), *pair("b")]).read_bytes()
    (tmp_path / "x.tar").write_bytes(whole[: 512 + 1024 + 3072])
    assert refused(tmp_path / "x.tar").reason == "damaged"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>" + b"x" * 5000 + b"</html>", "not_a_tar"),
        (b"<html>404</html>", "not_a_tar"),
        (b"<html>" + b" " * 506 + bytes(1024), "not_a_tar"),
        (b'{"message": "no"}', "not_a_tar"),
        (gzip.compress(bytes(10_240)) + bytes(2048), "not_a_tar"),
        (bytes(512), "truncated"),
        (b"\x89PNG" + bytes(10_236), "not_a_tar"),
    ],
)
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    assert refused(tmp_path / "x.tar").reason == reason


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.tar").reason == "missing"
    assert refused(tmp_path).reason == "not_a_tar"
    assert "none.tar" in str(refused(tmp_path / "none.tar"))


def damage(tmp_path: Path, at: int, data: bytes) -> Path:
    path = write_tar(tmp_path / "x.tar", [member for i in range(4) for member in pair(f"{i}")])
    content = bytearray(path.read_bytes())
    content[at : at + len(data)] = data
    path.write_bytes(content)
    return path


def test_faults_in_the_middle_are_not_taken_for_the_end(tmp_path: Path) -> None:
    second = 512 + 1024
    assert refused(damage(tmp_path, second, b"?" * 20)).reason == "damaged"
    assert refused(damage(tmp_path, second, bytes(512))).reason == "damaged"
    assert "after the end" in refused(damage(tmp_path, second, bytes(512))).detail
    two = write_tar(tmp_path / "a.tar", pair("a")).read_bytes() * 2
    (tmp_path / "a.tar").write_bytes(two)
    assert refused(tmp_path / "a.tar").reason == "damaged"


@pytest.mark.parametrize(
    ("kind", "size"), [(tarfile.XHDTYPE, 2**33), (tarfile.GNUTYPE_LONGNAME, 2**30), (tarfile.GNUTYPE_SPARSE, 5), (b"0", -5)]
)
def test_headers_of_a_false_size_cost_no_memory(tmp_path: Path, kind: bytes, size: int) -> None:
    info = tarfile.TarInfo("a.jpg")
    info.type, info.size = kind, size
    header = info.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "x.tar").write_bytes(header + bytes(10_240))
    tracemalloc.start()
    assert refused(tmp_path / "x.tar").reason == "damaged"
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def chained(kind: bytes) -> bytes:
    return member("x", b"n" * (MEBIBYTE - 1) + b"\0", kind) * 40 + raw_pair("a")


REFUSED: dict[str, Callable[[], bytes]] = {
    "pax size negative": lambda: pax(size="-512") + raw_pair("a"),
    "pax size beyond the file": lambda: pax(size=str(2**60)) + member("a.bin", b"x") + raw_pair("b"),
    "pax sparse 0.1": lambda: pax(GNU__sparse__map="0,1," * 1000, GNU__sparse__size="9") + raw_pair("a"),
    "pax sparse 1.0": lambda: (
        pax(GNU__sparse__major="1", GNU__sparse__minor="0", GNU__sparse__realsize=str(2**40))
        + member("a.jpg", b"999999999\n" + b"0\n" * 200_000)
    ),
    "gnu sparse": lambda: header("a.jpg", 512, tarfile.GNUTYPE_SPARSE) + bytes(512),
    "40 long names in a row": lambda: chained(tarfile.GNUTYPE_LONGNAME),
    "40 long links in a row": lambda: chained(tarfile.GNUTYPE_LONGLINK),
    "40 global headers in a row": lambda: member("pax", b"20 comment=aaaaaaaaa\n" * 1000, tarfile.XGLTYPE) * 40 + raw_pair("a"),
    "a long name of 2 MiB": lambda: member("x", b"n" * (2 * MEBIBYTE), tarfile.GNUTYPE_LONGNAME) + raw_pair("a"),
    "data after the end": lambda: raw_pair("a") + END + b"garbage".ljust(512, b"!"),
    "two archives in one": lambda: raw_pair("a") + END + raw_pair("b"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_archive_of_false_headers_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(REFUSED[name]() + END)
    with pytest.raises(ShardError) as caught:
        list(read_pairs(str(tmp_path / "x.tar")))
    assert caught.value.reason == "damaged", str(caught.value)
    assert "\n" not in str(caught.value)
