"""Who runs the work of a checkpoint: this process, or a cluster that a job is submitted to."""

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Protocol

from jobs.runtime.app import Outcome
from tda.errors import LacunaError


@dataclass(frozen=True, kw_only=True)
class Task:
    """One attempt at one checkpoint: plain values, as the ledger holds them."""

    label: str  # the checkpoint's name in its folder
    step: int
    key: str  # of its entry in the ledger
    attempt: int
    encoder: str  # the name of its vectors: <name>@<step>
    url: str  # of the weights
    sha256: str
    config: str | None = None  # a config.json that came with the weights

    @property
    def run_id(self) -> str:
        """A name of this attempt that every watcher gives it: submitting it twice is one submission."""
        return f"watch-{self.label}-{self.key}-{self.attempt}"

    @property
    def folder(self) -> str:
        """Of its entry, below the ledger's folder."""
        return f"{self.label}/{self.key}"

    def plain(self) -> dict[str, Any]:
        return asdict(self)


class State(Enum):
    """`LOST`: the runner knows nothing of the run. `STOPPED`: it was ended from outside."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"


@dataclass(frozen=True)
class Run:
    """The state of a run, and its last line or its reason."""

    state: State
    line: str = ""


class Runner(Protocol):
    """Starts runs and knows their states. The watcher asks for no more than `slots` runs at once.

    A runner whose runs live on without the watcher (`shared`) finds any run again by its `run_id`, whoever started it. `start` of a
    `run_id` that it has already is then no second run. The runs of others end with their watchers.
    """

    slots: int
    shared: bool

    def start(self, task: Task) -> None: ...

    def state(self, task: Task) -> Run: ...


class InPlace:
    """Runs one checkpoint at a time in this process: `start` returns when it is done."""

    slots = 1
    shared = False

    def __init__(self, work: Callable[[Task], list[Outcome]]) -> None:
        self._work, self._runs = work, dict[str, Run]()

    def start(self, task: Task) -> None:
        try:
            outcomes = self._work(task)
        except (LacunaError, OSError) as error:
            self._runs[task.run_id] = Run(State.FAILED, " ".join(str(error).split()) or type(error).__name__)
            return
        except BaseException:  # the command is being ended
            self._runs[task.run_id] = Run(State.STOPPED, "interrupted")
            raise
        for outcome in outcomes:
            print(outcome.line, file=sys.stderr, flush=True)
        lacking = [outcome.line for outcome in outcomes if not outcome.whole]
        line = "; ".join(lacking or [outcome.line for outcome in outcomes])
        self._runs[task.run_id] = Run(State.FAILED if lacking else State.SUCCEEDED, line)

    def state(self, task: Task) -> Run:
        return self._runs.get(task.run_id, Run(State.LOST))
