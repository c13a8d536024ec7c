"""One piece of work as the display knows it: how much of it is done, at which rate, and the Ray tasks that it consists of."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from tda.progress import reporting_to

PREFIX = "lacuna-progress-"  # of the keys under which tasks report, by task

_following: ContextVar["Track | None"] = ContextVar("track", default=None)


def _now() -> float:
    return time.monotonic()


@dataclass(eq=False, kw_only=True)
class Track:
    """`done` of `whole` (None: not known), in `unit`. It may be changed from any thread.

    `extra` is further text. `line`, if given, makes its whole line in a log. A track whose tasks are followed counts those.
    """

    name: str
    whole: float | None = None
    unit: str = ""
    done: float = 0
    extra: str = ""
    line: Callable[[], str] | None = None
    delay: float = 2.0  # seconds before it is shown
    heads: bool = False  # it counts the tracks that are shown below it
    began: float = field(default_factory=_now)
    _since: tuple[float, float] | None = None  # time and count from which the rate is taken
    _running: dict[Any, float] = field(default_factory=dict)  # task -> share of it that is done
    _expected: int = 0
    _started: int = 0
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._since = (self.began, self.done)

    def move(self, done: float, whole: float | None = None, what: str | None = None) -> None:
        """So much is done. Another `what` is another step: its rate starts anew."""
        if what is not None and what != self.unit:
            self.unit, self._since = what, (time.monotonic(), done)
        self.done, self.whole = done, self.whole if whole is None else whole

    @property
    def age(self) -> float:
        return time.monotonic() - self.began

    @property
    def rate(self) -> float | None:
        """A second, since the step began."""
        began, done = self._since or (self.began, 0)
        seconds = time.monotonic() - began
        return (self.done - done) / seconds if self.done > done and seconds > 0 else None

    @property
    def left(self) -> float | None:
        """Seconds, at the rate so far."""
        rate = self.rate
        return None if rate is None or self.whole is None else max(0.0, (self.whole - self.done) / rate)

    def expect(self, tasks: int) -> None:
        """So many more tasks belong to it."""
        with self._lock:
            self._expected += tasks

    def follow(self, reference: Any) -> None:
        """A task of it was started."""
        with self._lock:
            self._started += 1
            self._running[reference] = 0.0

    def poll(self) -> None:
        """Ask Ray which tasks are done, and those that are not how far they are."""
        with self._lock:
            running = list(self._running)
        if not running:
            return
        import ray

        if not ray.is_initialized():
            return
        ready, open_ = ray.wait(running, num_returns=len(running), timeout=0, fetch_local=False)
        reported = {reference: _reported(reference) for reference in open_}
        with self._lock:
            for reference in ready:
                self._running.pop(reference, None)
            self._running |= {reference: one[0] / max(one[1], 1e-9) for reference, one in reported.items() if one}
        self._count([one for one in reported.values() if one])

    def _count(self, reported: list[tuple[float, float, str]]) -> None:
        with self._lock:
            whole = max(self._expected, self._started)
            done = self._started - len(self._running) + sum(self._running.values())
        if whole == 1 and reported:
            self.move(*reported[0])
        else:
            self.move(done, whole, "tasks")


def _reported(reference: Any) -> tuple[float, float, str] | None:
    """What a running task last reported."""
    from ray.experimental import internal_kv

    value = internal_kv._internal_kv_get(key_of(reference.task_id().hex()))  # noqa: SLF001 (the one store that every worker reaches)
    if not value:
        return None
    done, whole, what = value.decode().split(" ", 2)
    return float(done), float(whole), what


def key_of(task: str) -> str:
    return PREFIX + task


@contextmanager
def following(track: Track) -> Iterator[Track]:
    """Inside this block, in this thread, tasks that are started belong to `track`, and what is computed here reports to it."""
    token = _following.set(track)
    try:
        with reporting_to(track.move):
            yield track
    finally:
        _following.reset(token)


def followed() -> Track | None:
    """The track to which tasks belong that are started now."""
    return _following.get()
