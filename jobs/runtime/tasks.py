"""Functions as Ray tasks, started at once or a bounded number at a time with results in order; and imports without garbage collection.

A LacunaError that a task raises is raised here as it is.
"""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import reduce
from typing import Any

from jobs.runtime.session import slots
from jobs.runtime.showing.track import followed, key_of
from tda.config.cluster import ClusterConfig
from tda.errors import LacunaError
from tda.progress import reporting_to

REPORT_EVERY = 1.0  # seconds
FAN = 8  # results that one task merges


def start(
    task: Callable[..., Any], *arguments: Any, cluster: ClusterConfig, device: str = "cpu", returns: int = 1, counted: bool = True
) -> Any:
    """Start a task and return the reference of its result (a list of `returns` of them); arguments may be references themselves.

    It holds `cluster.cpus_per_actor` CPUs, and a GPU where `device` allows for one and the cluster has GPUs. The display counts it if
    `counted`.
    """
    import ray

    gpus = 0.0 if device == "cpu" else slots(cluster)[1]
    options = {"num_cpus": cluster.cpus_per_actor, "num_gpus": gpus, "num_returns": returns, "name": getattr(task, "__name__", "task")}
    pending = ray.remote(_reporting).options(**options).remote(task, *arguments)
    track = followed()
    if track is not None and counted:
        track.follow(pending if returns == 1 else pending[0])
    return pending


def _reporting(task: Callable[..., Any], *arguments: Any) -> Any:
    """In a worker: run `task`, while the driver can read how far it is."""
    sender = Sender()
    try:
        with reporting_to(sender):
            return task(*arguments)
    finally:
        sender.end()


class Sender:
    """Keeps what a running task reports where the driver finds it: in the store of Ray's head, at most once in `REPORT_EVERY` seconds."""

    def __init__(self) -> None:
        self._next, self._key = time.monotonic() + REPORT_EVERY, ""
        self._step = ""  # that was reported last, and not to its end

    def __call__(self, done: float, whole: float, what: str) -> None:
        now = time.monotonic()
        ends = done >= whole and what == self._step  # else a step that is over would be shown as one that stands still
        if now < self._next and not ends:
            return
        self._step = what if done < whole else ""
        import ray
        from ray.experimental import internal_kv

        self._next, self._key = now + REPORT_EVERY, key_of(str(ray.get_runtime_context().get_task_id()))
        with suppress(Exception):  # the head is away for a moment
            internal_kv._internal_kv_put(self._key, f"{done:g} {whole:g} {what}", overwrite=True)  # noqa: SLF001 (see showing.track)

    def end(self) -> None:
        """Remove what was kept."""
        from ray.experimental import internal_kv

        if self._key:
            with suppress(Exception):
                internal_kv._internal_kv_del(self._key)  # noqa: SLF001


def result(pending: Any) -> Any:
    """Wait for a result."""
    import ray

    try:
        return ray.get(pending)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, LacunaError):
            raise error.cause from None
        raise


def ordered(
    task: Callable[..., Any], calls: Iterable[tuple[Any, ...]], cluster: ClusterConfig, *, whole: int = 0, device: str = "cpu"
) -> Iterator[Any]:
    """Results of `task` over `calls` in order, a bounded number of calls at once. `whole`: how many there will be, for the display."""
    at_once, _ = slots(cluster)
    track = followed()
    if track is not None:
        track.expect(whole)
    pending: list[Any] = []
    for call in calls:
        pending.append(start(task, *call, cluster=cluster, device=device))
        if len(pending) > 2 * at_once:
            yield result(pending.pop(0))
    while pending:
        yield result(pending.pop(0))


Merge = Callable[[Any, Any], Any]


def merged(
    task: Callable[..., Any],
    calls: Iterable[tuple[Any, ...]],
    merge: Merge,
    cluster: ClusterConfig,
    *,
    whole: int = 0,
    device: str = "cpu",
) -> Any:
    """All results of `task` over `calls` as one, by `merge` of neighbours: this process holds the last of them alone.

    Results are merged in order, `FAN` at a time from left to right, and so on with what that gives, by tasks: the same tree, and so the
    same bits, on a cluster of any size. A bounded number of calls runs at once. Raises ValueError where there is no call.
    """
    at_once, _ = slots(cluster)
    track = followed()
    if track is not None:
        track.expect(whole)
    running, levels = list[Any](), list[list[Any]]()
    for call in calls:
        mark, value = start(_marked, task, *call, cluster=cluster, device=device, returns=2)
        running.append(mark)
        _add(levels, 0, value, merge, cluster)
        while len(running) > 2 * at_once:
            result(running.pop(0))  # an error ends the work here
    for mark in running:
        result(mark)
    rest = list[Any]()
    for level in levels:  # the last results are the lowest
        rest = [*level, *rest]
        if len(rest) > 1:
            rest = [start(_merged, merge, *rest, cluster=cluster, counted=False)]
    if not rest:
        raise ValueError("there is nothing to merge")
    return result(rest[0])


def _add(levels: list[list[Any]], height: int, value: Any, merge: Merge, cluster: ClusterConfig) -> None:
    if height == len(levels):
        levels.append([])
    if len(levels[height]) == FAN:  # merged when the next one comes, so that a last run that is full is not merged alone
        run, levels[height] = levels[height], []
        _add(levels, height + 1, start(_merged, merge, *run, cluster=cluster, counted=False), merge, cluster)
    levels[height].append(value)


def _marked(task: Callable[..., Any], *arguments: Any) -> tuple[None, Any]:
    """Nothing, for the driver to wait for, and the result, which stays where it was made."""
    return None, task(*arguments)


def _merged(merge: Merge, *parts: Any) -> Any:
    return reduce(merge, parts)


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection inside: it takes a quarter of the time in which open_clip loads, with its two million objects that stay."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
