"""Tars through webdataset's writer: members under their names, byte for byte, and the very tars that were written before."""

import io
import tarfile
from pathlib import Path

import webdataset as wds
from bad_shards import good_pairs
from hypothesis import given
from hypothesis import strategies as st

from tda.config.datasets import ToyConfig
from tda.store.shards.writing import Member, write_tar
from tda.toyworld import write_toy


def written(members: list[Member]) -> bytes:
    buffer = io.BytesIO()
    write_tar(buffer, members)
    return buffer.getvalue()


def plain(members: list[Member], kind: int) -> bytes:
    """The same by the standard library alone."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


NAMES = st.text(st.sampled_from("ab.ä京/_-1 "), min_size=1, max_size=40).filter(
    lambda name: "/" not in (name[0], name[-1]) and name.strip("/. ")
)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=600)), max_size=8))
def test_members_are_those_given_in_their_order(members: list[Member]) -> None:
    data = written(members)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = [(info.name, tar.extractfile(info).read()) for info in tar if info.isfile()]  # type: ignore[union-attr]
    assert found == members
    assert data == plain(members, tarfile.PAX_FORMAT)
    assert written(members) == data


def test_odd_endings() -> None:
    members = [("a", b"1"), ("a.", b"2"), ("a.__key__", b"3"), ("a._x", b"4"), ("x/a.input.jpg", b"5"), ("a.B/c.txt", b"6"), (".jpg", b"7")]
    assert written(members) == plain(members, tarfile.PAX_FORMAT)


def test_shards_of_the_toy_world_keep_their_bytes(tmp_path: Path) -> None:
    write_toy(ToyConfig(pairs=7, pairs_per_shard=7), str(tmp_path))
    data = (tmp_path / "00000.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = [(info.name, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    assert len(members) == 21
    assert data == plain(members, tarfile.USTAR_FORMAT)


def test_webdataset_reads_them(tmp_path: Path) -> None:
    members = list(good_pairs(5))
    (tmp_path / "a.tar").write_bytes(written(members))
    samples = list(wds.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False))
    assert [(f"{sample['__key__']}.{end}", sample[end]) for sample in samples for end in ("jpg", "txt")] == members
