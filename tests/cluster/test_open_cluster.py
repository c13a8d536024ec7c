"""A cluster that asks for no token is used only with cluster.insecure=true: joined by a driver, and to submit to."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray_nodes import Nodes, ray_nodes
from typed import typed

REPOSITORY = Path(__file__).resolve().parents[2]
OPEN = "asks for no token, so whoever reaches its ports can run any command on its machines (CVE-2023-48022)"
ADVICE = "start it with RAY_AUTH_MODE=token, or give cluster.insecure=true to use it all the same"
JOIN = """
import json, os, sys
from jobs.runtime.session import ray_session
from tda.config.cluster import ClusterConfig
from tda.errors import UserError

try:
    with ray_session(ClusterConfig(address=sys.argv[1], insecure=sys.argv[2] == "true")):
        import ray
        print(json.dumps([len(ray.nodes()), os.environ.get("RAY_AUTH_MODE")]))
except UserError as error:
    sys.exit(str(error))
"""
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with ray_nodes(workers=0, cpus=0, token=False) as cluster:
        yield cluster


def join(nodes: Nodes, address: str, insecure: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in nodes.environment.items() if name != "RAY_AUTH_MODE"}
    env |= {"PYTHONPATH": str(REPOSITORY), **environment}
    return subprocess.run(
        [sys.executable, "-c", JOIN, address, insecure], env=env, capture_output=True, text=True, check=False, timeout=240
    )


@pytest.mark.parametrize("environment", [{}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "1" * 64}])
def test_a_driver_joins_it_with_the_word_alone(nodes: Nodes, environment: dict[str, str]) -> None:
    address = f"127.0.0.1:{nodes.ports['gcs']}"
    refused = join(nodes, address, "false", **environment)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"cluster.address={address} {OPEN}: {ADVICE}\n"
    joined = join(nodes, address, "true", **environment)
    assert joined.stderr == f"lacuna: cluster.address={address} {OPEN}\n"
    assert json.loads(joined.stdout) == [1, environment.get("RAY_AUTH_MODE")]


def test_a_job_is_submitted_to_it_with_the_word_alone(nodes: Nodes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    words = [f"cluster.dashboard={nodes.dashboard}", "--no-wait", "driver_cpus=0"]
    command = ["--", "jobs.analyze", "dataset.name=d", "encoder.name=e", f"root={tmp_path}"]
    refused = typed("submit", *words, *command)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"lacuna submit: the cluster at {nodes.dashboard} {OPEN}: {ADVICE}\n"
    taken = typed("submit", *words, "cluster.insecure=true", *command)
    assert taken.returncode == 0, taken.stderr
    assert taken.stderr.startswith(f"lacuna: the cluster at {nodes.dashboard} {OPEN}\n")
    assert "cluster=auto cluster.insecure=True" in taken.stderr  # the job joins the same cluster
    assert os.environ.get("RAY_AUTH_MODE") != "token" or taken.stdout.startswith("submit: lacuna-analyze-")
