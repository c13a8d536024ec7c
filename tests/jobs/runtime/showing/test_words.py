"""Numbers in words, and rows that fit the terminal."""

import io

import pytest
from rich.console import Console

from jobs.runtime.showing.track import Track
from jobs.runtime.showing.words import amount, duration, log_words, rate, rows


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5300, "88 min"), (7800, "2 h 10 min"), (172_800, "2 days 0 h"), (273_600, "3 days 4 h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("a_second", "words"), [(1234.5, "1,234/s"), (2.25, "2.2/s"), (0.05, "3.0/min")])
def test_rates(a_second: float, words: str) -> None:
    assert rate(a_second) == words


def test_amounts_have_their_unit() -> None:
    assert amount(Track(name="a", done=1200, whole=230_000, unit="shards")) == "1,200/230,000 shards"
    assert amount(Track(name="a", done=1.52, whole=4)) == "1.5/4"
    assert amount(Track(name="a", done=3)) == ""


def _moving(**fields: object) -> Track:
    track = Track(name="retrieval", whole=100, unit="blocks", extra="on 2 actors", **fields)  # type: ignore[arg-type]  # as given
    track._since = (track.began - 10, 0.0)
    track.move(50)
    return track


def test_a_line_of_a_log_has_what_is_done_the_rate_and_the_time_left() -> None:
    words = log_words(_moving())
    assert words.startswith("retrieval 50 of 100 blocks, ")
    assert words.endswith("about 10 s left, on 2 actors")
    assert "/s, " in words
    assert log_words(_moving(heads=True)) == "retrieval 50 of 100 blocks, on 2 actors"
    assert log_words(Track(name="homology")) == "homology 0 s"
    assert log_words(Track(name="a", line=lambda: "its own line")) == "its own line"


@pytest.mark.parametrize("width", [40, 80, 140])
def test_rows_never_wrap(width: int) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None)
    named = Track(name="a data set with a very long name / an encoder with a long one", done=99_999, whole=230_000, unit="shards")
    console.print(rows([named, _moving(), Track(name="homology")], "5/6 analyze, 3 of 8", width))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1 + 3 + 1, "the place, a row a track, and further text"
    assert all(len(line.rstrip()) <= width for line in lines)
    assert lines[0].startswith("5/6 analyze, 3 of 8")
    if width >= 80:
        assert "50/100 blocks" in stream.getvalue()
        assert "10 s left" in stream.getvalue()
