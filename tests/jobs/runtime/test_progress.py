"""Counts on standard error: plain lines where there is no terminal."""

import io
from typing import Any

import pytest

from jobs.runtime import progress as progress_module
from jobs.runtime.progress import RECENT, ShardProgress
from tda.store.commit.records import ShardRecord


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


def test_many_shards_a_second_are_put_into_words_as_often_as_they_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    made, real = list[str](), ShardProgress.status
    monkeypatch.setattr(ShardProgress, "status", lambda self: made.append(real(self)) or made[-1])  # type: ignore[func-returns-value]
    monkeypatch.setattr(progress_module, "DRAW_EVERY", 3600.0)
    stream = Terminal()
    with ShardProgress(what="coco / tiny", shards=500, stream=stream) as progress:
        for _ in range(500):
            progress.add(pairs=10)
    assert len(made) == 2, "at the begin and at the end"
    assert "5,000 pairs" in stream.getvalue()


def test_names_are_not_markup() -> None:
    stream = Terminal()
    with ShardProgress(what="a[b]/c", shards=1, stream=stream) as progress:
        progress.note("shard [red]x[/red]: missing")
    assert "[red]x[/red]" in stream.getvalue()


def record(encoder: str, *, encode: float, **seconds: float) -> ShardRecord:
    speed: dict[str, Any] = {"pairs_per_second": 10.0, "roofline": 0.4, "decode_threads": 2}
    content = {"dataset": "d", "shard": "0", "source": {}, "rows_in": 1, "rows_out": 1, "drops": {}, "output": {}}
    stages = {"span": 10.0, "encode": encode, **seconds}
    return ShardRecord(**content, encoder=encoder, weights_sha256="", config_hash="", seconds=stages, speed=speed)  # type: ignore[arg-type]  # as in JSON


def load(progress: ShardProgress) -> str:
    return progress.line().partition(" dropped")[2]


def test_the_last_shards_give_the_load_of_the_devices_and_the_slowest_stage() -> None:
    progress = ShardProgress(what="coco / a, b", shards=100, stream=io.StringIO())
    assert load(progress) == ""
    progress.add(pairs=100, records=[record("a", encode=3.0, decode=12.0), record("b", encode=2.0, decode=12.0)])
    assert load(progress) == "; device 50% busy at 40% of its roofline, decode binds"
    for _ in range(RECENT):  # older shards do not count
        progress.add(pairs=100, records=[record("a", encode=9.5, decode=4.0)])
    assert load(progress) == "; device 95% busy at 40% of its roofline, encode binds"


def test_records_without_times_are_passed_over() -> None:
    progress = ShardProgress(what="coco / a", shards=2, stream=io.StringIO())
    content = {"dataset": "d", "encoder": "a", "shard": "0", "source": {}, "rows_in": 1, "rows_out": 1, "drops": {}, "output": {}}
    progress.add(pairs=1, records=[ShardRecord(**content, weights_sha256="", config_hash="")])  # type: ignore[arg-type]  # as in JSON
    assert load(progress) == ""
