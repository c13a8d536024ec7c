"""A cluster of separate processes as its user has it: commands submitted from another folder, and the metrics pages of its nodes."""

import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import yaml
from ray_nodes import Nodes

REPOSITORY = Path(__file__).resolve().parents[2]


Done = subprocess.CompletedProcess[str]


class Submitter:
    """`python -m jobs.submit` of the installed wheel, in a folder where nothing is."""

    def __init__(self, nodes: Nodes, site: Path, cwd: Path) -> None:
        self.nodes, self.cwd = nodes, cwd
        self.environment = {**nodes.environment, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "jobs.submit", f"cluster.dashboard={self.nodes.dashboard}", "poll_seconds=0.3", *words]

    def __call__(self, *words: str, **environment: str) -> Done:
        return ended(self.start(*words, **environment))

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        env = {**self.environment, **environment}
        return subprocess.Popen(self.words(*words), cwd=self.cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def watch(self, *words: str) -> subprocess.Popen[str]:
        """`python -m jobs.watch`, which submits the checkpoints that it finds."""
        command = [sys.executable, "-m", "jobs.watch", f"cluster.dashboard={self.nodes.dashboard}", *words]
        return subprocess.Popen(command, cwd=self.cwd, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def together(self, *commands: Sequence[str]) -> list[Done]:
        """Side by side: most of the time of a small job is waiting. Each ends whole."""
        running = [self.start("driver_cpus=0.5", "--", *words) for words in commands]
        done = [ended(one) for one in running]
        assert [one.returncode for one in done] == [0] * len(done), "\n".join(one.stdout + one.stderr for one in done)
        return done


def ended(running: subprocess.Popen[str]) -> Done:
    out, err = running.communicate(timeout=300)
    return Done(running.args, running.returncode, out, err)


class Pages:
    """The metrics pages of all nodes, read as long as the block runs."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes, self.text, self._end = nodes, "", threading.Event()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._end.wait(0.5):
            self.text += "\n".join(line for line in self.nodes.page().splitlines() if "lacuna" in line)


def metrics_of(page: str) -> set[str]:
    """Names of Lacuna's metrics on the page; the PodMonitor keeps them all."""
    there = {line.split("{")[0] for line in page.splitlines() if "lacuna" in line and not line.startswith("#")}
    there = {name for name in there if not name.startswith("ray_tasks")}
    monitor = yaml.safe_load((REPOSITORY / "cluster" / "kubernetes" / "podmonitor.yaml").read_text())
    ((rule,),) = [endpoint["metricRelabelings"] for endpoint in monitor["spec"]["podMetricsEndpoints"]]
    assert (rule["action"], rule["sourceLabels"]) == ("keep", ["__name__"])
    assert all(re.fullmatch(rule["regex"], name) for name in there if "lacuna" in name)
    return there


def stages_of(page: str) -> set[tuple[str, str]]:
    """(job, stage) of all work that is on the page as done."""
    lines = [line for line in page.splitlines() if line.startswith("ray_lacuna_stage_done_total{")]
    return {(labels["job"], labels["stage"]) for labels in (dict(re.findall(r'(\w+)="([^"]*)"', line)) for line in lines)}
