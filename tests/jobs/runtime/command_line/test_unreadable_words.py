"""An argument that the grammar does not read: it is shown as a shell takes it, and what would be right is read as it was meant."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from hypothesis import given
from hypothesis import strategies as st
from typed import typed

from jobs.runtime.command_line.literal_paths import literal_paths
from jobs.runtime.command_line.literal_texts import literal_texts
from jobs.runtime.command_line.unreadable_words import unreadable
from tda.config.jobs import EmbedJob
from tda.errors import UserError


def _line(word: str) -> str:
    with pytest.raises(OverrideParseException) as caught:
        OverridesParser.create().parse_overrides(literal_texts(literal_paths([word]), EmbedJob))
    return unreadable(caught.value.override, EmbedJob)


@pytest.mark.parametrize(
    ("word", "reported"),
    [
        (
            "embed.batch_size=[5",
            "the argument 'embed.batch_size=[5' cannot be read: [ is not closed; a text with such",
        ),
        ("embed.max_attempts=5#", "the argument 'embed.max_attempts=5#' cannot be read: # has a meaning of its own there; "),
        ("embed.max_attempts=5&", "& has a meaning of its own there; embed.max_attempts takes a number"),
        ("embed.max_attempts=a=b", "the argument embed.max_attempts=a=b cannot be read: = has a meaning of its own there; "),
        ("embed.max_attempts=(3", "( is not closed; embed.max_attempts takes a number"),
        ("embed.max_attempts=3}", "} closes nothing; embed.max_attempts takes a number"),
        ("embed.moved=tr#ue", "embed.moved takes true or false"),
        ("dataset.columns={image: 'x", "the quote ' is not closed"),
        (
            "dataset.members={image: [a#b.jpg], caption: [txt]}",
            '# has a meaning of its own there; write "a#b.jpg" between quotes',
        ),
        ("foo bar", "the argument 'foo bar' cannot be read: it is no KEY=VALUE, where a KEY is of the letters a to z, digits and . _ -"),
        ("[x]=3", "the argument '[x]=3' cannot be read: it is no KEY=VALUE"),
        ("roof", "the argument roof cannot be read: it is no KEY=VALUE"),
        ("root", "the argument root cannot be read: it has no value, give root=VALUE"),
        ("dataset.shards", "the argument dataset.shards cannot be read: it has no value, give dataset.shards=VALUE"),
        ("embed.max_attempts=" + "[" * 5000, "[...' cannot be read: [ is not closed; embed.max_attempts takes a number"),
    ],
)
def test_each_is_one_line(word: str, reported: str) -> None:
    line = _line(word)
    assert reported in line
    assert "\n" not in line


def test_an_argument_without_a_key_is_refused_before_it_is_read() -> None:
    with pytest.raises(UserError, match=r"^the argument '=3' names no field: give KEY=VALUE$"):
        literal_paths(["=3"])


@given(st.lists(st.text(st.sampled_from("abÄ京[]{}=#&'\" ,:"), min_size=1, max_size=6), min_size=1, max_size=3))
def test_what_it_advises_is_read_as_the_text_that_was_meant(parts: list[str]) -> None:
    """Of any value that the grammar refuses, the advice, read by a shell and by the grammar, is that very text."""
    value = "".join(parts).strip()
    word = f"embed.batch_size={value}"
    try:
        OverridesParser.create().parse_overrides([word])
    except OverrideParseException as error:
        line = unreadable(error.override, EmbedJob)
        assert shlex.quote(word) in line
        if "between quotes: " in line:
            assert _read(line.partition("between quotes: ")[2]) == value


def _read(advice: str) -> Any:
    (word,) = shlex.split(advice)
    (override,) = OverridesParser.create().parse_overrides([word])
    return override.value()


def test_of_a_list_the_items_are_quoted() -> None:
    assert _read(unreadable("encoders=[a,b#c", EmbedJob).partition("between quotes: ")[2]) == ["a", "b#c"]


def test_as_it_is_typed(tmp_path: Path) -> None:
    done = typed("embed", f"root={tmp_path}", "embed.max_attempts=5#", cwd=tmp_path)
    wanted = "the argument 'embed.max_attempts=5#' cannot be read: # has a meaning of its own there; embed.max_attempts takes a number"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"lacuna embed: {wanted}\n")
