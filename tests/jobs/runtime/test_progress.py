"""Counts on standard error: plain lines where there is no terminal."""

import io

from jobs.runtime.progress import ShardProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_there_are_plain_lines() -> None:
    stream = io.StringIO()
    with ShardProgress(what="coco / tiny", shards=3, stream=stream) as progress:
        progress.add(pairs=100, drops=2)
        progress.note("shard b: missing")
        progress.add(failed=True)
    note, last = stream.getvalue().splitlines()
    assert note == "shard b: missing"
    assert last.startswith("coco / tiny: 2 of 3 shards, 100 pairs, ")
    assert last.endswith(" pairs/s, 2 dropped, 1 shards failed")
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_a_terminal_has_a_bar() -> None:
    stream = Terminal()
    with ShardProgress(what="coco / tiny", shards=2, stream=stream) as progress:
        progress.add(pairs=1500, drops=2)
    assert "1,500 pairs" in stream.getvalue()


def test_names_are_not_markup() -> None:
    stream = Terminal()
    with ShardProgress(what="a[b]/c", shards=1, stream=stream) as progress:
        progress.note("shard [red]x[/red]: missing")
    assert "[red]x[/red]" in stream.getvalue()
