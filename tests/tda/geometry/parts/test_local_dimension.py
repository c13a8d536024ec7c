"""The parts `per_cluster`, `local_dimension` and the predictions, from planted tables. N pairs, K clusters."""

import json
from typing import Any

import numpy as np
import pytest

from tda.geometry.local_dimension import Clusters, associate, pooled
from tda.geometry.parts.local_dimension import (
    DIMENSIONS,
    DIRECTIONS,
    columns_of,
    controlled_dimension,
    local_dimension,
    per_cluster,
    pooled_dimension,
    prediction_one,
    prediction_two,
    spectra_columns,
)
from tda.geometry.predictions import Space, prediction_1, prediction_2
from tda.geometry.spectrum.per_cluster import GroupMoments, cluster_spectra


def labelled(count: int = 300, clusters: int = 5) -> tuple[Any, Any, Any]:
    """Images and texts, and their clusters (2, N), some rows in none."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((count, 4)), rng.standard_normal((count, 4)), rng.integers(-1, clusters, (2, count))


def planted_table(count: int = 40, seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    names = [*DIMENSIONS, "top1", *(f"top1_{direction}" for direction in DIRECTIONS)]
    return [{"id": i, "size": int(rng.integers(5, 99)), **{name: float(rng.random()) for name in names}} for i in range(count)]


def test_a_row_a_cluster_with_top1_of_the_queries_that_were_asked() -> None:
    """Rank 0 is a pair that was not asked for: it counts among the rows of its cluster, not among its queries."""
    image_ND, text_ND, label_2N = labelled()
    rank_2N = np.random.default_rng(1).integers(0, 4, (2, 300))
    label_2N[:, :3], rank_2N[:, :3] = 4, 1
    spectra = cluster_spectra(GroupMoments.of(image_ND, label_2N[0], 5), GroupMoments.of(text_ND, label_2N[1], 5))
    table = per_cluster(spectra, label_2N, rank_2N, [1.0, None, 3.0, 4.0, 5.0])
    assert [row["id"] for row in table] == list(range(5))
    assert [row["two_nn"] for row in table] == [1.0, None, 3.0, 4.0, 5.0]
    for cluster, row in enumerate(table):
        inside_2N = label_2N == cluster
        asked_2N = inside_2N & (rank_2N > 0)
        assert (row["images"], row["texts"], row["size"]) == (*inside_2N.sum(axis=1), inside_2N.sum())
        for direction, asked_N, rank_N in zip(DIRECTIONS, asked_2N, rank_2N, strict=True):
            assert row[f"top1_{direction}"] == pytest.approx((rank_N[asked_N] == 1).mean())
        assert row["top1"] == pytest.approx((rank_2N[asked_2N] == 1).mean())
        assert row["auc"] == spectra["both"][cluster].auc  # type: ignore[union-attr]


def test_a_row_has_what_the_correlation_is_controlled_for() -> None:
    image_ND, text_ND, label_2N = labelled()
    spectra = cluster_spectra(GroupMoments.of(image_ND, label_2N[0], 5), GroupMoments.of(text_ND, label_2N[1], 5))
    table = per_cluster(spectra, label_2N, np.ones((2, 300)), [None] * 5, [1.5, None, 2.5, 3.5, 4.5])
    assert [row["rarefied"] for row in table] == [1.5, None, 2.5, 3.5, 4.5]
    for cluster, row in enumerate(table):
        both_ND = np.concatenate([image_ND[label_2N[0] == cluster], text_ND[label_2N[1] == cluster]])
        assert row["log_trace"] == pytest.approx(np.log(both_ND.var(axis=0, ddof=1).sum()))
        assert row["purity"] == max(row["images"], row["texts"]) / row["size"]
    columns = columns_of(table)
    assert columns["dimension"][[0, 2]].tolist() == [1.5, 2.5]
    assert np.isnan(columns["dimension"][1])
    np.testing.assert_allclose(np.exp(columns["log_size"]), [row["size"] for row in table])
    earlier = columns_of([{"size": 9, "top1": 0.5}])
    assert np.isnan(earlier["dimension"][0])
    assert earlier["top1"] == [0.5]


def test_clusters_without_queries_have_no_top1() -> None:
    image_ND, text_ND, label_2N = labelled()
    spectra = cluster_spectra(GroupMoments.of(image_ND, label_2N[0], 5), GroupMoments.of(text_ND, label_2N[1], 5))
    rank_2N = np.where(label_2N == 2, 0, 1)
    row = per_cluster(spectra, label_2N, rank_2N, [None] * 5)[2]
    assert (row["top1"], row["top1_image_to_text"], row["top1_text_to_image"]) == (None, None, None)
    rank_2N[1] = 2
    row = per_cluster(spectra, label_2N, rank_2N, [None] * 5)[2]
    assert (row["top1"], row["top1_image_to_text"], row["top1_text_to_image"]) == (0.0, None, 0.0)


def test_the_plainest_association_comes_first_and_all_pairs_by_name() -> None:
    table = planted_table()
    found = local_dimension(table, draws=50, seed=3)
    for name, value in associate(Clusters.of(table, "auc", "top1"), draws=50, seed=3).metrics().items():
        assert found[name] == value
    assert "auc of both modalities together" in found["of"]
    for dimension in DIMENSIONS:
        for direction in DIRECTIONS:
            wanted = associate(Clusters.of(table, dimension, f"top1_{direction}"), draws=50, seed=3)
            assert found["by"][dimension][direction] == wanted.metrics()
    json.dumps(found)


def test_models_are_pooled_with_model_as_a_factor() -> None:
    tables = {"clip": planted_table(), "cloob": planted_table(30, seed=1)}
    found, first = pooled_dimension(tables, draws=50, seed=3)
    assert first == pooled({name: Clusters.of(table, "auc", "top1") for name, table in tables.items()}, draws=50, seed=3)
    assert (found["spearman"], found["models"], found["n_clusters"]) == (first.spearman, ["clip", "cloob"], 70)
    assert found["by"]["auc"]["image_to_text"] != found["by"]["effective_rank"]["image_to_text"]


def test_the_table_of_spectra_holds_each_value_with_its_cluster() -> None:
    image_ND, text_ND, label_2N = labelled()
    label_2N[0][label_2N[0] == 3] = -1  # no images in cluster 3
    spectra = cluster_spectra(GroupMoments.of(image_ND, label_2N[0], 5), GroupMoments.of(text_ND, label_2N[1], 5))
    columns = spectra_columns(spectra, label_2N)
    assert len({len(column) for column in columns.values()}) == 1
    for name, listed in spectra.items():
        for cluster, one in enumerate(listed):
            there = (columns["modality"] == name) & (columns["cluster"] == cluster)
            if one is None:
                assert not there.any()
                continue
            np.testing.assert_array_equal(columns["singular_value"][there], one.singular_values)
            np.testing.assert_array_equal(columns["index"][there], range(4))
            assert set(columns["floor"][there]) == {one.floor}
            sides = {"image": label_2N[:1], "text": label_2N[1:], "both": label_2N}
            assert set(columns["rows"][there]) == {(sides[name] == cluster).sum()}
    assert spectra["image"][3] is None
    assert [len(column) for column in spectra_columns({"image": [], "text": [], "both": []}, label_2N[:, :0]).values()] == [0] * 6


def metrics(encoder: str, dataset: str, auc: float | None, top1: float) -> dict[str, Any]:
    return {
        "encoder": encoder,
        "dataset": dataset,
        "spectrum": {"both": {"auc": auc}},
        "retrieval": {"image_to_text": {"top1": top1 - 0.1}, "text_to_image": {"top1": top1 + 0.1}},
        "per_cluster": planted_table(seed=len(encoder)),
    }


def test_prediction_two_takes_every_space_that_was_measured() -> None:
    """Spaces without a spectrum, a retrieval or an auc are no points; encoders without clusters are not pooled."""
    here = {"clip": metrics("clip", "coco", 0.5, 0.3), "cloob": metrics("cloob", "coco", 0.7, 0.6), "bare": {"encoder": "bare"}}
    others = {("other", "clip"): metrics("clip", "other", 0.4, 0.2), ("other", "flat"): metrics("flat", "other", None, 0.2)}
    found = prediction_two(here, others, draws=50, seed=2)
    tables = {name: here[name]["per_cluster"] for name in ("clip", "cloob")}
    wanted, first = pooled_dimension(tables, 50, 2)
    assert found["pooled"] == wanted | {"controlled": controlled_dimension(tables)}
    spaces = [Space(model=m, dataset=d, dimension=a, top1=t) for m, d, a, t in
              (("clip", "coco", 0.5, 0.3), ("cloob", "coco", 0.7, 0.6), ("clip", "other", 0.4, 0.2))]  # fmt: skip
    listed = found["prediction_2"]["numbers"]["spaces"]
    assert [(one["model"], one["dataset"], one["dimension"]) for one in listed] == [(s.model, s.dataset, s.dimension) for s in spaces]
    assert [one["top1"] for one in listed] == pytest.approx([0.3, 0.6, 0.2])  # the mean of both directions
    assert found["prediction_2"]["verdict"] == prediction_2(first, spaces, seed=2).verdict


def test_prediction_one_takes_the_gaps_of_the_metrics() -> None:
    rng = np.random.default_rng(0)
    ranks = tuple({direction: rng.integers(1, 4, 200) for direction in DIRECTIONS} for _ in range(2))
    gaps = ({"gap": {"centroid_distance": 0.8}}, {"gap": {"centroid_distance": 0.3}})
    assert prediction_one(ranks, *gaps) == prediction_1(*ranks, 0.8, 0.3).metrics()  # type: ignore[arg-type]
    assert prediction_one(ranks, *gaps[::-1])["verdict"] == "not supported"  # type: ignore[arg-type]
