"""Several Ray nodes on this machine, that tests kill and add."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.runtime.session import import_ray

SUPPORT = Path(__file__).parents[1]
PATHS = [str(path) for path in (SUPPORT, SUPPORT / "rows", SUPPORT / "stores_and_nodes", SUPPORT.parents[1])]
STORE = 80_000_000  # bytes of object store a node
# A raylet that is killed refuses its checks at once and is dead after 5 of them; one that is only slow has Ray's usual 10 s for each.
HEALTH = {"health_check_period_ms": 500, "health_check_initial_delay_ms": 500, "health_check_failure_threshold": 5}


class Machines:
    """A head without CPUs, to which this process is connected, and nodes for actors."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE, "_system_config": HEALTH}
        self._cluster = _in_three_tries(lambda: Cluster(initialize_head=True, head_node_args=head))
        self.nodes: list[Any] = []

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add(self, cpus: int = 1, gpus: int = 0, **options: Any) -> Any:
        options |= {"num_cpus": cpus, "num_gpus": gpus, "object_store_memory": STORE}
        node = _in_three_tries(lambda: self._cluster.add_node(**options))
        self.nodes.append(node)
        return node

    def kill(self, node: Any) -> None:
        """Kill -9 its raylet; its actors end with it."""
        self.nodes.remove(node)
        self._cluster.remove_node(node, allow_graceful=False)

    def node(self, node_id: str) -> Any:
        return next(node for node in self.nodes if node.node_id == node_id)

    def have(self, *cpus_and_gpus: tuple[int, int]) -> None:
        """Exactly these nodes: what is there already is kept, and no actor of an earlier test is left on it."""
        wanted = list(cpus_and_gpus)
        for node in list(self.nodes):
            size = (int(node._ray_params.num_cpus), int(node._ray_params.num_gpus or 0))
            if size in wanted:
                wanted.remove(size)
            else:
                self.kill(node)
        for cpus, gpus in wanted:
            self.add(cpus, gpus)
        self._wait_until_idle([*cpus_and_gpus])

    def _wait_until_idle(self, sizes: list[tuple[int, int]]) -> None:
        import ray

        wanted = {"CPU": sum(cpus for cpus, _ in sizes), "GPU": sum(gpus for _, gpus in sizes)}
        end = time.monotonic() + 240
        while {name: ray.available_resources().get(name, 0) for name in wanted} != wanted or len(_alive()) != len(sizes) + 1:
            assert time.monotonic() < end, f"wanted {wanted}, have {ray.available_resources()} on {len(_alive())} nodes"
            time.sleep(0.05)

    def shutdown(self) -> None:
        self._cluster.shutdown()


def _in_three_tries(start: Callable[[], Any]) -> Any:
    """Ray gives a node 30 s to start, which a busy machine can miss; it raises a bare Exception then."""
    for attempt in range(3):
        try:
            return start()
        except Exception as error:
            if type(error) is not Exception or attempt == 2:
                raise
    raise AssertionError


@contextmanager
def several_machines() -> Iterator[Machines]:
    """This process is connected to the cluster inside the block. A Ray that it was connected to is ended, and one like it started after."""
    import_ray()
    import ray

    from jobs.runtime.session import _start, provide_token

    before = ray.is_initialized()
    ray.shutdown()
    provide_token()
    os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)  # actors import what tests share
    machines = Machines()
    ray.init(address=machines.address, log_to_driver=False, logging_level="ERROR")
    try:
        yield machines
    finally:
        ray.shutdown()
        machines.shutdown()
        if before:
            _start()


def _alive() -> list[Any]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def actors_on(node: Any, kind: str = "Embedder") -> list[int]:
    """Process ids of the actors of a class on a node: workers of its raylet that Ray has named after it."""
    (raylet,) = (info.process.pid for info in node.all_processes["raylet"])
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == raylet and stat.with_name("cmdline").read_bytes().startswith(f"ray::{kind}".encode()):
                found.append(int(stat.parent.name))
        except OSError:  # it ended meanwhile
            continue
    return sorted(found)
