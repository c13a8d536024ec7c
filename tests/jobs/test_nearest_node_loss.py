"""A node with a reference actor is killed half-way: the join ends with the same files."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from nearest_rows import clustered, publish_set

# Prints the nodes that were lost and the outcome's line; the node that is killed is one that holds cells.
SCRIPT = """
import os, sys, threading, time
from jobs.runtime.session import import_ray
import_ray()
import ray
from ray.cluster_utils import Cluster
from ray.util.state import list_actors
from jobs.nearest import run
from tda.config import ClusterConfig, DatasetConfig, EncoderConfig, NearestConfig, NearestJob

root = sys.argv[1]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": 100_000_000, "include_dashboard": True})
nodes = [cluster.add_node(num_cpus=1, object_store_memory=100_000_000) for _ in range(2)]
ray.init(address=cluster.address, log_to_driver=False)
killed = []

def kill():
    records = os.path.join(root, "nearest/q/e/r/_records")
    while not (os.path.isdir(records) and os.listdir(records)):
        time.sleep(0.05)
    holding = {actor.node_id for actor in list_actors(filters=[("class_name", "=", "Holder"), ("state", "=", "ALIVE")])}
    victim = next(node for node in nodes if node.node_id in holding)
    cluster.remove_node(victim, allow_graceful=False)
    killed.append(victim.node_id)

if sys.argv[2] == "kill":
    threading.Thread(target=kill, daemon=True).start()
outcome = run(NearestJob(
    root=root, dataset=DatasetConfig(name="q"), reference=DatasetConfig(name="r"), encoder=EncoderConfig(name="e"),
    nearest=NearestConfig(probes=None, group_bytes=4000), cluster=ClusterConfig(actors=3, cpus_per_actor=1),
))
print(len(killed), outcome.whole, outcome.line)
"""


def _run(root: Path, what: str) -> str:
    with tempfile.TemporaryDirectory() as home:  # Ray's token
        environment = {**os.environ, "HOME": home, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(root), what], capture_output=True, text=True, check=False, timeout=600, env=environment
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip().splitlines()[-1]


def test_a_node_killed_half_way_changes_nothing(tmp_path: Path) -> None:
    outputs = []
    for what in ("calm", "kill"):
        root = tmp_path / what
        publish_set(str(root), "r", clustered(1500, 32, 0), clustered(1500, 32, 1), 400)
        publish_set(str(root), "q", clustered(600, 32, 2), clustered(600, 32, 3), 20)
        line = _run(root, what)
        assert line.startswith("1 True q in r" if what == "kill" else "0 True q in r"), line
        outputs.append({path.name: path.read_bytes() for path in sorted((root / "nearest/q/e/r").glob("*.parquet"))})
    assert len(outputs[0]) == 30
    assert outputs[0] == outputs[1]
