"""Progress on standard error: bars on a terminal, elsewhere a line from time to time."""

import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from jobs.runtime.stopping import reached
from tda.encoders.pipeline.timing import together
from tda.store.commit.records import ShardRecord

RECENT = 32  # last shards, whose records give the load of the devices
LINE_EVERY = 10.0  # seconds between lines where there is no terminal


@dataclass(kw_only=True)
class Bars:
    """Bars on a terminal, lines elsewhere. A context manager; `note` may be called at any time inside it."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _printed: float = 0.0
    _bars: Progress | None = None
    _tasks: dict[str, TaskID] = field(default_factory=dict)

    def totals(self) -> dict[str, int]:
        """Name of each bar -> its total."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._printed = time.monotonic()
        if self.stream.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[reported]}"),
                TimeElapsedColumn(),
            )
            self._bars = Progress(*columns, console=Console(file=self.stream), transient=True)
            self._tasks = {name: self._bars.add_task(name, total=total, reported="") for name, total in self.totals().items()}
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()

    def note(self, text: str) -> None:
        """A line that stays."""
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        elif text:
            print(text, file=self.stream, flush=True)

    def show(self, name: str, completed: int, reported: str, line: Callable[[], str]) -> None:
        """Move a bar; without a terminal print `line`, at most once in `LINE_EVERY` seconds."""
        if self._bars is not None:
            self._bars.update(self._tasks[name], completed=completed, reported=reported)
        elif time.monotonic() - self._printed > LINE_EVERY:
            self._printed = time.monotonic()
            self.note(line())


@dataclass(kw_only=True)
class ShardProgress(Bars):
    """Shards, pairs, pairs a second and drops, and the load of the devices by the records of the last shards.

    A context manager; `add` and `note` may be called at any time inside it.
    """

    what: str
    shards: int
    done: int = 0
    pairs: int = 0
    drops: int = 0
    failed: int = 0
    _started: float = field(default_factory=time.monotonic)
    _noted: int = 0
    _reached: ExitStack = field(default_factory=ExitStack)
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
        super().__exit__(kind, error, trace)
        if self._bars is None and kind is None and self.done > self._noted:
            self.note(self.line())

    def note(self, text: str) -> None:
        self._printed, self._noted = time.monotonic(), self.done
        super().note(text)

    def _show(self) -> None:
        self.show(self.what, self.done, f"shards, {self.status()}", self.line)

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
