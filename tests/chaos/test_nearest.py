"""A node with a reference actor on it is killed half-way: the join ends with the same files."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from chaos import SAME, EndedIn, wait_for
from machines import Machines, actors_on
from nearest_rows import clustered, publish_set

from jobs.nearest import run
from jobs.runtime.app import Outcome
from jobs.runtime.holder import Found, Holder, Unit
from tda.config import ClusterConfig, DatasetConfig, EncoderConfig, NearestConfig, NearestJob

SHARDS = 12


def _join(root: Path) -> Outcome:
    """Exactly, on two reference actors of a CPU each."""
    return run(
        NearestJob(
            root=str(root),
            dataset=DatasetConfig(name="q"),
            reference=DatasetConfig(name="r"),
            encoder=EncoderConfig(name="e"),
            nearest=NearestConfig(probes=None, group_bytes=4000, max_attempts=5),
            cluster=ClusterConfig(actors=2),
        )
    )


def _outputs(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "nearest/q/e/r").glob("*.parquet"))}


def _waiting(folder: Path) -> type[Holder]:
    """Reference actors that wait, in the middle of one shard, until they are let go."""

    class Waiting(Holder):
        def match(self, unit: Unit, routes: Any) -> Found:
            if unit.name == f"q-{SHARDS // 2:05d}":
                (folder / "waiting").touch()
                while not (folder / "go").exists():
                    time.sleep(0.02)
            return super().match(unit, routes)

    return Waiting


def test_killed_node_of_a_reference_actor(
    *, machines: Machines, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended_in: EndedIn
) -> None:
    machines.have((1, 0), (1, 0), (1, 0))
    calm = tmp_path / "calm"
    for folder in (root, calm):
        publish_set(str(folder), "r", clustered(800, 32, 0), clustered(800, 32, 1), 400)
        publish_set(str(folder), "q", clustered(SHARDS * 10, 32, 2), clustered(SHARDS * 10, 32, 3), 10)
    assert _join(calm).whole
    shutil.copytree(calm / "nearest/_layouts", root / "nearest/_layouts")
    monkeypatch.setattr("jobs.runtime.join.Holder", _waiting(tmp_path))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(_join, root)
        try:
            wait_for(lambda: running.done() or (tmp_path / "waiting").exists())
            machines.kill(next(node for node in machines.nodes if actors_on(node, "Waiting")))
        finally:
            (tmp_path / "go").touch()
        outcome = running.result()
    assert outcome.whole, outcome.line
    assert len(_outputs(root)) == SHARDS
    assert _outputs(root) == _outputs(calm)
    ended_in(SAME)
