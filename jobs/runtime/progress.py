"""Progress of shards and of other counted work, on the display of the command (`jobs.runtime.showing`)."""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TextIO

from jobs.runtime.command_line.stopping import reached
from jobs.runtime.showing.display import DRAW_EVERY, Display, display
from jobs.runtime.showing.track import Track
from tda.encoders.pipeline.timing import together
from tda.store.commit.records import ShardRecord

RECENT = 32  # last shards, whose records give the load of the devices
LINE_EVERY = 10.0  # seconds between lines where there is no terminal


@dataclass(kw_only=True)
class Bars(ABC):
    """Bars on a terminal, lines elsewhere. A context manager; `note` may be called at any time inside it.

    Without a `stream` they stand on the display of the command, beside other work.
    """

    stream: TextIO | None = None
    unit: str = ""
    _printed: float = 0.0
    _shown: Display | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _tracks: dict[str, Track] = field(default_factory=dict)

    @abstractmethod
    def totals(self) -> dict[str, int]:
        """Name of each bar -> its total."""

    @abstractmethod
    def heartbeat(self, name: str) -> str:
        """The line of a bar that has not moved for long; empty for none."""

    def __enter__(self) -> Self:
        self._printed = time.monotonic()
        self._shown = self._stack.enter_context(display(self.stream))
        for name, total in self.totals().items():
            track = Track(name=name, whole=total, unit=self.unit, delay=0, line=lambda name=name: self.heartbeat(name))  # type: ignore[misc]  # bound now
            self._tracks[name] = self._shown.add(track)
            self._stack.callback(self._shown.remove, track)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._shown is not None:
            self._shown.refresh()
        self._stack.close()

    def note(self, text: str) -> None:
        """A line that stays."""
        if self._shown is not None:
            self._shown.note(text)

    def show(self, name: str, completed: int, reported: str, line: Callable[[], str]) -> None:
        """Move a bar; without a terminal print `line`, at most once in `LINE_EVERY` seconds."""
        if self._shown is None:
            return
        track = self._tracks[name]
        track.extra = reported
        track.move(completed)
        if self._shown.terminal:
            self._shown.refresh_soon()
        elif time.monotonic() - self._printed > LINE_EVERY:
            self._printed = time.monotonic()
            self._shown.note(self._shown.placed(line()))


@dataclass(kw_only=True)
class ShardProgress(Bars):
    """Shards, pairs, pairs a second and drops, and the load of the devices by the records of the last shards.

    A context manager; `add` and `note` may be called at any time inside it.
    """

    what: str
    shards: int
    unit: str = "shards"
    done: int = 0
    pairs: int = 0
    drops: int = 0
    failed: int = 0
    _started: float = field(default_factory=time.monotonic)
    _noted: int = 0
    _reached: ExitStack = field(default_factory=ExitStack)
    _status: tuple[float, str] = (float("-inf"), "")  # when it was put into words, and these
    _recent: deque[tuple[dict[str, float], dict[str, Any]]] = field(default_factory=lambda: deque(maxlen=RECENT))

    def totals(self) -> dict[str, int]:
        return {self.what: self.shards}

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        super().__enter__()
        self._reached.enter_context(reached(self.reached))
        self._show()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._reached.__exit__(kind, error, trace)
        self._show(now=True)
        if self._shown is not None and not self._shown.terminal and kind is None and self.done > self._noted:
            self.note(self._shown.placed(self.line()))
        super().__exit__(kind, error, trace)

    def heartbeat(self, name: str) -> str:  # noqa: ARG002 (there is one)
        return self.line()

    def note(self, text: str) -> None:
        self._printed, self._noted = time.monotonic(), self.done
        super().note(text)

    def _show(self, *, now: bool = False) -> None:
        """Words cost more than counting: they are made as often as they can be drawn, and at the end."""
        if now or time.monotonic() - self._status[0] > DRAW_EVERY:
            self._status = time.monotonic(), self.status()
        self.show(self.what, self.done, self._status[1], self.line)

    def add(self, *, pairs: int = 0, drops: int = 0, failed: bool = False, records: Sequence[ShardRecord] = ()) -> None:
        """Count a shard that is done or has failed; `records` are those of its encoders."""
        if records:
            encode = sum(record.seconds.get("encode", 0.0) for record in records)
            self._recent.append(({**records[0].seconds, "encode": encode}, records[0].speed))
        self.done += 1
        self.pairs += pairs
        self.drops += drops
        self.failed += failed
        self._show()

    def status(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        failed = f", {self.failed} shards failed" if self.failed else ""
        return f"{self.pairs:,} pairs, {self.pairs / seconds:,.0f} pairs/s, {self.drops:,} dropped{failed}{self._devices()}"

    def _devices(self) -> str:
        """Load of the devices, share of their roofline, and the slowest stage; empty without records that have times."""
        reported = together(self._recent)
        if not reported:
            return ""
        roofline = f" at {reported['roofline']:.0%} of its roofline" if "roofline" in reported else ""
        return f"; device {reported['device_busy']:.0%} busy{roofline}, {reported['binds']} binds"

    def reached(self) -> str:
        return f"{self.what}: {self.done - self.failed} of {self.shards} shards of this run are done"

    def line(self) -> str:
        return f"{self.what}: {self.done} of {self.shards} shards, {self.status()}"
