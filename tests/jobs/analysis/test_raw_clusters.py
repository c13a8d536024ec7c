"""Clusters of the vectors themselves: those of the topics that were planted, with the variables of their rows alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measured_topics import topics

from jobs.analysis import raw_clusters as module
from jobs.analysis.raw_clusters import aligned, equal_rows, raw_clusters
from tda.config.analysis import AnalysisConfig
from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.controlled import rarefied_rank
from tda.store.datasets.embedding_set import EmbeddingSet


def ranks_of(count: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"row": np.arange(count), "image_to_text": rng.integers(1, 3, count), "text_to_image": rng.integers(1, 3, count)}


def test_ranks_stand_at_their_positions_and_others_were_not_asked() -> None:
    ranks = {"row": np.array([1, 4, 7]), "image_to_text": np.array([5, 6, 7]), "text_to_image": np.array([8, 9, 10])}
    assert aligned(ranks, np.array([0, 1, 7, 9])).tolist() == [[0, 5, 7, 0], [0, 8, 10, 0]]


def test_every_cluster_gives_as_many_rows_as_the_smallest_and_ten_at_least() -> None:
    assert equal_rows(np.repeat([0, 1, -1], [40, 25, 3])) == 25
    assert equal_rows(np.repeat([0, 1], [40, 4])) == 10
    assert equal_rows(np.full(5, -1)) == 10


def test_clusters_are_the_planted_topics(world: tuple[Path, Any]) -> None:
    root, _ = world
    found = raw_clusters(EmbeddingSet(str(root), "world", "tiny"), ranks_of(300), AnalysisConfig())
    assert found["pairs_used"] == 300
    assert found["count"] >= 6
    assert 0 <= found["noise_fraction"] < 0.5
    assert found["controlled"]["n_clusters"] <= found["count"]
    assert (found["controlled"]["ci95"] is None) is (found["controlled"]["n_clusters"] < 12 or found["controlled"]["value"] is None)


def test_the_variables_are_those_of_each_clusters_rows() -> None:
    image_ND, text_ND, topic_N = topics(300)
    x_ND, label_N = unit_rows(np.concatenate([image_ND, text_ND])), np.tile(topic_N, 2)
    rank_N = np.random.default_rng(1).integers(0, 3, 600)
    columns = module._columns(x_ND, label_N, rank_N, 6, seed=0)
    for cluster in range(6):
        inside_N = label_N == cluster
        asked_N = rank_N[inside_N & (rank_N > 0)]
        assert columns["top1"][cluster] == pytest.approx((asked_N == 1).mean())
        assert np.exp(columns["log_size"][cluster]) == pytest.approx(inside_N.sum())
        assert columns["purity"][cluster] == 0.5
        assert np.exp(columns["log_trace"][cluster]) == pytest.approx(x_ND[inside_N].var(axis=0, ddof=1).sum())
        assert columns["dimension"][cluster] == pytest.approx(rarefied_rank(x_ND[inside_N], equal_rows(label_N), 20, 0))
