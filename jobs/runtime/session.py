"""The Ray of a command: joins a running cluster, or starts one on this machine and ends it with the block that started it."""

import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.runtime.cluster_token import settle_token
from jobs.runtime.command_line.stopping import listen
from jobs.runtime.joined_head import HeadWatch
from jobs.runtime.private_folder import PrivateFolder
from tda.config.cluster import ClusterConfig
from tda.errors import LacunaError, UserError

OBJECT_STORE_BYTES = 200_000_000  # Ray carries paths and small results, never embeddings; containers often have little shared memory
START_ATTEMPTS = 3
MOST_ACTORS = 1_000_000
WAIT_LINE_EVERY = 30.0  # seconds between lines while a run waits for a node
QUIET_RAY = "A worker died or was killed|Raylet is terminated|has been marked dead"  # long on stdout; the dispatcher prints one line
# A Ray that is started here shows no worker's output: its log monitor need not look for new files ten times a second.
RESTING_MONITOR = {"RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "0", "LOG_NAME_UPDATE_INTERVAL_S": "86400"}

_held = False
_folder: PrivateFolder | None = None  # of the Ray that was started here
_watch: HeadWatch | None = None  # of the cluster that was joined
_sharers = 1


@contextmanager
def ray_session(cluster: ClusterConfig) -> Iterator[None]:
    """Ray is initialised inside the block.

    A Ray that this process is already connected to is used and left running. Otherwise the cluster at `cluster.address` is joined, or a
    local Ray is started on 127.0.0.1, without a dashboard; it ends with the block, or with the `shared_ray` block around it.
    Raises UserError if there is no cluster at the address, or one that asks for no token and `cluster.insecure` is not given.
    """
    import_ray()
    import ray

    if ray.is_initialized():
        yield
        return
    if cluster.address is None:
        _start()
    else:
        _join(cluster)
    try:
        yield
    finally:
        if not _held:
            end_ray()


@contextmanager
def shared_ray() -> Iterator[None]:
    """Inside this block the first `ray_session` that has to start Ray leaves it running for the next ones. Starts nothing itself."""
    global _held  # noqa: PLW0603 (Ray's connection is as global as this flag)
    outer, _held = _held, True
    joined = "ray" in sys.modules and sys.modules["ray"].is_initialized()
    try:
        yield
    finally:
        _held = outer
        if not (outer or joined) and "ray" in sys.modules:
            end_ray()


def end_ray() -> None:
    """Leave the cluster, or end the Ray that was started here and remove its files."""
    global _folder, _watch  # noqa: PLW0603 (as above)
    if _watch is not None:
        _watch.end()
        _watch = None
    sys.modules["ray"].shutdown()
    if _folder is not None:
        _folder.remove()
        _folder = None


@contextmanager
def sharing(jobs: int) -> Iterator[None]:
    """Inside this block the cluster is divided between so many jobs, which run side by side in threads of this process."""
    global _sharers  # noqa: PLW0603 (of all threads)
    outer, _sharers = _sharers, jobs
    try:
        yield
    finally:
        _sharers = outer


def import_ray() -> None:
    """Import Ray after setting what it reads from the environment on import: bound to this machine, no usage reports."""
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # the only switch that makes Ray use the loopback address
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", QUIET_RAY)
    os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")  # else it replaces the builtin `print`, and numba no longer compiles parallel code
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # else a traceback for each lost actor, although its shard is reassigned
    import ray  # noqa: F401 (imported for its effect)


def slots(cluster: ClusterConfig) -> tuple[int, float]:
    """How many actors the connected cluster holds, and the GPUs of each.

    `cluster.actors` if given, else one a GPU, or on a cluster without GPUs as many as the CPUs hold. Where none fits, a cluster
    that was joined has `cluster.wait_seconds` to grow. Raises UserError if it does not.
    """
    if cluster.address:
        _await_room(cluster)
    gpus = gpus_each(cluster)
    fits = _fitting(cluster, gpus)
    if not fits:
        raise UserError(_does_not_fit(cluster, gpus))
    return _share(cluster.actors, fits), gpus


def gpus_each(cluster: ClusterConfig) -> float:
    """GPUs of an actor: `cluster.gpus_per_actor` if given, else 1 where a node has one, else 0."""
    if cluster.gpus_per_actor is not None:
        return cluster.gpus_per_actor
    return float(any(node.get("GPU", 0) >= 1 for node in _nodes()))


def room(cluster: ClusterConfig, gpus: float) -> int:
    """How many actors of `gpus` GPUs fit now: `cluster.actors` if given, else what the nodes that are alive hold, which may be 0."""
    return _share(cluster.actors, _fitting(cluster, gpus))


def _share(wanted: int | None, fits: int) -> int:
    """Of `fits` actors those of one job: `wanted` if given, but no more than its part of a shared cluster; 1 at least where any fits."""
    part = max(min(fits, 1), fits // _sharers)
    return part if wanted is None else wanted if _sharers == 1 else min(wanted, max(1, part))


def _fitting(cluster: ClusterConfig, gpus: float) -> int:
    """Counted by node: an actor does not span two."""
    return sum(min(_times(node.get("CPU", 0), cluster.cpus_per_actor), _times(node.get("GPU", 0), gpus)) for node in _nodes())


def _times(have: float, each: float) -> int:
    return int(have / each + 1e-9) if each else MOST_ACTORS


def _nodes() -> list[dict[str, float]]:
    """Resources of the nodes that are alive."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]  # Ray has no types for it


def _does_not_fit(cluster: ClusterConfig, gpus: float) -> str:
    nodes = _nodes()
    cpus, devices = (sum(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU"))
    return (
        f"cluster.cpus_per_actor={cluster.cpus_per_actor:g} and gpus_per_actor={gpus:g} do not fit a cluster of "
        f"{cpus:g} CPUs and {devices:g} GPUs on {len(nodes)} node{'s' * (len(nodes) != 1)}"
    )


def _await_room(cluster: ClusterConfig) -> None:
    """Wait until a node has room for an actor, with a line now and then; a pending task of that size makes an autoscaler start a node."""
    import ray

    end, asked = time.monotonic() + cluster.wait_seconds, []
    while not _fitting(cluster, gpus := gpus_each(cluster)) and (left := end - time.monotonic()) > 0:
        print(f"lacuna: {_does_not_fit(cluster, gpus)}; waiting for a node, up to {left:.0f} s more", file=sys.stderr, flush=True)
        options: dict[str, Any] = {"num_cpus": cluster.cpus_per_actor, "num_gpus": cluster.gpus_per_actor or 0, "max_retries": 0}
        asked.append(ray.remote(**options)(_nothing).remote())
        if ray.wait(asked[-1:], timeout=min(left, WAIT_LINE_EVERY))[0]:
            time.sleep(1.0)  # until the list of nodes has it
    for task in asked:
        ray.cancel(task, force=True)


def _nothing() -> None:
    pass


def share_of_cpus(actors: int) -> int:
    """CPUs of the connected cluster divided by `actors`, reserved by them or not."""
    import ray

    have: dict[str, Any] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # as above
    return int(have.get("CPU", 0) // max(1, actors))


def _start() -> None:
    """Start Ray on this machine, its files in a private folder.

    It can miss its own time limit on a busy machine: three attempts, then LacunaError.
    """
    global _folder  # noqa: PLW0603 (as above)
    import ray

    provide_token()
    for attempt in range(1, START_ATTEMPTS + 1):
        end_ray()
        _folder = PrivateFolder()
        try:
            with _environment(RESTING_MONITOR), _folder.marked():
                ray.init(
                    address="local",
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    object_store_memory=OBJECT_STORE_BYTES,
                    _temp_dir=_folder.path,
                )
        except Exception as error:  # Ray raises a bare Exception when its node is late
            end_ray()
            if type(error) is not Exception or attempt == START_ATTEMPTS:
                raise LacunaError(f"Ray did not start on this machine: {str(error).partition(chr(10))[0]}") from error
        else:
            listen()
            return


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set these environment variables inside the block, except those that are set already."""
    mine = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name in mine:
            del os.environ[name]


def _join(cluster: ClusterConfig) -> None:
    global _watch  # noqa: PLW0603 (as above)
    import ray
    from ray._private.services import canonicalize_bootstrap_address_or_die

    address = str(cluster.address)
    remote = address.startswith("ray://")  # a client, which has no line to the head itself
    try:
        head = address if remote else canonicalize_bootstrap_address_or_die(address)
        _require_listener(head)
        if not remote:
            settle_token(head, insecure=cluster.insecure)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        listen()
    except UserError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"cluster.address={address} cannot be joined: {reason}; cluster=local starts a Ray on this machine") from None
    _watch = HeadWatch(head.removeprefix("ray://"), cluster.wait_seconds)


def _require_listener(address: str) -> None:
    """Raise OSError if nothing listens there: Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def provide_token() -> None:
    """Make a token for a Ray that is started here, known to this process and its children, unless the user has one."""
    if any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        return
    try:
        if (Path.home() / ".ray" / "auth_token").is_file():
            return
    except (OSError, RuntimeError):  # no home folder, or no permission to read it
        pass
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
