"""A training run's folder and a watcher over it, with a stand-in for the work: it counts what it is given, and does what a test asks."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.watching.ledger import Ledger
from jobs.watching.naming import naming_of
from jobs.watching.place import Place
from jobs.watching.poll import WatchSettings
from jobs.watching.runner import Run, State, Task
from jobs.watching.watcher import Watcher
from tda.config.watch import WatchConfig
from tda.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

WORK = "0123456789ab"


class StandIn:
    """A runner whose runs end at once, or after so many questions; `read` holds the content that each run was given."""

    def __init__(self, slots: int = 1, *, shared: bool = False, questions: int = 0) -> None:
        self.slots, self.shared, self.questions = slots, shared, questions
        self.runs, self.read, self.most = Counter[str](), dict[str, bytes](), 0
        self.left: dict[str, int] = {}  # run -> questions until it ends
        self.before: Callable[[Task], None] = lambda _task: None

    def start(self, task: Task) -> None:
        self.runs[task.run_id] += 1
        self.before(task)
        self.read[task.encoder] = Path(task.url).read_bytes()
        self.left.setdefault(task.run_id, self.questions)
        self.most = max(self.most, sum(left > 0 for left in self.left.values()))

    def state(self, task: Task) -> Run:
        if task.run_id not in self.left:
            return Run(State.LOST)
        self.left[task.run_id] -= 1
        if self.left[task.run_id] >= 0:
            return Run(State.RUNNING)
        if task.encoder in self.read and self.read[task.encoder].startswith(b"poison"):
            return Run(State.FAILED, "its weights are not finite")
        return Run(State.SUCCEEDED, f"{task.encoder}: analysed")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def whole(task: Task) -> None:
    """The check of the stand-in: a whole checkpoint ends with END."""
    if not Path(task.url).read_bytes().endswith(b"END"):
        raise UserError(f"checkpoint {task.url} cannot be read: it is cut")


def watcher(tmp_path: Path, runner: Any, *, once: bool = True, name: str = "clip", **settings: Any) -> Watcher:
    """Over `tmp_path`/run, named as open_clip does, without a sentinel, unless the settings are others."""
    config = WatchConfig(**{"naming": "open_clip", "backoff_seconds": 10, **settings})
    events: list[dict[str, Any]] = []
    settings = WatchSettings(name=name, work=WORK, config=config, check=whole, notify=events.append, once=once, clock=Clock())
    made = Watcher(Place(str(tmp_path / "run"), naming_of(config)), Ledger(str(tmp_path / "root"), name), runner, settings)
    made.events = events  # type: ignore[attr-defined]  # for the test to read
    return made


def write(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def look(*watchers: Watcher, times: int = 1) -> None:
    for _ in range(times):
        for one in watchers:
            one.look()
            one.work()
