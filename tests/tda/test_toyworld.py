"""The toy world: true shards of the same bytes every time, captions that tell the truth but not all of it, copies where the truth says."""

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tda.config.datasets import DatasetConfig, ToyConfig
from tda.errors import UserError
from tda.store.shards.webdataset import RawPair, expected_pairs, read_pairs
from tda.toyscenes import SIDE
from tda.toyworld import KINDS, ensure_toy, plan_copies, toy_pair, write_toy

SOURCE = {"pairs": 60, "pairs_per_shard": 25, "seed": 0}
IMG2DATASET = {
    "caption",
    "url",
    "key",
    "status",
    "error_message",
    "width",
    "height",
    "original_width",
    "original_height",
    "sha256",
}


def _toy(**values: Any) -> ToyConfig:
    return ToyConfig(**{"pairs": 30, "pairs_per_shard": 12, "seed": 5, **values})


def _bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def _pairs(folder: Path) -> list[RawPair]:
    pairs = [pair for file in sorted(folder.glob("*.tar")) for pair in read_pairs(str(file))]
    assert all(isinstance(pair, RawPair) for pair in pairs)
    return pairs  # type: ignore[return-value]  # asserted above


def test_shards_are_what_img2dataset_writes(tmp_path: Path) -> None:
    write_toy(_toy(), str(tmp_path))
    assert sorted(file.name for file in tmp_path.glob("*.tar")) == ["00000.tar", "00001.tar", "00002.tar"]
    assert [expected_pairs(str(file)) for file in sorted(tmp_path.glob("*.tar"))] == [12, 12, 6]
    with tarfile.open(tmp_path / "00001.tar") as tar:
        assert tar.getnames()[:4] == ["000010000.jpg", "000010000.txt", "000010000.json", "000010001.jpg"]
        meta = json.load(tar.extractfile("000010003.json"))
        jpeg, caption = (tar.extractfile(f"000010003.{end}").read() for end in ("jpg", "txt"))
    assert set(meta) == IMG2DATASET
    assert (meta["key"], meta["status"], meta["url"]) == ("000010003", "success", "toy://plain/5/15.jpg")
    assert meta["sha256"] == hashlib.sha256(jpeg).hexdigest()
    assert meta["caption"].encode() == caption
    assert Image.open(io.BytesIO(jpeg)).size == (meta["width"], meta["height"]) == (SIDE, SIDE)


def test_same_configuration_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_toy(_toy(duplicates=10, duplicates_of=SOURCE), str(tmp_path / name))
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")
    write_toy(_toy(duplicates=10, duplicates_of=SOURCE, seed=6), str(tmp_path / "c"))
    assert _bytes(tmp_path / "c")["00000.tar"] != _bytes(tmp_path / "a")["00000.tar"]


def test_a_shard_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    write_toy(_toy(pairs=12), str(tmp_path / "one"))
    write_toy(_toy(pairs=30), str(tmp_path / "three"))
    assert (tmp_path / "one/00000.tar").read_bytes() == (tmp_path / "three/00000.tar").read_bytes()


def test_what_is_there_is_left_alone_and_what_lacks_its_stats_is_drawn_again(tmp_path: Path) -> None:
    write_toy(_toy(), str(tmp_path))
    whole = _bytes(tmp_path)
    (tmp_path / "00000.tar").write_bytes(b"kept")  # its stats say that it is done
    (tmp_path / "00001.tar").write_bytes(b"half")
    (tmp_path / "00001_stats.json").unlink()
    write_toy(_toy(), str(tmp_path))
    assert _bytes(tmp_path) == {**whole, "00000.tar": b"kept"}


def test_another_configuration_under_the_same_name_is_refused(tmp_path: Path) -> None:
    write_toy(_toy(), str(tmp_path))
    with pytest.raises(UserError, match="holds another toy data set: seed 5 there, 6 here"):
        write_toy(_toy(seed=6), str(tmp_path))


