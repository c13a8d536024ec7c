"""How far a run is: `<root>/runs/<run id>/progress.json`, one small file a run, written again every `BEAT` seconds and at its end.

    schema, run, job, state, line, started, every, beat, owner, work: [stage, dataset, encoders, reference, total, before, done, pairs,
    seconds, running, running_count, failed, failures: [[shard, reason], ...]]

A state is running, whole, part (something is missing), failed or interrupted. A run that was killed stays running: its file no longer
changes, and its process (`owner`) is gone. The file has how much there was to do and what failed; what is done stands in the records alone.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jobs.runtime.owner import owner
from jobs.runtime.run_log import RunLog
from tda.errors import LacunaError, ShardError

SCHEMA = 1
BEAT = 15.0  # seconds
NAMED = 50  # failures and running shards that are named; all are counted
MOST_WORK = 200  # pieces of work that are kept, the newest: a run over many checkpoints has thousands

_current: ContextVar["RunProgress | None"] = ContextVar("progress", default=None)


@dataclass(kw_only=True)
class Work:
    """One piece of a run's work: a stage of one data set, and of `total` what was done `before` and is done by this run."""

    stage: str
    dataset: str = ""
    encoders: tuple[str, ...] = ()
    reference: str = ""
    total: int = 0
    before: int = 0
    done: int = 0
    pairs: int = 0
    failures: dict[str, str] = field(default_factory=dict)  # shard -> reason
    values: dict[str, float] = field(default_factory=dict)  # what the stage reports beside counts, for metrics alone
    exported: dict[tuple[str, ...], float] = field(default_factory=dict)  # what metrics have counted of it
    log: RunLog | None = None
    _running: dict[str, None] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _moved: float = 0.0

    def began(self, name: str) -> None:
        """An item was handed out."""
        self._running[name] = None

    def did(self, name: str, pairs: int = 0) -> None:
        """An item is done."""
        self._running.pop(name, None)
        self.failures.pop(name, None)
        self.done += 1
        self.pairs += pairs
        self._moved = time.monotonic() - self._began

    def failed(self, name: str, error: LacunaError) -> None:
        """An item has come to nothing."""
        self._running.pop(name, None)
        self.failures[name] = error.reason if isinstance(error, ShardError) else " ".join(str(error).split())
        if self.log is not None:
            self.log.add(f"{self.stage} failed: {error}", "error", shard=name)

    def reached(self, done: int) -> None:
        """So many are done, of work whose items have no names."""
        self.done, self._moved = done, time.monotonic() - self._began

    @property
    def seconds(self) -> float:
        """From its begin to what was done last."""
        return self._moved

    def plain(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "dataset": self.dataset,
            "encoders": list(self.encoders),
            "reference": self.reference,
            "total": self.total,
            "before": self.before,
            "done": self.done,
            "pairs": self.pairs,
            "seconds": round(self.seconds, 3),  # in which these were done
            "running": list(self._running)[:NAMED],
            "running_count": len(self._running),
            "failed": len(self.failures),
            "failures": [[name, reason[:300]] for name, reason in list(self.failures.items())[:NAMED]],
        }


class RunProgress:
    """The work of one run. It may be added to from any thread."""

    def __init__(self, job: str) -> None:
        self.job, self.state, self.line, self.beat = job, "running", "", 0
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self.log = RunLog(job)
        self._owner, self._work, self._adding = owner(), dict[tuple[Any, ...], Work](), threading.Lock()

    def add(self, work: Work) -> Work:
        """Work of the same stage and names takes the place of what was there."""
        with self._adding:
            work.log = self.log
            key = (work.stage, work.dataset, work.encoders, work.reference)
            self._work.pop(key, None)
            self._work[key] = work
            while len(self._work) > MOST_WORK:
                self._work.pop(next(iter(self._work)))
        return work

    def end(self, state: str, line: str = "") -> None:
        self.state, self.line = state, line or self.line

    def work(self) -> list[Work]:
        with self._adding:
            return list(self._work.values())

    def plain(self, run: str) -> dict[str, Any]:
        self.beat += 1
        return {
            "schema": SCHEMA,
            "run": run,
            "job": self.job,
            "state": self.state,
            "line": self.line,
            "started": self.started,
            "every": BEAT,
            "beat": self.beat,
            "owner": self._owner,
            "work": [one.plain() for one in self.work()],
        }


@contextmanager
def current(progress: RunProgress) -> Iterator[None]:
    """Inside this block `track` adds to `progress`."""
    token = _current.set(progress)
    try:
        yield
    finally:
        _current.reset(token)


def track(stage: str, dataset: str = "", encoders: Sequence[str] = (), *, reference: str = "", total: int = 0, before: int = 0) -> Work:
    """A piece of work of the command that runs here; without one it is counted all the same, and written nowhere."""
    work = Work(stage=stage, dataset=dataset, encoders=tuple(encoders), reference=reference, total=total, before=before)
    run = _current.get()
    return work if run is None else run.add(work)


def end_with(*, whole: bool, line: str) -> None:
    """The result of the command that runs here."""
    run = _current.get()
    if run is not None:
        run.end("whole" if whole else "part", line)


def log_line(line: str, level: str = "info", **fields: str) -> None:
    """Add a line to the log of the command that runs here; `fields` as `shard` and `actor`."""
    run = _current.get()
    if run is not None:
        run.log.add(line, level, **fields)


class Beats:
    """Calls `write` about every `BEAT` seconds in a thread, until `stop`. The first call is soon: short runs have none."""

    def __init__(self, write: Any, first: float = 2.0) -> None:
        self._write, self._first, self._ended = write, first, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="lacuna-progress")
        self._thread.start()

    def _run(self) -> None:
        wait = self._first
        while not self._ended.wait(wait):
            wait = BEAT
            with suppress(Exception):  # a store that fails for a moment: the next beat is soon
                self._write()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
