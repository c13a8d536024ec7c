"""Kept blocks: whole or missing, known by their hash and name, and gone after publication."""

from pathlib import Path

import numpy as np
import pytest

from jobs.analysis.blocks import Blocks


def kept(tmp_path: Path, own: str = "a" * 64) -> Blocks:
    blocks = Blocks.of(str(tmp_path), "retrieval", own)
    blocks.keep("one", {"x": np.arange(3)})
    blocks.keep("two", {"x": np.arange(5)})
    return blocks


def test_a_block_is_read_as_it_was_kept(tmp_path: Path) -> None:
    blocks = kept(tmp_path)
    assert set(blocks.kept()) == {"one", "two"}
    table = blocks.read("two")
    assert table is not None
    assert table["x"].to_pylist() == [0, 1, 2, 3, 4]
    assert blocks.read("three") is None


def test_any_flipped_bit_makes_a_block_missing(tmp_path: Path) -> None:
    blocks = kept(tmp_path)
    file = Path(blocks.folder) / blocks.kept()["one"]
    data = file.read_bytes()
    for place in range(0, len(data), 3):
        changed = bytearray(data)
        changed[place] ^= 1
        file.write_bytes(changed)
        assert blocks.read("one") is None, place
    assert blocks.read("two") is not None


@pytest.mark.parametrize("damage", ["cut", "empty", "other name", "other part"])
def test_a_block_that_is_not_itself_is_missing(tmp_path: Path, damage: str) -> None:
    blocks, other = kept(tmp_path), kept(tmp_path, "b" * 64)
    file = Path(blocks.folder) / blocks.kept()["one"]
    changed = {
        "cut": (file, file.read_bytes()[:-7]),
        "empty": (file, b""),
        "other name": (file, (Path(blocks.folder) / blocks.kept()["two"]).read_bytes()),
        "other part": (Path(blocks.folder) / other.kept()["one"], (Path(other.folder) / other.kept()["one"]).read_bytes()),
    }
    place, data = changed[damage]
    file.unlink()
    place.write_bytes(data)
    assert blocks.read("one") is None
    assert blocks.read("two") is not None


def test_blocks_of_other_settings_do_not_meet(tmp_path: Path) -> None:
    kept(tmp_path)
    assert Blocks.of(str(tmp_path), "retrieval", "c" * 64).kept() == {}


def test_nothing_is_left_after_they_are_cleared(tmp_path: Path) -> None:
    blocks = kept(tmp_path)
    blocks.clear()
    assert not Path(blocks.folder).exists()
    blocks.clear()
    assert blocks.kept() == {}
