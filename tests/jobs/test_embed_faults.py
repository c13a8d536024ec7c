"""Kill -9 of the driver and of an actor half-way: the same command again gives the table of a clean run, byte for byte."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bad_shards import good_pairs, write_tar

from jobs.embed import embed
from jobs.runtime.app import Outcome
from jobs.verify import run as verify
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import VerifyJob
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.store.datasets.embedding_set import EmbeddingSet

SHARDS, PAIRS = 12, 60
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("ray_cluster"),
    pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="actors are found through /proc"),
]


@pytest.fixture
def encoder(shared_golden: Path) -> EncoderConfig:
    files = {"config": ".json", "checkpoint": ".safetensors"}
    return EncoderConfig(name="tiny", **{field: str(shared_golden / f"openclip_vit_tiny{end}") for field, end in files.items()})


@pytest.fixture
def shards(tmp_path: Path) -> str:
    for i in range(SHARDS):
        write_tar(tmp_path / f"{i:05d}.tar", good_pairs(PAIRS, first=i * PAIRS))
    return str(tmp_path / "*.tar")


def embed_all(root: Path, shards: str, encoder: EncoderConfig) -> Outcome:
    return embed(str(root), DatasetConfig(name="set", shards=shards), [encoder], EmbedConfig(batch_size=16), ClusterConfig(actors=1))


def records(root: Path) -> dict[str, tuple[int, bytes]]:
    """Records by name, with the time of their last change."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.glob("embeddings/set/tiny/_records/*.json")}


def wait_for(what: Callable[[], object], seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def actors(driver: int) -> set[int]:
    """Process ids of the actors that embed for `driver`: children of its raylet."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            process = int(path.parent.name)
            if path.read_bytes().startswith(b"ray::Embedder") and parent(parent(process)) == driver:
                found.add(process)
        except OSError:  # it ended meanwhile
            continue
    return found


def kill_driver_halfway(root: Path, shards: str, encoder: EncoderConfig, cwd: Path) -> None:
    words = ["dataset=files", "dataset.name=set", f"dataset.shards='{shards}'", "encoder=open_clip", "encoder.name=tiny"]
    words += [f"encoder.config={encoder.config}", f"encoder.checkpoint={encoder.checkpoint}", f"root={root}", "embed.batch_size=16"]
    driver = subprocess.Popen([sys.executable, "-m", "jobs.embed", *words, "cluster.actors=1"], cwd=cwd, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(records(root)) >= 2 or driver.poll() is not None)
        working = actors(driver.pid)
    finally:
        driver.kill()
    assert driver.wait() == -signal.SIGKILL, "it was done before it could be killed"
    assert working
    wait_for(lambda: not any(Path(f"/proc/{process}").exists() for process in working))  # its Ray ends with it


def kill_actor_halfway(root: Path, already: int, killed: dict[int, int]) -> None:
    """Kill once two more shards are recorded; `killed` is given the process, and how many were recorded then."""
    wait_for(lambda: len(records(root)) > already + 1)
    for process in actors(os.getpid()):
        os.kill(process, signal.SIGKILL)
        killed[process] = len(records(root))


@pytest.mark.long
def test_killed_driver_then_killed_actor_then_the_table_of_a_clean_run(encoder: EncoderConfig, shards: str, tmp_path: Path) -> None:
    root, clean = tmp_path / "root", tmp_path / "clean"
    kill_driver_halfway(root, shards, encoder, tmp_path)
    done_before = records(root)
    assert 2 <= len(done_before) < SHARDS - 3

    killed: dict[int, int] = {}
    killer = threading.Thread(target=kill_actor_halfway, args=(root, len(done_before), killed))
    killer.start()
    outcome = embed_all(root, shards, encoder)
    killer.join()
    pairs = f"{SHARDS * PAIRS} of {SHARDS * PAIRS} pairs embedded, 0 dropped"
    line = f"set / tiny: {pairs}, {SHARDS} shards ({len(done_before)} done before)"
    assert outcome == Outcome(whole=True, line=line, numbers={"drop_fraction": 0.0, "failed": 0})
    after = records(root)
    assert {name: after[name] for name in done_before} == done_before
    assert killed
    assert max(killed.values()) < SHARDS, "nothing was left to do"

    embed_all(clean, shards, encoder)
    found, wanted = (EmbeddingSet(str(folder), "set", "tiny") for folder in (root, clean))
    assert np.array_equal(found.image().view(np.uint16), wanted.image().view(np.uint16))
    assert np.array_equal(found.text().view(np.uint16), wanted.text().view(np.uint16))
    assert found.table(["shard", "ordinal", "key", "caption"]).equals(wanted.table(["shard", "ordinal", "key", "caption"]))
    assert list(clean.rglob(".*")) == []
    left = list(root.rglob(".*"))  # a process that is killed between writing and naming leaves its temporary file
    assert all(path.suffix == ".tmp" for path in left)
    assert verify(VerifyJob(root=str(root), fix=True, min_age_seconds=0)).whole
    assert list(root.rglob(".*")) == []
