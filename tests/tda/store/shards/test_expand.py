from pathlib import Path

import fsspec
import pytest

from tda.errors import UserError
from tda.store.shards.expand import expand_shards, name_shards, shard_name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(12):
        (tmp_path / f"{i:05d}.tar").touch()
    (tmp_path / "00003_stats.json").touch()
    return tmp_path


def stems(urls: list[str]) -> list[str]:
    return [shard_name(url) for url in urls]


def test_every_way_to_name_shards(folder: Path) -> None:
    listed = folder / "list.txt"
    listed.write_text(f"# a comment\n{folder}/00001.tar\n\n  {folder}/0000{{2..3}}.tar  \n")
    assert stems(expand_shards(f"{folder}/00007.tar")) == ["00007"]
    assert stems(expand_shards(f"{folder}/{{00009..00011}}.tar")) == ["00009", "00010", "00011"]
    assert stems(expand_shards(f"{folder}/*1.tar")) == ["00001", "00011"]
    assert len(expand_shards(str(folder))) == 12
    assert stems(expand_shards([f"{folder}/00005.tar", f"{folder}/0000{{1,0}}.tar"])) == ["00005", "00001", "00000"]
    assert stems(expand_shards(f"@{listed}")) == ["00001", "00002", "00003"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("{8..11}", ["8", "9", "10", "11"]),
        ("{098..101}", ["098", "099", "100", "101"]),
        ("{a,b{1..2}}", ["a", "b1", "b2"]),
        ("{0..1}-{x,y}", ["0-x", "0-y", "1-x", "1-y"]),
    ],
)
def test_braces(tmp_path: Path, pattern: str, names: list[str]) -> None:
    (tmp_path / f"{names[0]}.tar").touch()
    assert stems(expand_shards(f"{tmp_path}/{pattern}.tar")) == names


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a{1..2}[x].tar").touch()
    assert expand_shards(f"{tmp_path}/a{{1..2}}[x].tar") == [f"{tmp_path}/a{{1..2}}[x].tar"]


def test_shards_on_an_object_store() -> None:
    fs = fsspec.filesystem("memory")
    for i in range(3):
        fs.pipe_file(f"/bucket-of-shards/{i}.tar", b"")
    assert expand_shards("memory://bucket-of-shards/*.tar") == [f"memory:///bucket-of-shards/{i}.tar" for i in range(3)]
    assert expand_shards("memory://bucket-of-shards/{0..2}.tar") == [f"memory://bucket-of-shards/{i}.tar" for i in range(3)]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (None, "is not a path"),
        ("", "is not a path"),
        ([], "matches no shard"),
        (7, "is not a path"),
        ("{folder}/none.tar", r"none\.tar is not there"),
        ("{folder}/x{0..300}.tar", "nor those after it"),
        ("{folder}/*.zip", "matches no shard"),
        ("@{folder}/no.txt", "cannot be read"),
        ("{folder}/{3..1}.tar", "runs backwards"),
        ("{folder}/{3}.tar", "neither a range"),
        ("{folder}/{3..", "not closed"),
        ("{folder}/{0..99999999}.tar", "names more than"),
        (["{folder}/00000.tar", "{folder}/0000{0..1}.tar"], "names a shard twice"),
    ],
)
def test_what_names_no_shard_is_told_in_one_line(folder: Path, spec: object, told: str) -> None:
    placed = [item.replace("{folder}", str(folder)) for item in spec] if isinstance(spec, list) else spec
    placed = placed.replace("{folder}", str(folder)) if isinstance(placed, str) else placed
    with pytest.raises(UserError, match=told) as caught:
        expand_shards(placed)
    assert "\n" not in str(caught.value)


def test_a_missing_shard_among_others_is_left_to_be_named_when_its_turn_comes(folder: Path) -> None:
    assert stems(expand_shards(f"{folder}/{{00010..00013}}.tar")) == ["00010", "00011", "00012", "00013"]


def test_names_of_shards() -> None:
    assert name_shards(["/a/x.tar", "https://host/y.tar?token=1"]) == {"x": "/a/x.tar", "y": "https://host/y.tar?token=1"}
    with pytest.raises(UserError, match="same name x"):
        name_shards(["/a/x.tar", "/b/x.tar"])
    with pytest.raises(UserError, match="shard='a b'"):
        name_shards(["/a/a b.tar"])
