"""What `dataset.shards` means: an existing path first, then @file, braces and globs, on this machine and on stores."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from faulty_store import Proxy, faulty_store
from hypothesis import given
from hypothesis import strategies as st

from tda.errors import UserError
from tda.store.files import publish_bytes
from tda.store.paths import NAME
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


ODD = ["@x.tar", "[x].tar", "x?.tar", "x*.tar", "{1..2}.tar", "{a,b}[1].tar", " x.tar", "x.tar ", "{1..", "@{a}.tar"]


@pytest.mark.parametrize("name", ODD)
def test_an_existing_path_is_taken_as_it_is(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / name).touch()
    monkeypatch.chdir(folder)
    assert expand_shards(name) == [name]
    assert expand_shards([name, "00001.tar"]) == [name, "00001.tar"]
    assert expand_shards(f"{folder}/{name}") == [f"{folder}/{name}"]


def test_spaces_at_the_ends_of_a_name_are_part_of_it(folder: Path) -> None:
    (folder / "00001.tar ").touch()
    listed = folder / "list.txt"
    listed.write_text(f"{folder}/00001.tar \n {folder}/00002.tar \n")
    assert expand_shards(f"@{listed}") == [f"{folder}/00001.tar ", f"{folder}/00002.tar"]
    with pytest.raises(UserError, match=r"00002\.tar  is not there"):
        expand_shards(f"{folder}/00002.tar ")


def test_each_element_of_a_brace_pattern_may_exist_as_it_is(tmp_path: Path) -> None:
    for name in ("a[1].tar", "b1.tar", "b2.tar"):
        (tmp_path / name).touch()
    assert expand_shards(f"{tmp_path}/{{a[1],b[1]}}.tar") == [f"{tmp_path}/a[1].tar", f"{tmp_path}/b1.tar"]


def test_a_folder_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "set[1]").mkdir()
    (tmp_path / "set[1]" / "0.tar").touch()
    assert stems(expand_shards(str(tmp_path / "set[1]"))) == ["0"]


def test_lines_of_a_list_are_no_lists(folder: Path) -> None:
    (folder / "list.txt").write_text(f"@{folder}/list.txt\n{folder}/00001.tar\n")
    assert expand_shards(f"@{folder}/list.txt") == [f"@{folder}/list.txt", f"{folder}/00001.tar"]


def test_the_field_is_named_as_given(folder: Path) -> None:
    with pytest.raises(UserError, match=r"^reference\.shards is missing: give reference\.shards=PATTERN, a path, a pattern, a list"):
        expand_shards(None, "reference.shards")
    for spec in (f"{folder}/*.zip", f"{folder}/none.tar", f"{folder}/{{3..1}}.tar", [f"{folder}/00001.tar"] * 2):
        with pytest.raises(UserError, match=r"^reference\.shards="):
            expand_shards(spec, "reference.shards")


def test_shards_on_an_object_store() -> None:
    fs = fsspec.filesystem("memory")
    for i in range(3):
        fs.pipe_file(f"/bucket-of-shards/{i}.tar", b"")
    assert expand_shards("memory://bucket-of-shards/*.tar") == [f"memory:///bucket-of-shards/{i}.tar" for i in range(3)]
    assert expand_shards("memory://bucket-of-shards/{0..2}.tar") == [f"memory://bucket-of-shards/{i}.tar" for i in range(3)]


@pytest.fixture(scope="module")
def bucket() -> Iterator[Proxy]:
    with faulty_store() as found:
        for name in ("a[1].tar", "a1.tar", "b1.tar", "{0..1}.tar", "0.tar", "1.tar"):
            publish_bytes(f"{found.root}/odd/{name}", b"")
        yield found


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> str:
    """A folder of a store that holds `a[1].tar`, `a1.tar`, `b1.tar`, `{0..1}.tar`, `0.tar` and `1.tar`."""
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket').root}/odd"
    for name in ("a[1].tar", "a1.tar", "b1.tar", "{0..1}.tar", "0.tar", "1.tar"):
        fsspec.filesystem("memory").pipe_file(f"/odd-names/{name}", b"")
    return "memory://odd-names"


def test_an_existing_path_of_a_store_is_taken_as_it_is(store: str) -> None:
    assert expand_shards(f"{store}/a[1].tar") == [f"{store}/a[1].tar"]
    assert expand_shards(f"{store}/{{0..1}}.tar") == [f"{store}/{{0..1}}.tar"]
    assert stems(expand_shards(f"{store}/{{a,b}}[1].tar")) == ["a[1]", "b1"]
    assert stems(expand_shards(f"{store}/[ab]1.tar")) == ["a1", "b1"]


def test_a_store_is_asked_once_and_only_about_names_with_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    from tda.store.shards import expand

    asked, answers = list[str](), itertools.chain([False], itertools.repeat(True))
    monkeypatch.setattr(expand, "exists", lambda url: asked.append(url) or next(answers))
    assert len(expand_shards("memory://odd-names/{0..9999}.tar")) == 10_000
    assert asked == ["memory://odd-names/{0..9999}.tar", "memory://odd-names/0.tar"]
    asked.clear()
    assert expand_shards("memory://odd-names/plain.tar") == ["memory://odd-names/plain.tar"]
    assert asked == ["memory://odd-names/plain.tar"]


def test_a_forbidden_question_leaves_the_pattern_a_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    from tda.store.shards import expand

    def exists(url: str) -> bool:
        if "{" in url:
            raise PermissionError(url)
        return True

    monkeypatch.setattr(expand, "exists", exists)
    assert stems(expand_shards("memory://odd-names/{0..2}.tar")) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("spec", "reported"),
    [
        (None, "is missing: give"),
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
def test_what_names_no_shard_is_named_in_one_line(folder: Path, spec: object, reported: str) -> None:
    placed = [item.replace("{folder}", str(folder)) for item in spec] if isinstance(spec, list) else spec
    placed = placed.replace("{folder}", str(folder)) if isinstance(placed, str) else placed
    with pytest.raises(UserError, match=reported) as caught:
        expand_shards(placed)
    assert "\n" not in str(caught.value)


def test_a_missing_shard_among_others_is_left_to_be_named_when_its_turn_comes(folder: Path) -> None:
    assert stems(expand_shards(f"{folder}/{{00010..00013}}.tar")) == ["00010", "00011", "00012", "00013"]


def test_names_of_shards() -> None:
    assert name_shards(["/a/x.tar", "https://host/y.tar?token=1"]) == {"x": "/a/x.tar", "y": "https://host/y.tar?token=1"}
    with pytest.raises(UserError, match="same name x"):
        name_shards(["/a/x.tar", "/b/x.tar"])
    with pytest.raises(UserError, match="shard=''"):
        name_shards(["/a/.tar"])


LITERAL = [
    "a b",
    "x[1]",
    "x{1}",
    "x#1",
    "x#2",
    "x?1",
    "x&1",
    "k=v",
    "Kätzchen",
    "Katzchen",
    "東京",
    "_hidden",
    "x*",
    "n" * 200,
    "n" * 200 + "m",
]


def test_any_name_of_a_file_has_a_name_of_its_own_under_the_root() -> None:
    named = name_shards([f"/data/{stem}.tar" for stem in LITERAL])
    assert list(named.values()) == [f"/data/{stem}.tar" for stem in LITERAL]
    assert all(NAME.fullmatch(name) for name in named)
    plain = {"k=v", "Katzchen"}
    assert {name for name in named if "@" not in name} == plain  # what was a name stays that name
    assert next(iter(name_shards(["/data/x[1].tar"]))).startswith("x_1_@")


@given(st.lists(st.text(st.characters(exclude_characters="/\x00"), min_size=1, max_size=30), min_size=1, max_size=20, unique=True))
def test_names_differ_where_files_do(stems: list[str]) -> None:
    urls = [f"s3://bucket/{stem}.tar" for stem in stems if "?" not in stem and "::" not in stem]
    named = name_shards(urls)
    assert sorted(named.values()) == sorted(urls)
    assert all(NAME.fullmatch(name) for name in named)


def test_what_belongs_to_an_address_is_no_name() -> None:
    assert shard_name("https://host/a.tar?token=1#part") == "a"
    assert shard_name("s3://bucket/a#b.tar?versionId=1") == "a#b"
    assert shard_name("/data/a?b#c.tar") == "a?b#c"


def test_an_item_or_pattern_that_matches_nothing_is_named_not_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.txt").write_text("# nothing\n\n")
    (tmp_path / "list.txt").write_text(f"{tmp_path}/a.tar\n{tmp_path}/b*.tar\n")
    good = f"{tmp_path}/a.tar"
    assert expand_shards([good]) == [good]
    for bad in (f"{tmp_path}/b*.tar", f"{tmp_path}/empty", f"@{tmp_path}/none.txt", f"{tmp_path}/{{a,b}}?.tar"):
        with pytest.raises(UserError, match=r"^dataset\.shards='.*' matches no shard$") as refused:
            expand_shards([good, bad])
        assert "a.tar'" not in str(refused.value) or "{a,b}" in bad
    with pytest.raises(UserError, match=r"/b\*\.tar' matches no shard"):
        expand_shards(f"@{tmp_path}/list.txt")


def test_a_list_may_begin_with_a_byte_order_mark_and_end_its_lines_as_windows_does(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"x")
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf" + f"{tmp_path}/a.tar\r\n".encode())
    assert expand_shards(f"@{tmp_path}/list.txt") == [f"{tmp_path}/a.tar"]
