"""Drivers that are killed, that run side by side, or that run out of disk."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from chaos import SAME, EndedIn, Meeting, Running, assert_same_table, wait_for
from machines import Machines

from tda.config.datasets import DatasetConfig
from tda.store.commit.records import recorded_shards
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.paths import RootPaths

Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def _two_nodes(machines: Machines) -> None:
    machines.have((1, 0), (1, 0))


@pytest.fixture
def start(machines: Machines, dataset: DatasetConfig, meeting: Meeting, root: Path) -> Start:
    """Starts the command as a process of its own, with one actor in the cluster."""
    words = ["dataset=files", "dataset.name=set", f"dataset.shards='{dataset.shards}'", "encoder=open_clip", "encoder.name=quick"]
    words += [
        f"root={root}",
        f"cluster.address={machines.address}",
        "cluster.insecure=true",
        "cluster.actors=1",
        "embed.max_drop_fraction=0.5",
    ]
    command = [sys.executable, "-m", "chaos_driver", str(meeting.folder), *words]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def test_driver_killed_at_every_commit_point(start: Start, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn) -> None:
    paths, shard = RootPaths(str(root)), "00002"
    files = {
        "rows": root / f"embeddings/set/quick/{shard}.parquet",
        "drops": root / f"quarantine/set/quick/{shard}.parquet",
        "record": root / f"embeddings/set/quick/_records/{shard}.json",
    }
    for point in (*files, "after"):
        meeting.say(shard, point)
        driver = start()
        _, reported = driver.communicate()
        assert driver.returncode == -signal.SIGKILL, reported
        (meeting.folder / f"{shard}.{point}").unlink()
        there = [name for name, path in files.items() if path.exists()]
        assert there == list(files)[: [*files, "after"].index(point)]
        done = recorded_shards(paths, "set", "quick")
        assert (shard in done) == (point == "after")
        assert not done or len(EmbeddingSet(str(root), "set", "quick")) == 4 * len(done)
    driver = start()
    said, reported = driver.communicate()
    assert driver.returncode == 0, reported
    assert f"6 shards ({len(done)} done before)" in said
    assert_same_table(root, clean)
    ended_in(f"killed {len(files) + 1} times, {SAME}")


def test_two_drivers_on_one_root(start: Start, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn) -> None:
    meeting.say("00000", "hold")
    meeting.say("00003", "hold")
    drivers = [start(), start()]
    for shard in ("00000", "00003"):  # both have it in hand at the same time
        wait_for(lambda shard=shard: len(meeting.at_work(shard)) == 2)
        meeting.let_go(shard)
    for driver in drivers:
        said, reported = driver.communicate()
        assert driver.returncode == 0, reported
        assert said == "set / quick: 24 of 30 pairs embedded, 6 dropped (missing_caption 6), 6 shards (0 done before)\n"
    assert_same_table(root, clean)
    ended_in(f"both exit 0, {SAME}")


def test_disk_full(running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn) -> None:
    meeting.say("00002", "full")
    with running(actors=1) as run:
        outcome = run.result()
    assert not outcome.whole
    early = re.search(r"; ended early: .*/(\d{5}\.parquet cannot be written: File too large; [1-5] shards are left)$", outcome.line)
    assert early, outcome.line
    assert not list(root.rglob("*.tmp"))
    (meeting.folder / "00002.full").unlink()
    with running() as run:
        assert run.result().whole
    assert_same_table(root, clean)
    ended_in(f"exit 1 and {early[1]}; healed, {SAME}")
