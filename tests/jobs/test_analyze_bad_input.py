"""Sets that an analysis cannot take whole, and settings that do not fit them: refused by name, or without effect on a number."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_rows import write_set

from jobs.analyze import run
from tda.config.analysis import AnalysisConfig, LocalDimensionConfig, RetrievalConfig, UmapConfig
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob
from tda.config.models import EncoderConfig
from tda.errors import ShardError

N = 400
pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    image_ND = rng.standard_normal((N, 24))
    write_set(tmp_path, "world", image_ND, image_ND + rng.standard_normal((N, 24)), shards=5)
    return tmp_path


def job(root: Path, *parts: str, **analysis: Any) -> AnalyzeJob:
    return AnalyzeJob(
        root=str(root),
        dataset=DatasetConfig(name="world"),
        encoder=EncoderConfig(name="tiny"),
        analysis=AnalysisConfig(parts=list(parts), **analysis),
        cluster=ClusterConfig(),
    )


def metrics_of(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "analysis/world/tiny/metrics.json").read_text())
    return found


@pytest.mark.parametrize("part", ["gap", "retrieval", "placement"])
def test_a_damaged_shard_in_the_middle_is_named_and_no_number_is_of_the_others_alone(root: Path, part: str) -> None:
    file = root / "embeddings/world/tiny/00002.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    sampled = {"retrieval": RetrievalConfig(queries=50), "umap": UmapConfig(max_pairs=100)}
    with pytest.raises(ShardError, match=r"00002.*damaged"):
        run(job(root, part, **sampled))
    assert not (root / "analysis/world/tiny/metrics.json").exists()
    file.write_bytes(whole)
    assert run(job(root, part, **sampled)).whole
    assert metrics_of(root)["pairs"] == N


@pytest.mark.long
def test_samples_that_are_larger_than_the_set_are_the_set(root: Path) -> None:
    parts = ("retrieval", "umap", "clusters", "placement", "local_dimension")
    assert run(job(root, *parts)).whole
    first = {name: value for name, value in metrics_of(root).items() if name in {"retrieval", "umap", "clusters", "rows", "per_cluster"}}
    (root / "analysis/world/tiny/metrics.json").unlink()
    larger = {
        "retrieval": RetrievalConfig(queries=N + 1, max_pairs=10 * N),
        "umap": UmapConfig(max_pairs=N + 1),
        "local_dimension": LocalDimensionConfig(queries=N, max_pairs=10 * N),
    }
    assert run(job(root, *parts, **larger)).whole
    again = metrics_of(root)
    first["rows"].pop("fit"), again["rows"].pop("fit")  # of the settings, too
    assert {name: again[name] for name in first} == first
