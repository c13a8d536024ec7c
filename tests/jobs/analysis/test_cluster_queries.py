"""Further queries in clusters that were asked too little: enough in each direction, drawn at random, ranked among all pairs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_rows import write_set

from jobs.analysis import queries
from jobs.analysis.blocks import Blocks
from jobs.analysis.cluster_queries import further, with_enough
from jobs.analysis.layout_clusters_homology import Subject
from jobs.analysis.part import Measuring
from jobs.analysis.queries import Asked, sampled_retrieval
from tda.config.analysis import AnalysisConfig, LocalDimensionConfig, RetrievalConfig
from tda.config.cluster import ClusterConfig
from tda.geometry import retrieval
from tda.geometry.parts.local_dimension import DIRECTIONS, per_cluster
from tda.store.datasets.embedding_set import EmbeddingSet

N = 600
SHARES = (0.6, 0.3, 0.06, 0.03, 0.01)


def labels(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(N) < 0.1, -1, rng.choice(len(SHARES), N, p=SHARES))


def columns() -> dict[str, Any]:
    return {"row": np.tile(np.arange(N), 2), "label": np.concatenate([labels(1), labels(2)])}


def settings(drawn: int | None = 60, least: int = 20, most: int | None = None, clusters: int = 200) -> AnalysisConfig:
    return AnalysisConfig(
        block_rows=100,
        retrieval=RetrievalConfig(tile=32, queries=drawn, max_pairs=most),
        local_dimension=LocalDimensionConfig(queries=least, max_clusters=clusters),
    )


@pytest.mark.parametrize("most", [None, 450])
def test_every_cluster_is_asked_often_enough_in_each_direction(most: int | None) -> None:
    analysis = settings(most=most)
    asked = Asked.of(N, analysis)
    candidate_N = np.isin(np.arange(N), asked.rows(slice(0, asked.candidates)))
    for label_N, drawn_Q in zip((labels(1), labels(2)), further(columns(), asked.row_Q, asked, analysis), strict=True):
        assert not np.isin(drawn_Q, asked.row_Q).any()
        assert (np.diff(drawn_Q) > 0).all()
        assert candidate_N[drawn_Q].all()
        for cluster in range(len(SHARES)):
            inside_N = (label_N == cluster) & candidate_N
            before, more = inside_N[asked.row_Q].sum(), inside_N[drawn_Q].sum()
            assert before + more == max(before, min(20, inside_N.sum()))
        assert (label_N[drawn_Q] >= 0).all()


def test_clusters_that_are_not_measured_are_not_asked() -> None:
    analysis = settings(clusters=2)
    asked = Asked.of(N, analysis)
    for label_N, drawn_Q in zip((labels(1), labels(2)), further(columns(), asked.row_Q, asked, analysis), strict=True):
        assert set(label_N[drawn_Q]) <= {0, 1}
    assert [len(drawn_Q) for drawn_Q in further(columns(), asked.row_Q, asked, settings(least=0))] == [0, 0]


@pytest.fixture
def run(tmp_path: Path, ray_cluster: None, monkeypatch: pytest.MonkeyPatch) -> Measuring:
    del ray_cluster
    monkeypatch.setattr(queries, "LEAST_RUN", 200)
    queries._held.clear()
    rng = np.random.default_rng(0)
    image_ND = rng.standard_normal((N, 12))
    write_set(tmp_path, "world", image_ND, image_ND + rng.standard_normal((N, 12)), shards=3)
    subject = Subject(
        embeddings=EmbeddingSet(str(tmp_path), "world", "tiny"), analysis=settings(), folder=str(tmp_path / "kept"), rows_hash="rows"
    )
    hashes = {"retrieval": "one", "local_dimension": "two"}
    return Measuring(subject=subject, others={}, parts=["local_dimension"], stored=lambda _: {}, cluster=ClusterConfig(), hashes=hashes)


def test_ranks_are_those_among_all_pairs_and_count_where_they_were_drawn(run: Measuring) -> None:
    embeddings, analysis = run.subject.embeddings, run.subject.analysis
    ranks = sampled_retrieval(run.subject, "one", run.cluster, run.progress)[1]["ranks"]
    found = with_enough(run, columns(), ranks)
    whole = dict(zip(DIRECTIONS, retrieval.ranks(embeddings.image(), embeddings.text()), strict=True))
    drawn = dict(zip(DIRECTIONS, further(columns(), ranks["row"], Asked.of(N, analysis), analysis), strict=True))
    assert (np.diff(found["row"]) > 0).all()
    for way in DIRECTIONS:
        counted_Q = np.isin(found["row"], np.concatenate([ranks["row"], drawn[way]]))
        np.testing.assert_array_equal(found[way], np.where(counted_Q, whole[way][found["row"]], 0))
    rank_2N = np.zeros((2, N), int)
    rank_2N[:, found["row"]] = [found[way] for way in DIRECTIONS]
    spectra = {name: [None] * len(SHARES) for name in ("both", "image", "text")}
    label_2N = np.stack([labels(1), labels(2)])
    for cluster, row in enumerate(per_cluster(spectra, label_2N, rank_2N, [None] * len(SHARES))):
        least = sum(min(20, int((label_N == cluster).sum())) for label_N in label_2N)
        assert row["queries"] >= least
        hits = [
            whole[way][(label_N == cluster) & (rank_N > 0)] == 1 for way, label_N, rank_N in zip(DIRECTIONS, label_2N, rank_2N, strict=True)
        ]
        assert row["top1"] == pytest.approx(np.concatenate(hits).mean())
    assert Blocks.of(run.subject.folder, "local_dimension", "two").kept(), "kept until the part is published"


def test_where_every_pair_is_a_query_nothing_is_added(run: Measuring) -> None:
    run.subject = Subject(embeddings=run.subject.embeddings, analysis=settings(drawn=None), folder="", rows_hash="rows")
    ranks = {"row": np.arange(N)}
    assert with_enough(run, columns(), ranks) is ranks
