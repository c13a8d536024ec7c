"""The tar gate, through real archives with every fault."""

import gzip
import io
import json
import tarfile
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import fsspec
import pytest
from bad_shards import write_tar
from hypothesis import given, settings
from hypothesis import strategies as st

from tda.errors import ShardError
from tda.store.shards.webdataset import RawPair, check_archive, expected_pairs, read_pairs
from tda.store.types import Drop, Reason

JPG = b"\xff\xd8" + bytes(range(1, 256)) * 3


def pair(key: str, caption: bytes = b"a caption") -> list[tuple[str, bytes]]:
    return [(f"{key}.jpg", JPG), (f"{key}.txt", caption)]


def read(path: Path, members: Iterable[tuple[str, bytes]], **limits: int) -> list[RawPair | Drop]:
    found = list(read_pairs(str(write_tar(path / "x.tar", members)), **limits))
    assert sorted(one.ordinal for one in found) == list(range(len(found))), "every pair once"
    return sorted(found, key=lambda one: one.ordinal)


def told(found: list[RawPair | Drop]) -> list[tuple[str, str | None]]:
    return [(one.key, one.reason.value if isinstance(one, Drop) else None) for one in found]


def refused(path: Path) -> ShardError:
    with pytest.raises(ShardError) as caught:
        list(read_pairs(str(path)))
    return caught.value


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
    assert told(read(tmp_path, members)) == expected


@pytest.mark.parametrize(("caption", "reason"), [("x" * 100, None), ("x" * 101, "caption_too_long"), ("é" * 51, "caption_too_long")])
def test_a_caption_in_a_side_file_obeys_the_limit_of_captions(tmp_path: Path, caption: str, reason: str | None) -> None:
    members = [("a.jpg", JPG), ("a.json", json.dumps({"caption": caption}, ensure_ascii=False).encode())]
    assert told(read(tmp_path, members, max_caption_bytes=100)) == [("a", reason)]


def test_a_side_file_over_its_limit_is_named_where_its_caption_is_missed(tmp_path: Path) -> None:
    large = json.dumps({"caption": "x", "url": "u", "more": "y" * 2**20}).encode()
    (drop,) = read(tmp_path, [("a.jpg", JPG), ("a.json", large)])
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.detail) == ("member_too_large", f"its .json has {len(large)} bytes, at most {2**20}: no caption is read")
    assert told(read(tmp_path, [*pair("a"), ("a.json", large)])) == [("a", None)]


def test_an_image_over_the_cap_is_not_read(tmp_path: Path) -> None:
    found = read(tmp_path, [("a.jpg", bytes(3_000_000)), ("a.txt", b"x"), *pair("b")], max_member_bytes=1_000_000)
    assert told(found) == [("a", "member_too_large"), ("b", None)]


def test_members_apart_are_paired_within_memory_and_named_beyond(tmp_path: Path) -> None:
    images = [(f"{i:03d}.jpg", bytes([i]) * 1_000_000) for i in range(40)]
    sides = [(f"{i:03d}.json", b"{}") for i in range(40)]
    texts = [(f"{i:03d}.txt", b"x") for i in range(40)]
    path = write_tar(tmp_path / "x.tar", images + sides + texts)
    tracemalloc.start()
    reasons = Counter(one.reason if isinstance(one, Drop) else None for one in read_pairs(str(path), waiting_bytes=4_000_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reasons == {Reason.INTERLEAVED: 37, None: 3}, "a pair waits only as long as it fits"
    assert peak < 8_000_000


def test_links_devices_and_strange_names(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        for name, kind in (
            ("dir.jpg", tarfile.DIRTYPE),
            ("a.jpg", tarfile.SYMTYPE),
            ("b.jpg", tarfile.CHRTYPE),
            ("c.jpg", tarfile.LNKTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name in ("caf\udce9.jpg", "n" * 2000 + ".jpg", "ok.jpg", "ok.txt"):
            info = tarfile.TarInfo(name)
            info.size = len(JPG)
            tar.addfile(info, io.BytesIO(JPG.replace(b"\xff", b"\n") if name.endswith("txt") else JPG))
    found = sorted(read_pairs(str(tmp_path / "x.tar")), key=lambda one: one.ordinal)
    reasons = [reason for _, reason in told(found)]
    assert reasons == ["bad_member"] * 5 + ["caption_not_utf8"]
    assert found[3].key == "caf\\udce9"
    assert all(one.key.encode() for one in found)


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
def test_headers_that_lie_about_their_size_cost_no_memory(tmp_path: Path, kind: bytes, size: int) -> None:
    info = tarfile.TarInfo("a.jpg")
    info.type, info.size = kind, size
    header = info.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "x.tar").write_bytes(header + bytes(10_240))
    tracemalloc.start()
    assert refused(tmp_path / "x.tar").reason == "damaged"
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


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
    assert told(list(read_pairs("memory://bucket-of-tars/x.tar"))) == [("a", None)]
    source = check_archive("memory://bucket-of-tars/x.tar")
    assert (source.path, source.size) == ("memory://bucket-of-tars/x.tar", len(whole))
    with pytest.raises(ShardError, match="missing"):
        check_archive("memory://bucket-of-tars/y.tar")


names = st.tuples(st.sampled_from("abc"), st.sampled_from([".jpg", ".txt", ".json", ".png", ".JPG", ".v.jpg", ".bin"])).map("".join)
contents = st.sampled_from([b"", b"x", JPG, b'{"caption": "c"}', b"\xff", b"y" * 3000])


@settings(max_examples=150, deadline=None)
@given(members=st.lists(st.tuples(names, contents), max_size=12), waiting=st.sampled_from([0, 1000, 10**6]))
def test_whatever_an_archive_holds_each_pair_is_told_once(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes]], waiting: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.mkdir(exist_ok=True)
    found = read(path, members, waiting_bytes=waiting, max_member_bytes=2000, max_caption_bytes=2000)
    keys = {name.rpartition(".")[0] for name, _ in members if not name.endswith(".bin")}
    assert {one.key for one in found} == keys
    whole = Counter(one.key for one in found if isinstance(one, RawPair))
    assert all(n == 1 for n in whole.values()), "no key twice among the rows"


def test_a_pair_waits_for_its_members_in_any_order(tmp_path: Path) -> None:
    members = [(f"{i}.jpg", JPG) for i in range(9)] + [(f"{i}.txt", b"x") for i in reversed(range(9))]
    assert told(read(tmp_path, members)) == [(str(i), None) for i in range(9)]
