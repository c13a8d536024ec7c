"""Functions as Ray tasks, started at once or a bounded number at a time with results in order; and imports without garbage collection.

A LacunaError that a task raises is raised here as it is.
"""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from jobs.runtime.session import slots
from jobs.runtime.showing.track import followed, key_of
from tda.config.cluster import ClusterConfig
from tda.errors import LacunaError
from tda.progress import reporting_to

REPORT_EVERY = 1.0  # seconds


def start(task: Callable[..., Any], *arguments: Any, cluster: ClusterConfig, device: str = "cpu", returns: int = 1) -> Any:
    """Start a task and return the reference of its result (a list of `returns` of them); arguments may be references themselves.

    It holds `cluster.cpus_per_actor` CPUs, and a GPU where `device` allows for one and the cluster has GPUs.
    """
    import ray

    gpus = 0.0 if device == "cpu" else slots(cluster)[1]
    options = {"num_cpus": cluster.cpus_per_actor, "num_gpus": gpus, "num_returns": returns, "name": getattr(task, "__name__", "task")}
    pending = ray.remote(_reporting).options(**options).remote(task, *arguments)
    track = followed()
    if track is not None:
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
