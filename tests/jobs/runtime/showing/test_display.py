"""One display for all that a command does: rows on a terminal, lines in a log."""

import io
import sys
import time
from types import SimpleNamespace

import pytest

from jobs.runtime.showing.display import HEARTBEAT, Display, counted, display, placed, tracked
from jobs.runtime.showing.track import Track
from tda.progress import report_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Seconds that only the test moves; the display looks only when it is asked to."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setattr("jobs.runtime.showing.display.TICK", 3600.0)
    return clock


def test_a_log_has_a_line_at_least_every_thirty_seconds(clock: SimpleNamespace) -> None:
    stream, lines = io.StringIO(), list[int]()
    shown = Display(stream)
    shown.add(Track(name="homology"))
    for _ in range(100):
        clock.now += 1
        shown.beat()
        lines.append(stream.getvalue().count("\n"))
    shown.close()
    assert HEARTBEAT < 30
    assert all(lines[i + 29] > lines[i] for i in range(len(lines) - 29)), "also where nothing moves"
    assert lines[-1] < 10
    assert "\x1b" not in stream.getvalue()


def test_parts_that_run_stand_side_by_side_in_one_line(clock: SimpleNamespace) -> None:
    stream = io.StringIO()
    shown = Display(stream)
    shown.place = "5/6 analyze, 2 of 8"
    shown.add(Track(name="coco / clip", whole=12, unit="parts", done=3, heads=True))
    gone = shown.add(Track(name="gap"))
    shown.add(Track(name="umap", whole=200, unit="epochs", done=10))
    shown.remove(gone)
    clock.now += HEARTBEAT
    shown.beat()
    shown.close()
    assert stream.getvalue() == "5/6 analyze, 2 of 8: coco / clip 3 of 12 parts; umap 10 of 200 epochs\n"


def test_what_is_short_is_not_shown(clock: SimpleNamespace) -> None:
    for stream in (io.StringIO(), Terminal()):
        shown = Display(stream)
        track = shown.add(Track(name="gap"))
        clock.now += 1.5
        shown.beat()
        shown.remove(track)
        clock.now += 60
        shown.beat()
        shown.close()
        assert stream.getvalue() == ""


def test_a_terminal_gets_rows_that_go_with_their_work(clock: SimpleNamespace) -> None:
    stream = Terminal()
    shown = Display(stream)
    track = shown.add(Track(name="retrieval", whole=31, unit="blocks"))
    clock.now += 3
    track.move(5)
    shown.beat()
    assert "5/31 blocks" in stream.getvalue()
    assert sys.stderr is not shown.stream
    shown.note("a line that stays [red]")
    shown.remove(track)
    assert shown._live is None
    assert "a line that stays [red]" in stream.getvalue()
    shown.close()


def test_what_is_shown_from_the_start_waits_for_no_tick(clock: SimpleNamespace) -> None:
    del clock
    stream = Terminal()
    shown = Display(stream)
    shown.add(Track(name="coco / clip", whole=12, unit="parts", delay=0))
    assert "coco / clip" in stream.getvalue()
    shown.close()


def test_standard_output_is_left_alone_unless_it_is_the_terminal(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    stream = Terminal()
    shown = Display(stream)
    shown.add(Track(name="a", delay=0))
    clock.now += 1
    print("the result")
    shown.close()
    assert capsys.readouterr().out == "the result\n"
    assert "the result" not in stream.getvalue()


def test_jobs_of_one_process_share_a_display(capsys: pytest.CaptureFixture[str]) -> None:
    with display() as outer:
        with display() as inner, tracked("report") as track:
            assert inner is outer
            report_progress(3, 8, "figures")
            assert (track.done, track.whole) == (3, 8)
            assert track in outer._tracks
        assert outer._tracks == []
    with display() as another:
        assert another is not outer
    assert capsys.readouterr().err == ""


def test_a_place_counts_what_goes_on_in_it() -> None:
    with display() as shown:
        with placed("5/6 analyze"):
            assert [shown.place for _ in counted("ab")] == ["5/6 analyze, 1 of 2", "5/6 analyze, 2 of 2"]
            assert shown.place == "5/6 analyze"
        assert shown.place == ""
        assert [shown.place for _ in counted("ab")] == ["", ""]


def test_a_display_that_cannot_print_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.runtime.showing.display.TICK", 0.01)
    monkeypatch.setattr("jobs.runtime.showing.display.HEARTBEAT", -100.0)
    stream = io.StringIO()
    shown = Display(stream)
    stream.close()
    shown.add(Track(name="a", delay=0))
    time.sleep(0.1)
    assert shown._thread is not None
    assert shown._thread.is_alive()
    shown.close()
