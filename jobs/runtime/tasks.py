"""Functions as Ray tasks, started at once or a bounded number at a time with results in order; and imports without garbage collection.

A LacunaError that a task raises is raised here as it is.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from jobs.runtime.session import slots
from tda.config.cluster import ClusterConfig
from tda.errors import LacunaError


def start(task: Callable[..., Any], *arguments: Any, cluster: ClusterConfig, device: str = "cpu", returns: int = 1) -> Any:
    """Start a task and return the reference of its result (a list of `returns` of them); arguments may be references themselves.

    It holds `cluster.cpus_per_actor` CPUs, and a GPU where `device` allows for one and the cluster has GPUs.
    """
    import ray

    gpus = 0.0 if device == "cpu" else slots(cluster)[1]
    return ray.remote(task).options(num_cpus=cluster.cpus_per_actor, num_gpus=gpus, num_returns=returns).remote(*arguments)


def result(pending: Any) -> Any:
    """Wait for a result."""
    import ray

    try:
        return ray.get(pending)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, LacunaError):
            raise error.cause from None
        raise


def ordered(task: Callable[..., Any], calls: Iterable[tuple[Any, ...]], cluster: ClusterConfig, device: str = "cpu") -> Iterator[Any]:
    """Results of `task` over `calls` in order, a bounded number of calls at once."""
    at_once, _ = slots(cluster)
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
