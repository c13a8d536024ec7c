"""The chosen parts of one data set under one encoder, measured together: what stands alone starts at once, what rests on it follows.

Each part is published as soon as it is done, also while a long one is measured: a killed run loses no finished part.
"""

from contextlib import AbstractContextManager, ExitStack
from typing import Any, Self

from jobs.analysis.part import Found, Measuring, Part
from jobs.analysis.registry import REGISTRY
from jobs.runtime.showing.display import display
from jobs.runtime.showing.track import Track, followed, following
from tda.config.analysis import AnalysisConfig


def measured(run: Measuring) -> Found:
    """Measure the parts of `run` and hand each to `run.publish`, but for the last: its keys of metrics.json and tables are returned.

    The caller publishes that one, after it has looked whether the rows are still those that were measured.
    """
    parts = [part for part in REGISTRY if part.name in run.parts]
    starting = sorted((part for part in parts if part.start), key=lambda part: part.turn)
    order = sorted(parts, key=lambda part: _when(part, run.subject.analysis))
    with Shown() as shown:
        turns = _InTurn(run, order, shown)
        for part in starting:
            turns.start(part)
        return turns.all()


class _InTurn:
    """Finishes parts in order; of those that were started the ones whose tasks are done go first, and between the blocks of a long part."""

    def __init__(self, run: Measuring, order: list[Part], shown: "Shown") -> None:
        self.run, self.waiting, self.shown, self.whole = run, list(order), shown, len(order)
        self.pending = dict[str, Any]()
        self.busy = 0  # parts that are being finished, one inside the other
        self.last: Found = {}, {}
        self.head = followed()  # the whole analysis
        self._count()

    def start(self, part: Part) -> None:
        self.run.work.began(part.name)
        with self.shown.part(part.name):
            self.pending[part.name] = part.start(self.run) if part.start else None

    def _count(self) -> None:
        if self.head is not None:
            self.head.move(self.whole - len(self.waiting) - self.busy, self.whole, "parts")

    def all(self) -> Found:
        outer, self.run.progress = self.run.progress, self._between
        self.outer = outer
        try:
            while self.waiting:
                self._finish(next(iter(self._ready()), self.waiting[0]))
        finally:
            self.run.progress = outer
        return self.last

    def _between(self, part: str, done: int, whole: int) -> None:
        """After a block of a long part: publish what other tasks have finished meanwhile."""
        self.outer(part, done, whole)
        if self.busy == 1:
            for ready in self._ready():
                self._finish(ready)

    def _ready(self) -> list[Part]:
        """Parts that were started and whose tasks are done, where no part that stands alone is still to be measured before them."""
        started = [part for part in self.waiting if part.name in self.pending]
        alone = not self.busy and bool(self.waiting) and self.waiting[0].name not in self.pending
        return [] if alone else [part for part in started if _done(self.pending[part.name])]

    def _finish(self, part: Part) -> None:
        self.waiting.remove(part)
        self.busy += 1
        with self.shown.part(part.name):
            found, tables = part.finish(self.run, self.pending.get(part.name))
        self.shown.end(part.name)
        self.busy -= 1
        self.run.tables |= tables
        self.run.work.did(part.name)
        if self.waiting or self.busy:
            self.run.publish([part.name], found, tables)
        else:
            self.last = found, tables
        self._count()  # after the publication, which reads records


def _done(pending: Any) -> bool:
    """Whether every task of a start has ended."""
    import ray

    references = list(pending.values()) if isinstance(pending, dict) else [pending]
    return len(ray.wait(references, num_returns=len(references), timeout=0)[0]) == len(references)


class Shown:
    """The parts that run now, side by side on the display. A context manager; the tasks of a part count until it has ended."""

    def __init__(self) -> None:
        self._tracks = dict[str, Track]()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._display = self._stack.enter_context(display())
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._tracks):
            self.end(name)
        self._stack.close()

    def part(self, name: str) -> AbstractContextManager[Track]:
        """Inside this block tasks that are started belong to the part."""
        if name not in self._tracks:
            self._tracks[name] = self._display.add(Track(name=name))
        return following(self._tracks[name])

    def end(self, name: str) -> None:
        self._display.remove(self._tracks.pop(name))


def _when(part: Part, analysis: AnalysisConfig) -> int:
    """Parts that no task was started for are measured while the tasks of others run; what is made of those comes last."""
    if part.start:
        return 1
    return 2 if part.needs(analysis) else 0
