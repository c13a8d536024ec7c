"""How far the arms are, on standard error: a bar each for people, one line now and then for files."""

import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from tda.encoders.training.loop import Progress

LINE_EVERY = 10.0  # seconds between lines where there is no terminal


@dataclass(kw_only=True)
class TrainBars:
    """Shows step, loss and learning rate of every arm. A context manager."""

    steps: dict[str, int]  # arm -> steps it will take
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _last: dict[str, Progress] = field(default_factory=dict)
    _printed: float = 0.0
    _bars: Bars | None = None

    def __enter__(self) -> Self:
        self._printed = time.monotonic()
        if self.stream.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[told]}"),
                TimeElapsedColumn(),
            )
            self._bars = Bars(*columns, console=Console(file=self.stream), transient=True)
            self._tasks = {arm: self._bars.add_task(arm, total=steps, told="") for arm, steps in self.steps.items()}
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()

    def update(self, arm: str, progress: Progress) -> None:
        """An arm is this far."""
        self._last[arm] = progress
        if self._bars is not None:
            self._bars.update(self._tasks[arm], completed=progress.step, told=told(progress))
        elif time.monotonic() - self._printed > LINE_EVERY:
            self._printed = time.monotonic()
            self.note("; ".join(f"{name} {p.step}/{p.steps} {told(p)}" for name, p in self._last.items() if p.step < p.steps))

    def note(self, text: str) -> None:
        """A line that stays."""
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        elif text:
            print(text, file=self.stream, flush=True)


def told(progress: Progress) -> str:
    return f"loss {progress.loss:.3f}, learning rate {progress.learning_rate:.1e}"
