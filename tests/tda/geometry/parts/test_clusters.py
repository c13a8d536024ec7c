"""The part `clusters`: its space, the options that reach HDBSCAN, the metrics and the table. M pairs, N = 2M rows, images first."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tda.config.analysis import AnalysisConfig, ClustersConfig
from tda.geometry.clusters.density import hdbscan
from tda.geometry.clusters.stability import agreement
from tda.geometry.parts.clusters import PURE, Principal, Raw, cluster, cluster_columns, cluster_metrics, how_stable, space_of


def blobs(count: int = 400, clusters: int = 4, dim: int = 3, spread: float = 0.05, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return 2 * np.eye(clusters, dim)[rng.integers(clusters, size=count)] + spread * rng.standard_normal((count, dim)) + 1


def analysis(**clusters: Any) -> AnalysisConfig:
    return AnalysisConfig(clusters=ClustersConfig(**clusters))


def test_raw_space_is_the_unit_rows() -> None:
    x_ND = blobs(dim=7)
    space = space_of(x_ND, ClustersConfig(space="raw"))
    assert isinstance(space, Raw)
    unit_ND = x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)
    np.testing.assert_allclose(space.project(x_ND), unit_ND, atol=1e-7)
    assert space.project(x_ND).dtype == np.float32


def test_principal_space_is_that_of_its_sample_whatever_rows_come_later() -> None:
    x_SD, later_BD = blobs(dim=9), blobs(30, dim=9, seed=5)
    space = space_of(x_SD, ClustersConfig(space="pca", components=4))
    assert isinstance(space, Principal)
    unit_SD, unit_BD = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (x_SD, later_BD))
    turn_DD = np.linalg.svd(unit_SD - unit_SD.mean(axis=0))[2]
    wanted_BC = (unit_BD - unit_SD.mean(axis=0)) @ turn_DD[:4].T
    found_BC = space.project(later_BD)
    np.testing.assert_allclose(np.abs(found_BC), np.abs(wanted_BC), atol=1e-6)  # a direction has two signs
    assert found_BC.dtype == np.float32


@pytest.mark.parametrize("options", [{"method": "leaf", "min_samples": 3}, {"epsilon": 5.0, "single": True}, {"engine": "fast_hdbscan"}])
def test_options_reach_hdbscan(options: dict[str, Any]) -> None:
    x_SC = blobs(spread=0.4)
    found, wanted = cluster(x_SC, analysis(min_cluster_size=6, **options)), hdbscan(x_SC, 6, **options)
    np.testing.assert_array_equal(found.labels, wanted.labels)
    assert found.engine == wanted.engine
    assert not np.array_equal(found.labels, hdbscan(x_SC, 6).labels) or "engine" in options


def test_seed_and_sample_reach_hdbscan() -> None:
    x_SC = blobs(spread=0.4)
    found = cluster(x_SC, replace(analysis(min_cluster_size=5), seed=3), sample=150)
    assert found.fitted == 150
    np.testing.assert_array_equal(found.labels, hdbscan(x_SC, 5, seed=3, sample=150).labels)


def test_stability_runs_over_seeds_and_sizes() -> None:
    x_SC = blobs(spread=0.5)
    found = how_stable([x_SC], replace(analysis(min_cluster_size=8, stability_seeds=2), seed=4), sample=200)
    assert [(run["seed"], run["min_cluster_size"]) for run in found["runs"]] == [(4, 8), (4, 16), (5, 8), (5, 16)]
    labels = [hdbscan(x_SC, size, seed=seed, sample=200).labels for seed in (4, 5) for size in (8, 16)]
    assert found["agreement_RR"][0][3] == pytest.approx(agreement(labels[0], labels[3]))
    sizes = how_stable([x_SC], analysis(stability_seeds=1, stability_sizes=[5, 9, 13]))["runs"]
    assert [run["min_cluster_size"] for run in sizes] == [5, 9, 13]


def test_metrics_hold_the_configuration_and_count_noise_over_all_labelled_rows() -> None:
    found = cluster(blobs(), analysis())
    label_N = np.concatenate([np.full(30, -1), found.labels])  # more rows than were clustered
    metrics = cluster_metrics(found, label_N, analysis(), {"runs": []}, ["a note"])
    assert metrics["noise_fraction"] == pytest.approx((30 + (found.labels < 0).sum()) / 430)
    assert (metrics["min_samples"], metrics["count"], metrics["pairs_used"], metrics["notes"]) == (10, 4, 215, ["a note"])
    assert {name: metrics[name] for name in ("space", "method", "epsilon", "stability")} == {
        "space": "layout",
        "method": "eom",
        "epsilon": 0.0,
        "stability": {"runs": []},
    }
    assert metrics["fitted_noise_fraction"] == found.fitted_noise_fraction
    assert "labels" not in metrics
    assert cluster_metrics(found, label_N, analysis(min_samples=4), {}, [])["min_samples"] == 4


def test_purity_counts_clusters_of_one_modality() -> None:
    """Cluster 0: 19 images, 1 text, pure at .95; 1: 18 and 2, mixed; 2: texts alone; noise counts nowhere."""
    image = np.repeat([0, 1, -1], [19, 18, 13])
    text = np.repeat([0, 1, 2, -1], [1, 2, 10, 37])
    found = cluster_metrics(cluster(blobs(), analysis()), np.concatenate([image, text]), analysis(), {}, [])["modality"]
    assert found == {"pure_fraction": pytest.approx(2 / 3), "rows_in_pure": pytest.approx(30 / 50), "threshold": PURE}
    noise = cluster_metrics(cluster(blobs(), analysis()), np.full(20, -1), analysis(), {}, [])["modality"]
    assert (noise["pure_fraction"], noise["rows_in_pure"]) == (None, None)


def test_the_table_has_both_modalities_of_each_pair() -> None:
    columns = cluster_columns(np.array([0, -1, 1, 0]), np.array([0.5, 0, 1, 0.25]), np.array([7, 9]))
    assert list(columns["modality"]) == ["image", "image", "text", "text"]
    assert columns["row"].tolist() == [7, 9, 7, 9]
    assert (columns["label"].tolist(), columns["label"].dtype) == ([0, -1, 1, 0], np.int32)
    assert (columns["probability"].tolist(), columns["probability"].dtype) == ([0.5, 0, 1, 0.25], np.float32)
