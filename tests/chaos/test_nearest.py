"""The join loses a node with a reference actor, or its layout is killed in any stage: it ends with the same files."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from chaos import SAME, EndedIn, wait_for
from machines import Machines, actors_on
from nearest_rows import clustered, publish_set

from jobs.join.build_cells import Builder
from jobs.join.reference_actor import Found, ReferenceActor, Unit
from jobs.nearest import run
from jobs.runtime.app import Outcome
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import NearestJob
from tda.config.models import EncoderConfig
from tda.config.stages import NearestConfig
from tda.errors import LacunaError

SHARDS = 12


def _join(root: Path, attempts: int = 5, actors: int = 2) -> Outcome:
    """Exactly, on reference actors of a CPU each."""
    return run(
        NearestJob(
            root=str(root),
            dataset=DatasetConfig(name="q"),
            reference=DatasetConfig(name="r"),
            encoder=EncoderConfig(name="e"),
            nearest=NearestConfig(probes=None, group_bytes=4000, max_attempts=attempts),
            cluster=ClusterConfig(actors=actors),
        )
    )


def _outputs(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "nearest/q/e/r").glob("*.parquet"))}


def _waiting(folder: Path) -> type[ReferenceActor]:
    """Reference actors that wait, in the middle of one shard, until they are let go."""

    class Waiting(ReferenceActor):
        def match(self, unit: Unit, routes: Any) -> Found:
            if unit.name == f"q-{SHARDS // 2:05d}":
                (folder / "waiting").touch()
                while not (folder / "go").exists():
                    time.sleep(0.02)
            return super().match(unit, routes)

    return Waiting


@pytest.mark.long
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
    monkeypatch.setattr("jobs.join.driver.ReferenceActor", _waiting(tmp_path))
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


def _builder(folder: Path, stage: str = "") -> type[Builder]:
    """Tells which tasks it has done; in `stage` it does one, and an actor dies of the next."""

    class Telling(Builder):
        def build(self, task: Any, attempt: int) -> int:
            own = type(task).__name__.lower() == stage
            if own and any(folder.glob(f"{stage}-*")):
                os._exit(1)
            rows = super().build(task, attempt)
            (folder / f"{type(task).__name__.lower()}-{getattr(task, 'modality', '')}-{getattr(task, 'name', '')}").touch(exist_ok=False)
            return rows

    return Telling


def _layout(root: Path) -> dict[str, bytes]:
    folder = root / "nearest/_layouts"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.long
def test_layout_killed_in_every_stage(
    *, machines: Machines, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended_in: EndedIn
) -> None:
    machines.have((1, 0), (1, 0))
    monkeypatch.setattr("jobs.join.build_cells.BUNDLE_ROWS", 250)  # several parts
    calm, reported = tmp_path / "calm", tmp_path / "reported"
    reported.mkdir()
    for folder in (root, calm):
        publish_set(str(folder), "r", clustered(800, 32, 0), clustered(800, 32, 1), 200)
        publish_set(str(folder), "q", clustered(20, 32, 2), clustered(20, 32, 3), 10)
    assert _join(calm, actors=1).whole
    for stage in ("coarse", "part", "whole"):
        monkeypatch.setattr("jobs.join.build_cells.Builder", _builder(reported, stage))
        with pytest.raises(LacunaError):
            _join(root, attempts=1, actors=1)
        assert len(list(reported.glob(f"{stage}-*"))) == 1
        assert not (root / "nearest/q").exists()
    monkeypatch.setattr("jobs.join.build_cells.Builder", _builder(reported))
    assert _join(root).whole  # a task that is done twice would fail
    assert {path.name.partition("-")[0] for path in reported.iterdir()} == {"coarse", "part", "whole"}
    assert _layout(root) == _layout(calm)
    assert _outputs(root) == _outputs(calm)
    ended_in(f"killed in 3 stages, no task done twice, {SAME}")
