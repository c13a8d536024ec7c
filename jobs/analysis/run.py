"""The chosen parts of one data set under one encoder, measured together: what stands alone starts at once, what rests on it follows."""

from contextlib import AbstractContextManager, ExitStack
from typing import Any, Self

from jobs.analysis.part import Found, Measuring, Part
from jobs.analysis.registry import REGISTRY
from jobs.runtime.run_progress import Work
from jobs.runtime.showing.display import display
from jobs.runtime.showing.track import Track, followed, following
from tda.config.analysis import AnalysisConfig


def measured(run: Measuring, work: Work | None = None) -> Found:
    """Keys of metrics.json of the parts of `run`, and the tables that go with them; `work` counts the parts that are done."""
    work = work or Work(stage="analyze")
    parts = [part for part in REGISTRY if part.name in run.parts]
    starting = sorted((part for part in parts if part.start), key=lambda part: part.turn)
    metrics = dict[str, Any]()
    with Shown() as shown:
        head = followed()  # the whole analysis
        if head is not None:
            head.move(0, len(parts), "parts")
        pending = dict[str, Any]()
        for part in starting:
            work.began(part.name)
            with shown.part(part.name):
                pending[part.name] = part.start(run) if part.start else None
        for done, part in enumerate(sorted(parts, key=lambda part: _when(part, run.subject.analysis)), start=1):
            with shown.part(part.name):
                found, tables = part.finish(run, pending.get(part.name))
            shown.end(part.name)
            if head is not None:
                head.move(done, len(parts), "parts")
            metrics |= found
            run.tables |= tables
            work.did(part.name)
    return metrics, run.tables


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
