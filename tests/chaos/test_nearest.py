"""A node with a reference actor on it is killed half-way: the join ends with the same files."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from chaos import SAME, EndedIn, wait_for
from machines import Machines, actors_on
from nearest_rows import clustered, publish_set

from jobs.nearest import run
from jobs.runtime.app import Outcome
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


def _holds_cells(node: Any) -> bool:
    return any(Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"ray::Holder") for process in actors_on(node))


def test_killed_node_of_a_reference_actor(*, machines: Machines, root: Path, tmp_path: Path, ended_in: EndedIn) -> None:
    machines.have((1, 0), (1, 0), (1, 0))
    for folder in (root, tmp_path / "calm"):
        publish_set(str(folder), "r", clustered(800, 32, 0), clustered(800, 32, 1), 400)
        publish_set(str(folder), "q", clustered(SHARDS * 10, 32, 2), clustered(SHARDS * 10, 32, 3), 10)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(_join, root)
        wait_for(lambda: running.done() or list((root / "nearest/q/e/r/_records").glob("*.json")))
        victim = next(node for node in machines.nodes if _holds_cells(node))
        machines.kill(victim)
        assert len(list((root / "nearest/q/e/r/_records").glob("*.json"))) < SHARDS
        outcome = running.result()
    assert outcome.whole, outcome.line
    machines.have((1, 0), (1, 0))
    assert _join(tmp_path / "calm").whole
    assert len(_outputs(root)) == SHARDS
    assert _outputs(root) == _outputs(tmp_path / "calm")
    ended_in(SAME)
