"""Ray is joined where there is one, and ended by the block that started it."""

import builtins
import json
import os
import subprocess
import sys
from pathlib import Path
from types import BuiltinFunctionType

import pytest

from jobs.runtime.session import ray_session, room, shared_ray, slots
from tda.config.cluster import ClusterConfig
from tda.errors import UserError

FRESH = """
import json, os, sys
from jobs.runtime.session import ray_session, shared_ray
from tda.config.cluster import ClusterConfig
from tda.errors import UserError

seen = {}
with shared_ray():
    seen["ray_before_need"] = "ray" in sys.modules
    try:
        with ray_session(ClusterConfig(address="127.0.0.1:1")):
            pass
    except UserError as error:
        seen["unreachable"] = str(error)
    with ray_session(ClusterConfig()):
        import ray
        seen["address"] = ray.util.get_node_ip_address()
        seen["imported_from"] = ray.get(ray.remote(lambda: __import__("tda").__file__).remote())
    seen["up_inside"] = ray.is_initialized()
seen["up_after"] = ray.is_initialized()
seen["token"] = len(os.environ["RAY_AUTH_TOKEN"])
print(json.dumps(seen))
"""


def test_a_fresh_machine(tmp_path: Path) -> None:
    """No home to write a token to, an empty working directory, no Ray."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-c", FRESH]
    done = subprocess.run(command, cwd=tmp_path, env={**clean, "HOME": "/nonexistent"}, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    assert seen["address"] == "127.0.0.1"
    assert (seen["ray_before_need"], seen["up_inside"], seen["up_after"]) == (False, True, False)
    assert seen["imported_from"].endswith("tda/__init__.py")
    assert seen["token"] == 64
    assert seen["unreachable"].startswith("cluster.address=127.0.0.1:1 cannot be joined: ")


@pytest.mark.usefixtures("ray_cluster")
def test_a_ray_that_is_up_is_joined_and_left_alone() -> None:
    import ray

    with ray_session(ClusterConfig()):
        assert ray.is_initialized()
    assert ray.is_initialized()
    with shared_ray(), ray_session(ClusterConfig()):
        pass
    assert ray.is_initialized()


@pytest.mark.usefixtures("ray_cluster")
def test_print_stays_the_builtin() -> None:
    """Ray puts a function of its own in its place as soon as a worker's line is shown; numba then refuses parallel loops."""
    from ray.experimental import tqdm_ray

    shown = builtins.print
    with ray_session(ClusterConfig()):
        tqdm_ray.instance()
    assert builtins.print is shown
    assert isinstance(print, BuiltinFunctionType)


def ray_cpus() -> float:
    import ray

    return float(ray.cluster_resources()["CPU"])


@pytest.mark.usefixtures("ray_cluster")
def test_as_many_actors_as_fit() -> None:
    import ray

    cpus, gpus = (ray.cluster_resources().get(name, 0) for name in ("CPU", "GPU"))
    assert slots(ClusterConfig(actors=7, gpus_per_actor=0)) == (7, 0)
    assert slots(ClusterConfig(cpus_per_actor=0.5, gpus_per_actor=0)) == (int(cpus * 2), 0)
    assert slots(ClusterConfig())[1] == (1 if gpus else 0)


@pytest.mark.usefixtures("ray_cluster")
def test_room_follows_the_nodes_unless_the_number_is_given() -> None:
    fit, gpus = slots(ClusterConfig(cpus_per_actor=0.1, gpus_per_actor=0))
    assert room(ClusterConfig(cpus_per_actor=0.1), gpus) == fit == round(ray_cpus() * 10)
    assert room(ClusterConfig(cpus_per_actor=1000), gpus) == 0
    assert room(ClusterConfig(actors=3, cpus_per_actor=1000), gpus) == 3


def test_values_that_no_cluster_has() -> None:
    for seen, values in (("cluster.actors=0", {"actors": 0}), ("cluster.heartbeat_seconds=0.5", {"heartbeat_seconds": 0.5})):
        with pytest.raises(UserError, match=f"{seen} is too small; it must be at least 1"):
            ClusterConfig(**values)  # type: ignore[arg-type]  # as given


@pytest.mark.usefixtures("ray_cluster")
def test_an_actor_that_fits_nowhere_is_refused() -> None:
    with pytest.raises(UserError, match=r"cluster.cpus_per_actor=1000 .* do not fit a cluster of"):
        slots(ClusterConfig(cpus_per_actor=1000))
