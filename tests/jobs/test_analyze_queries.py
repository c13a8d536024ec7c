"""`jobs.analyze` with drawn queries: what is published, when they are drawn, what of earlier runs stands, and sets that change."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from recorded_rows import write_set

from jobs import analyze
from jobs.analyze import run
from tda.config.analysis import AnalysisConfig, RetrievalConfig
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob
from tda.config.models import EncoderConfig
from tda.errors import LacunaError
from tda.geometry import retrieval
from tda.store.datasets.embedding_set import EmbeddingSet

N = 501
pytestmark = pytest.mark.usefixtures("ray_cluster")


def drawn(n: int = N, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    image_ND = rng.standard_normal((n, 24))
    return image_ND, image_ND + 2 * rng.standard_normal((n, 24))


def job(root: Path, *parts: str, queries: int | None = 120, **analysis: Any) -> AnalyzeJob:
    return AnalyzeJob(
        root=str(root),
        dataset=DatasetConfig(name="world"),
        encoder=EncoderConfig(name="tiny"),
        analysis=AnalysisConfig(parts=list(parts or ["retrieval"]), retrieval=RetrievalConfig(queries=queries), **analysis),
        cluster=ClusterConfig(),
    )


def folder_of(root: Path) -> Path:
    return root / "analysis" / "world" / "tiny"


def metrics_of(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder_of(root) / "metrics.json").read_text())
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_set(tmp_path, "world", *drawn())
    return tmp_path


def test_drawn_queries_are_published_with_their_rows_and_nothing_else_is_left(root: Path) -> None:
    run(job(root))
    found, table = metrics_of(root)["retrieval"], pq.read_table(folder_of(root) / "ranks.parquet").to_pydict()
    embeddings = EmbeddingSet(str(root), "world", "tiny")
    whole = retrieval.ranks(embeddings.image(), embeddings.text())
    assert (found["n_queries"], found["pairs_used"], len(set(table["row"]))) == (120, N, 120)
    for way, rank_N in zip(("image_to_text", "text_to_image"), whole, strict=True):
        assert table[way] == rank_N[table["row"]].tolist()
        assert found[way]["top1"] == float((np.asarray(table[way]) == 1).mean())
        low, high = found[way]["ci95"]["top1"]
        assert low <= float((rank_N == 1).mean()) <= high
    assert sorted(path.name for path in folder_of(root).iterdir()) == ["metrics.json", "ranks.parquet"]


@pytest.mark.parametrize("queries", [None, N, 20_000])
def test_a_set_that_is_no_larger_is_ranked_whole_as_ever(root: Path, queries: int | None) -> None:
    run(job(root, queries=queries))
    embeddings = EmbeddingSet(str(root), "world", "tiny")
    assert metrics_of(root)["retrieval"] == retrieval.metrics(*retrieval.ranks(embeddings.image(), embeddings.text()))
    first = (folder_of(root) / "metrics.json").read_bytes()
    run(job(root, queries=None if queries else 700))  # another way to ask for all of them
    assert (folder_of(root) / "metrics.json").read_bytes() == first


def test_ranks_of_all_pairs_that_stand_are_not_replaced_by_a_sample(root: Path) -> None:
    run(job(root, queries=None))
    first = (folder_of(root) / "metrics.json").read_bytes()
    run(job(root, queries=120))
    assert (folder_of(root) / "metrics.json").read_bytes() == first
    (folder_of(root) / "ranks.parquet").unlink()
    run(job(root, queries=120))
    assert metrics_of(root)["retrieval"]["n_queries"] == 120
    run(job(root, queries=None))
    assert "n_queries" not in metrics_of(root)["retrieval"]


def test_seed_and_number_choose_the_rows_and_nothing_else_does(root: Path) -> None:
    def rows(**settings: Any) -> list[int]:
        run(job(root, **settings))
        found: list[int] = pq.read_table(folder_of(root) / "ranks.parquet")["row"].to_pylist()
        return found

    first = rows()
    assert rows(block_rows=50) == first
    assert rows(seed=1) != first
    assert len(rows(queries=60)) == 60


def test_a_set_that_grew_is_measured_anew_and_one_that_grows_meanwhile_is_no_success(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(job(root))
    first = metrics_of(root)
    real = analyze.measured

    def meanwhile(measuring: Any) -> Any:
        found = real(measuring)
        write_set(root, "world", *drawn(900, seed=2), shards=5)
        return found

    monkeypatch.setattr(analyze, "measured", meanwhile)
    with pytest.raises(LacunaError, match="were replaced while they were measured"):
        run(job(root, queries=80))
    assert metrics_of(root) == first
    monkeypatch.setattr(analyze, "measured", real)
    run(job(root, queries=80))
    found = metrics_of(root)
    assert (found["pairs"], found["retrieval"]["pairs_used"], found["retrieval"]["n_queries"]) == (900, 900, 80)
