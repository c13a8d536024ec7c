"""Each checkpoint as a job of a Ray cluster: it lives on without its watcher, and any watcher finds it again by the name of its attempt."""

import shlex
import time
from collections.abc import Callable, Sequence
from typing import Any

from jobs.submission.client import Jobs, NotReachedError, UnknownJobError
from jobs.submission.follow import status
from jobs.watching.runner import Run, State, Task
from tda.errors import LacunaError

_OF_CLUSTER = ("cluster", "cluster.address", "cluster.dashboard", "cluster.wait_seconds")
_OF_WATCH = tuple(f"watch.{name}" for name in ("submit", "at_once", "env", "notify", "webhook", "task"))
OF_WATCHER = frozenset(("once", "interval", "root", *_OF_CLUSTER, *_OF_WATCH))
ENDS = {"SUCCEEDED": State.SUCCEEDED, "FAILED": State.FAILED, "STOPPED": State.STOPPED}


class RayJobs:
    """A `Runner` whose runs are jobs of the cluster behind `jobs`.

    `words` is the command line of each run but for its task, `request` the other fields of its submission. A cluster that does not answer
    for `wait_seconds` is lost, and its jobs with it: what they had in hand is tried again. One that is away when a job is to start is no
    failure of the checkpoint.
    """

    shared = True

    def __init__(
        self,
        jobs: Jobs,
        *,
        words: Sequence[str],
        request: dict[str, Any],
        at_once: int,
        wait_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.slots, self._jobs, self._words, self._request, self._clock = at_once, jobs, words, request, clock
        self._wait, self._away, self._not_started = wait_seconds, dict[str, float](), dict[str, Run]()

    def start(self, task: Task) -> None:
        entrypoint = shlex.join(["python", "-m", "jobs.watch", *self._words, f"watch.task={task.folder}/{task.attempt}"])
        self._not_started.pop(task.run_id, None)
        try:
            self._jobs.submit(entrypoint=entrypoint, submission_id=task.run_id, metadata={"lacuna": "watch"}, **self._request)
        except NotReachedError as error:
            self._not_started[task.run_id] = Run(State.STOPPED, str(error))

    def state(self, task: Task) -> Run:
        if task.run_id in self._not_started:
            return self._not_started[task.run_id]
        try:
            found = self._jobs.details(task.run_id)
        except UnknownJobError:
            return Run(State.LOST, "the cluster does not know its job: it was lost, or is another one")
        except NotReachedError as error:
            since = self._away.setdefault(task.run_id, self._clock())
            lost = self._clock() - since >= self._wait
            return Run(State.LOST, f"its cluster is lost: {error}") if lost else Run(State.RUNNING)
        self._away.pop(task.run_id, None)
        end = ENDS.get(status(found))
        return (
            Run(State.RUNNING)
            if end is None
            else Run(end, self._last_line(task.run_id) or " ".join(str(found.message or "").split())[:300])
        )

    def _last_line(self, run_id: str) -> str:
        try:
            lines = self._jobs.logs(run_id).strip().splitlines()
        except LacunaError:  # of a node that is gone
            return ""
        return lines[-1].removeprefix("lacuna watch: ") if lines else ""


def words_of_jobs(words: Sequence[str], root: str) -> list[str]:
    """The command line of a watcher as that of its jobs: they join the cluster that runs them, and neither look nor notify."""
    kept = [word for word in words if word.partition("=")[0].lstrip("+~") not in OF_WATCHER]
    return [*kept, "cluster=auto", f"root={root}"]
