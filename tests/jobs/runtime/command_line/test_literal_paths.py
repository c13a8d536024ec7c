"""Paths as they are typed: through Hydra's own grammar, through a real shell, and as a list of arguments."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from jobs.runtime.command_line.literal_paths import is_list, literal_paths, quoted, unquoted
from tda.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[4]

HARD = [
    "/data/{00000..00059}.tar",
    "/data/a=b/x.tar",
    "/data/x[1].tar",
    "/data/one,two.tar",
    "/data/Kätzchen-東京.tar",
    "/data/with space.tar",
    "/data/it's.tar",
    "s3://bucket/a(b)/*.tar",
    "/data/?(x).tar",
    "C:\\data\\x.tar",
    "ends in a backslash\\",
    "a\\'b",
    "@shards.txt",
    "@/data/[1].txt",
    "/data/key=v,w={x,y}[z]:#!.tar",
]


def parsed(word: str) -> Any:
    """The value that Hydra reads from a word."""
    (override,) = OverridesParser.create().parse_overrides(literal_paths([word]))
    assert not override.is_sweep_override()
    return override.value()


@pytest.mark.parametrize("path", HARD)
@pytest.mark.parametrize("field", ["dataset.shards", "root", "source", "reference.shards", "shards.my-set", "checkpoints.my-enc", "++root"])
def test_a_path_arrives_as_it_was_typed(field: str, path: str) -> None:
    assert parsed(f"{field}={path}") == path


@pytest.mark.parametrize("path", HARD)
def test_one_enclosing_pair_of_quotes_is_removed(path: str) -> None:
    assert parsed(f"dataset.shards='{path}'") == path
    assert parsed(f'dataset.shards="{path}"') == path


def test_a_key_that_hydra_does_not_know_is_refused_in_a_sentence() -> None:
    with pytest.raises(UserError, match=r"^shards\.größe=\.\.\.: names on the command line are of the letters a to z, digits and \. _ -$"):
        literal_paths(["+shards.größe=/data/a.tar"])
    assert literal_paths(["dataset.name=größe"]) == ["dataset.name=größe"]


def test_quotes_that_enclose_nothing_stay() -> None:
    assert unquoted("'") == "'"
    assert unquoted("'a\"") == "'a\""
    assert unquoted("''a''") == "'a'"
    assert quoted("") == "''"


@pytest.mark.parametrize(
    ("typed", "items"),
    [
        ("[a.tar,b.tar]", ["a.tar", "b.tar"]),
        ("[a{0..1}.tar, b.tar]", ["a{0..1}.tar", "b.tar"]),
        ("['one,two.tar',\"c=d.tar\"]", ["one,two.tar", "c=d.tar"]),
        ("[x{1,2}.tar]", ["x{1,2}.tar"]),
        ("'[a.tar,b.tar]'", ["a.tar", "b.tar"]),
        ("[]", []),
        ("[x[1].tar,[y].tar]", ["x[1].tar", "[y].tar"]),
        ("[' a.tar ', b.tar ]", [" a.tar ", "b.tar"]),
    ],
)
def test_a_list_stays_a_list(typed: str, items: list[str]) -> None:
    assert parsed(f"dataset.shards={typed}") == items


@pytest.mark.parametrize("name", ["'q'", '"q"', "'a','b'", "''"])
def test_a_file_whose_name_has_quotes_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert parsed(f"source={name}") == {"'a','b'": "a,b", "''": ""}.get(name, "q")
    (tmp_path / name).touch()
    assert parsed(f"source={name}") == name
    assert parsed(f"dataset.shards=[x,{name}]") == (["x", name] if "," not in name else ["x", "a", "b"])


def test_quotes_around_each_part_go_as_a_shell_removes_them() -> None:
    assert parsed("dataset.shards='a','b'") == "a,b"
    assert parsed("dataset.shards='it's, x'") == "it's, x"


def test_brackets_within_a_list_are_a_glob() -> None:
    assert parsed("dataset.shards=[a,[b,c]]") == ["a", "[b,c]"]
    assert parsed("dataset.shards=[[b,c].tar]") == ["[b,c].tar"]


SIGNS = st.text(st.sampled_from("ab0/.*?'\"\\[]{}()=,:;#!&$ @+-~%|é\t"), min_size=1, max_size=12)


@given(SIGNS)
def test_any_path_arrives_from_a_list_of_arguments_and_from_a_shell(path: str) -> None:
    """`quoted` is what Hydra's grammar reads back; whoever encloses any path in quotes gets that path."""
    (override,) = OverridesParser.create().parse_overrides([f"root={quoted(path)}"])
    assert override.value() == path
    for sign in "'\"":
        if sign not in path and not is_list(path):
            assert parsed(f"root={sign}{path}{sign}") == path


@given(st.lists(SIGNS.filter(lambda text: not set(text) & set("'\"[]{}") and text.strip()), min_size=1, max_size=4))
def test_any_list_of_paths_arrives(paths: list[str]) -> None:
    assert parsed(f"dataset.shards=[{','.join(chr(39) + path + chr(39) for path in paths)}]") == paths


@given(SIGNS)
def test_no_path_is_an_error_and_none_is_a_sweep(path: str) -> None:
    found = parsed(f"dataset.shards={path}")
    if isinstance(found, list):
        assert is_list(unquoted(path))
        assert all(isinstance(item, str) for item in found)
    else:
        assert found == path or (path[0] == path[-1] and path[0] in "'\"") or path in ("''", '""')


def test_an_existing_file_is_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "[a,b]").touch()
    assert parsed("dataset.shards=[a,b]") == "[a,b]"


@pytest.mark.parametrize("path", ["[ab]*[01]", "[a].tar", "[a]/[b]", "']'[", "[']'", " x.tar", "x.tar "])
def test_a_path_with_brackets_or_spaces_at_its_ends_is_no_list(path: str) -> None:
    assert parsed(f"dataset.shards={path}") == path


def test_null_stays_null_and_interpolation_works() -> None:
    assert parsed("encoder.checkpoint=null") is None
    assert parsed("dataset.shards=${root}/shards/*.tar") == "${root}/shards/*.tar"


def test_other_words_are_left_alone() -> None:
    words = ["-m", "--cfg", "job", "analysis.umap.n_neighbors=5,15", "encoders=[a,b]", "dataset=files", "root", "~dataset.shards"]
    assert literal_paths(words) == words


def composed(command: str, cwd: Path) -> str:
    """What a shell command prints."""
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", "HOME": str(cwd)}
    done = subprocess.run(["bash", "-c", command], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_shell_and_a_list_of_arguments_mean_the_same(tmp_path: Path) -> None:
    python, words = shlex.quote(sys.executable), "-m jobs.embed --cfg job root=r encoder.name=e dataset.name=d"
    shell = composed(f"{python} {words} dataset.shards='/data/a=b,{{00000..00059}}[x]é.tar'", tmp_path)
    listed = composed(f"""{python} {words} "dataset.shards='/data/a=b,{{00000..00059}}[x]é.tar'" """, tmp_path)
    assert shell == listed
    assert "shards: /data/a=b,{00000..00059}[x]é.tar" in shell
