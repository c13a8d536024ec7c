"""Members into pairs in any order, in bounded memory: every pair is read once or dropped with a reason."""

import io
import tarfile
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from bad_shards import write_tar
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_tars import JPG, header, member, outcomes, pair, pax, raw_pair, read

from tda.store.shards.grouping import Group, Grouper
from tda.store.shards.webdataset import RawPair, read_pairs
from tda.store.types import MAX_KEY_LENGTH, Drop, Reason, Stage


def test_a_pair_waits_for_its_members_in_any_order(tmp_path: Path) -> None:
    members = [(f"{i}.jpg", JPG) for i in range(9)] + [(f"{i}.txt", b"x") for i in reversed(range(9))]
    assert outcomes(read(tmp_path, members)) == [(str(i), None) for i in range(9)]


def test_an_image_over_the_cap_is_not_read(tmp_path: Path) -> None:
    found = read(tmp_path, [("a.jpg", bytes(3_000_000)), ("a.txt", b"x"), *pair("b")], max_member_bytes=1_000_000)
    assert outcomes(found) == [("a", "member_too_large"), ("b", None)]


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
    reasons = [reason for _, reason in outcomes(found)]
    assert reasons == ["bad_member"] * 5 + ["caption_not_utf8"]
    assert found[3].key == "caf\\udce9"
    assert all(one.key.encode() for one in found)


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (header("a.jpg", 0, tarfile.SYMTYPE, "/etc/passwd") + member("a.txt", b"x") + raw_pair("b"), {"a": "bad_member", "b": None}),
        (header("a.jpg", 0, tarfile.LNKTYPE, "b.jpg") + member("a.txt", b"x") + raw_pair("b"), {"a": "bad_member", "b": None}),
        (header("a.jpg", 0, tarfile.CHRTYPE) + member("a.txt", b"x"), {"a": "bad_member"}),
        (header("a.jpg", 0, tarfile.FIFOTYPE) + member("a.txt", b"x"), {"a": "bad_member"}),
        (header("a.jpg/", 0, tarfile.DIRTYPE) + raw_pair("b"), {"b": None}),
        (
            raw_pair("../a") + raw_pair("/b") + raw_pair("c/../d") + raw_pair("e/f.g"),
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
def test_strange_members(tmp_path: Path, data: bytes, outcome: dict[str, str | None]) -> None:
    assert dict(outcomes(read(tmp_path, data))) == outcome


def test_names_too_long_to_be_kept_keep_pairs_apart(tmp_path: Path) -> None:
    def long(letter: str, ending: str) -> bytes:
        return member("x", f"{'n' * 5000}{letter}.{ending}\0".encode(), tarfile.GNUTYPE_LONGNAME) + member("short", JPG)

    found = dict(outcomes(read(tmp_path, long("a", "jpg") + long("a", "txt") + long("b", "jpg") + raw_pair("c"))))
    assert sorted(map(str, found.values())) == ["None", "bad_member", "bad_member"]
    assert max(map(len, found)) < 300


names = st.tuples(st.sampled_from("abc"), st.sampled_from([".jpg", ".txt", ".json", ".png", ".JPG", ".v.jpg", ".bin"])).map("".join)
contents = st.sampled_from([b"", b"x", JPG, b'{"caption": "c"}', b"\xff", b"y" * 3000])


@settings(max_examples=150, deadline=None)
@given(members=st.lists(st.tuples(names, contents), max_size=12), waiting=st.sampled_from([0, 1000, 10**6]))
def test_whatever_an_archive_holds_each_pair_is_read_or_dropped_once(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes]], waiting: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.mkdir(exist_ok=True)
    found = read(path, members, waiting_bytes=waiting, max_member_bytes=2000, max_caption_bytes=2000)
    keys = {name.rpartition(".")[0] for name, _ in members if not name.endswith(".bin")}
    assert {one.key for one in found} == keys
    whole = Counter(one.key for one in found if isinstance(one, RawPair))
    assert all(n == 1 for n in whole.values()), "no key twice among the rows"


