"""Counts, rates and times left, and what tasks make of a track."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.runtime.showing import track as tracks
from jobs.runtime.showing.track import Track, followed, following
from tda.progress import report_progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Seconds that only the test moves."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def test_rate_and_time_left_are_of_what_was_done_since_the_start(clock: SimpleNamespace) -> None:
    track = Track(name="shards", whole=100, done=40)
    assert (track.rate, track.left) == (None, None)
    clock.now += 10
    track.move(60)
    assert (track.age, track.rate, track.left) == (10, 2.0, 20.0)
    assert Track(name="unknown").left is None


def test_another_step_has_a_rate_of_its_own(clock: SimpleNamespace) -> None:
    track = Track(name="umap")
    clock.now += 50
    track.move(100, 100, "rows searched")
    track.move(0, 200, "epochs")
    assert (track.done, track.whole, track.unit, track.rate) == (0, 200, "epochs", None)
    clock.now += 5
    track.move(50, 200, "epochs")
    assert (track.rate, track.left) == (10.0, 15.0)


def test_what_is_computed_inside_the_block_moves_the_track() -> None:
    track = Track(name="report")
    report_progress(1, 2, "figures")  # nobody listens
    with following(track):
        report_progress(3, 8, "figures")
        assert followed() is track
    report_progress(7, 8, "figures")
    assert (track.done, track.whole, track.unit, followed()) == (3, 8, "figures", None)


class Head:
    """Ray as a track asks it: which tasks are ready, and what the others have reported."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import ray

        self.ready: set[Any] = set()
        self.reported: dict[Any, tuple[float, float, str]] = {}
        monkeypatch.setattr(ray, "is_initialized", lambda: True)
        monkeypatch.setattr(ray, "wait", self._wait)
        monkeypatch.setattr(tracks, "_reported", self.reported.get)

    def _wait(self, running: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return [one for one in running if one in self.ready], [one for one in running if one not in self.ready]


def test_tasks_count_as_the_share_of_them_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    head, track = Head(monkeypatch), Track(name="retrieval")
    track.expect(4)
    for name in "abc":
        track.follow(name)
    head.ready = {"a"}
    head.reported = {"b": (30.0, 60.0, "rows compared")}
    monkeypatch.setattr(tracks, "_reported", head.reported.get)
    track.poll()
    assert (track.done, track.whole, track.unit) == (1.5, 4, "tasks")
    head.ready = {"a", "b", "c"}
    track.poll()
    assert (track.done, track.whole) == (3, 4)


def test_of_a_single_task_its_own_numbers_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    head, track = Head(monkeypatch), Track(name="umap")
    track.follow("a")
    track.poll()
    assert (track.done, track.whole) == (0, 1)
    head.reported["a"] = (120.0, 200.0, "epochs")
    monkeypatch.setattr(tracks, "_reported", head.reported.get)
    track.poll()
    assert (track.done, track.whole, track.unit) == (120, 200, "epochs")


def test_without_ray_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    track = Track(name="umap")
    track.follow("a")
    track.poll()
    assert track.whole is None
