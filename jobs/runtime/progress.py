"""How far a job is, on standard error: a bar for people, one line now and then for files."""

import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tda.encoders.pipeline.timing import together
from tda.store.commit.records import ShardRecord

RECENT = 32  # shards that tell how busy the devices are now
LINE_EVERY = 10.0  # seconds between lines where there is no terminal


@dataclass(kw_only=True)
class ShardProgress:
    """Counts shards, pairs, pairs a second and drops, and tells what the last shards' records say of the devices.

    A context manager; `add` and `note` may be called at any time inside it.
    """

    what: str
    shards: int
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    done: int = 0
    pairs: int = 0
    drops: int = 0
    failed: int = 0
    _started: float = field(default_factory=time.monotonic)
    _printed: float = 0.0
    _told: int = 0
    _bar: Progress | None = None
    _recent: deque[tuple[dict[str, float], dict[str, Any]]] = field(default_factory=lambda: deque(maxlen=RECENT))

    def __enter__(self) -> Self:
        self._started = self._printed = time.monotonic()
        if self.stream.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("shards, {task.fields[told]}"),
                TimeElapsedColumn(),
            )
            self._bar = Progress(*columns, console=Console(file=self.stream), transient=True)
            self._bar.add_task(self.what, total=self.shards, told=self.told())
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif kind is None and self.done > self._told:
            self._print(self.line())

    def add(self, *, pairs: int = 0, drops: int = 0, failed: bool = False, records: Sequence[ShardRecord] = ()) -> None:
        """One more shard is done, or has failed; `records` are its encoders', of one pass."""
        if records:
            encode = sum(record.seconds.get("encode", 0.0) for record in records)
            self._recent.append(({**records[0].seconds, "encode": encode}, records[0].speed))
        self.done += 1
        self.pairs += pairs
        self.drops += drops
        self.failed += failed
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self.done, told=self.told())
        elif time.monotonic() - self._printed > LINE_EVERY:
            self._print(self.line())

    def note(self, text: str) -> None:
        """A line that stays."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            self._print(text)

    def told(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        failed = f", {self.failed} shards failed" if self.failed else ""
        return f"{self.pairs:,} pairs, {self.pairs / seconds:,.0f} pairs/s, {self.drops:,} dropped{failed}{self._devices()}"

    def _devices(self) -> str:
        """How busy the devices are, how near to their roofline, and which stage binds."""
        told = together(self._recent)
        if not told:
            return ""
        roofline = f" at {told['roofline']:.0%} of its roofline" if "roofline" in told else ""
        return f"; device {told['device_busy']:.0%} busy{roofline}, {told['binds']} binds"

    def line(self) -> str:
        return f"{self.what}: {self.done} of {self.shards} shards, {self.told()}"

    def _print(self, text: str) -> None:
        self._printed, self._told = time.monotonic(), self.done
        print(text, file=self.stream, flush=True)