def test_ensure_draws_toy_sets_alone(tmp_path: Path) -> None:
    ensure_toy(DatasetConfig(name="files", shards=f"{tmp_path}/none/*.tar"))
    assert not (tmp_path / "none").exists()
    ensure_toy(DatasetConfig(name="toy", shards=f"{tmp_path}/toy/*.tar", toy=_toy()))
    assert len(_pairs(tmp_path / "toy")) == 30
    with pytest.raises(UserError, match=r"give FOLDER/\*\.tar"):
        ensure_toy(DatasetConfig(name="toy", shards=["a.tar"], toy=_toy()))


def test_any_file_system_will_do() -> None:
    from tda.store.shards.expand import expand_shards

    write_toy(_toy(pairs=5), "memory://toyworld/set")
    (shard,) = expand_shards("memory://toyworld/set/*.tar")
    assert len(list(read_pairs(shard))) == 5


def test_planted_copies_are_what_the_truth_says(tmp_path: Path) -> None:
    write_toy(ToyConfig(**SOURCE), str(tmp_path / "source"))
    write_toy(_toy(duplicates=20, duplicates_of=SOURCE), str(tmp_path / "copy"))
    theirs = {pair.key: pair for pair in _pairs(tmp_path / "source")}
    ours = {pair.key: pair for pair in _pairs(tmp_path / "copy")}
    truth = pq.read_table(tmp_path / "copy/truth.parquet").to_pylist()
    assert [row["kind"] for row in truth] != sorted(row["kind"] for row in truth), "copies of a kind stand together"
    assert {kind: sum(row["kind"] == kind for row in truth) for kind in KINDS} == dict.fromkeys(KINDS, 4)
    assert len({row["source_key"] for row in truth}) == len({row["key"] for row in truth}) == 20
    for row in truth:
        assert row["key"] == f"{row['shard']}{row['ordinal']:04d}"
        assert row["source_key"] == f"{row['source_shard']}{row['source_ordinal']:04d}"
        _check_copy(row["kind"], ours[row["key"]], theirs[row["source_key"]])


def _check_copy(kind: str, ours: RawPair, theirs: RawPair) -> None:
    assert (ours.image == theirs.image) is (kind in ("exact", "recaptioned"))
    assert (ours.caption == theirs.caption) is (kind != "recaptioned")
    size = Image.open(io.BytesIO(ours.image)).size
    assert (size == (SIDE, SIDE)) is (kind not in ("resized", "cropped"))
    if kind in ("reencoded", "resized"):
        pixels = [np.asarray(Image.open(io.BytesIO(pair.image)).resize((16, 16)), dtype=float) for pair in (ours, theirs)]
        assert np.abs(pixels[0] - pixels[1]).mean() < 8


def test_only_planted_pairs_are_copies() -> None:
    toy = _toy(pairs=300, duplicates=25, duplicates_of=SOURCE)
    copies = {copy.index: copy for copy in plan_copies(toy)}
    source = {toy_pair(ToyConfig(**SOURCE), i).jpeg for i in range(60)}
    same = {i for i in range(300) if toy_pair(toy, i, copies.get(i)).jpeg in source}
    assert same == {i for i, copy in copies.items() if copy.kind in ("exact", "recaptioned")}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"duplicates": 31, "duplicates_of": SOURCE}, "duplicates=31 is out of range; 0 to 30"),
        ({"duplicates": 5}, "duplicates_of=None is no toy configuration"),
        ({"duplicates": 5, "duplicates_of": {"pears": 3}}, "is no toy configuration"),
        ({"duplicates": 5, "duplicates_of": {**SOURCE, "duplicates": 5, "duplicates_of": SOURCE}}, "itself has duplicates"),
        ({"pairs_per_shard": 10_001}, "pairs_per_shard=10001 is too large"),
    ],
)
def test_what_cannot_be_drawn_is_refused(values: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(complaint)):
        write_toy(_toy(**values), str(tmp_path))
    assert not list(tmp_path.iterdir())