class Letters(Group):
    """A pair of the members `a` and `b`."""

    __slots__ = ()

    @classmethod
    def key_and_role(cls, name: str) -> tuple[str, str | None]:
        key, _, role = name.rpartition(".")
        return key, role if role in ("a", "b") else None

    @property
    def whole(self) -> bool:
        return self.parts.keys() == {"a", "b"}

    def pair(self) -> tuple[int, str, bytes] | Drop:
        return (self.ordinal, self.key, self.parts["a"] + self.parts["b"]) if self.whole else self.drop(Reason.MISSING_CAPTION)


def grouped(members: list[tuple[str, bytes]], waiting_bytes: int, caption_bytes: int = 100) -> list[tuple[int, str, bytes] | Drop]:
    grouper, out = Grouper(Letters, 100, caption_bytes, waiting_bytes), io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        found = [one for member in tar for one in grouper.add(tar, member)] + list(grouper.finish())
    assert grouper.pairs == len(found)
    return found


once = st.lists(st.tuples(st.sampled_from("pqrst"), st.sampled_from("ab")), unique=True, max_size=10)


@settings(max_examples=150, deadline=None)
@given(order=once, waiting=st.integers(0, 60))
def test_in_any_order_a_pair_is_whole_unless_it_waited_beyond_the_bound(order: list[tuple[str, str]], waiting: int) -> None:
    members = [(f"{key}.{role}", f"{key}{role}".encode() * 5) for key, role in order]
    expected = {key: f"{key}a".encode() * 5 + f"{key}b".encode() * 5 for key, _ in order if {(key, "a"), (key, "b")} <= set(order)}
    first_seen = {key: i for i, key in enumerate(dict.fromkeys(key for key, _ in order))}
    for bound in (10**6, waiting):
        found = grouped(members, bound)
        drops = {one.key: one for one in found if isinstance(one, Drop)}
        read_of = {one[1]: one for one in found if not isinstance(one, Drop)}
        assert len(found) == len(first_seen)
        assert all(one == (first_seen[key], key, expected[key]) for key, one in read_of.items())
        assert all(drop.ordinal == first_seen[key] for key, drop in drops.items())
        lost = {key: drop.reason for key, drop in drops.items() if key in expected}
        assert set(lost.values()) <= ({Reason.INTERLEAVED} if bound == waiting else set())


def test_a_drop_names_its_stage_reason_and_first_flaw() -> None:
    (drop,) = grouped([("p.a", b"x" * 101), ("p.b", b"y" * 102), ("p.a", b"z")], 10**6)
    assert drop == Drop(0, "p", Stage.READ, Reason.CAPTION_TOO_LONG, "101 bytes, at most 100")


def test_a_whole_pair_is_given_as_soon_as_another_begins() -> None:
    assert [
        one if isinstance(one, tuple) else one.key for one in grouped([("p.a", b"1"), ("q.a", b"2"), ("q.b", b"3"), ("r.a", b"4")], 10)
    ] == [
        (1, "q", b"23"),
        "p",
        "r",
    ]


def test_members_of_other_kinds_neither_close_a_pair_nor_count() -> None:
    found = grouped([("p.a", b"1"), ("q.c", b"?"), ("._q.a", b"fork"), ("folder/._p.b", b"fork"), ("p.b", b"2")], 0)
    assert found == [(0, "p", b"12")]


def test_the_oldest_that_waits_is_given_up_first() -> None:
    members = [("p.a", b"1" * 40), ("q.a", b"2" * 40), ("r.a", b"3" * 40), ("q.b", b""), ("p.b", b""), ("s.a", b"")]
    found = {one.key if isinstance(one, Drop) else one[1]: one for one in grouped(members, 80)}
    assert found["q"] == (1, "q", b"2" * 40)
    assert isinstance(found["p"], Drop)
    assert found["p"].reason is Reason.INTERLEAVED


def test_a_long_key_is_cut_to_its_beginning_and_a_digest() -> None:
    keys = [f"{'k' * MAX_KEY_LENGTH}{i}" for i in range(2)]
    found = grouped([(f"{key}.{role}", b"x") for key in keys for role in "ab"], 10**6)
    assert [one.reason for one in found if isinstance(one, Drop)] == [Reason.BAD_MEMBER] * 2
    first, second = (one.key for one in found if isinstance(one, Drop))
    assert first != second
    assert first[:200] == second[:200] == "k" * 200
    assert len(first) == len(second) == 200 + 3 + 32
