"""Layouts, clusters, dimension and homology by `jobs.analyze`: parts that rest on one another, spaces, samples, degenerate rows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from measured_topics import SHAPE, folder_of, job, measured, stamps, table_of, topics
from recorded_rows import spoil, write_set

from jobs.analyze import run
from tda.config.analysis import (
    AnalysisConfig,
    ClustersConfig,
    DimensionConfig,
    HomologyConfig,
    LocalDimensionConfig,
    RetrievalConfig,
    SpectrumConfig,
    UmapConfig,
)
from tda.errors import UserError
from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.clusters.stability import agreement
from tda.geometry.dimension import two_nn
from tda.geometry.mixing import layout_neighbors, modality_mixing, trustworthiness
from tda.store.datasets.embedding_set import EmbeddingSet


@pytest.fixture(scope="module")
def found(world: tuple[Path, Any], ray_cluster: None) -> dict[str, Any]:
    del ray_cluster
    return measured(world[0])


class TestEveryPart:
    def test_needed_parts_come_along_in_order(self, found: dict[str, Any], world: tuple[Path, Any]) -> None:
        keys = ["retrieval", "umap", "mixing", "clusters", "per_cluster", "local_dimension", "dimension", "homology"]
        assert list(found)[-len(keys) :] == keys
        assert list(found["part_hashes"]) == ["retrieval", *SHAPE]
        for part, names in {"umap": ["layout"], "clusters": ["clusters"], "homology": ["betti", "persistence"]}.items():
            for name in names:
                meta = pq.read_schema(folder_of(world[0]) / f"{name}.parquet").metadata[b"lacuna"]
                assert json.loads(meta)["config_hash"] == found["part_hashes"][part]

    def test_layout(self, found: dict[str, Any], world: tuple[Path, Any]) -> None:
        root, _ = world
        columns, embeddings = table_of(root, "layout"), EmbeddingSet(str(root), "world", "tiny")
        layout_N3 = np.stack([columns[name] for name in "xyz"], axis=1)
        x_ND = np.concatenate([embeddings.image(), embeddings.text()])
        assert list(columns["modality"][[0, 299, 300, 599]]) == ["image", "image", "text", "text"]
        np.testing.assert_array_equal(columns["row"], np.tile(np.arange(300), 2))
        np.testing.assert_allclose(np.linalg.norm(layout_N3, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(columns["z"], np.cos(columns["colatitude"]), atol=1e-5)
        assert found["umap"]["trustworthiness"] == pytest.approx(trustworthiness(x_ND, layout_N3, 15), abs=1e-9)
        same = modality_mixing(layout_neighbors(layout_N3, 15), columns["modality"], 15).same
        assert found["mixing"]["layout"] == pytest.approx(same) == 1 - found["umap"]["mixing"]
        assert found["mixing"]["ambient"] > 0.95 > found["mixing"]["chance"]

    def test_clusters_are_the_topics_of_each_modality(self, found: dict[str, Any], world: tuple[Path, Any]) -> None:
        root, topic_N = world
        columns, part = table_of(root, "clusters"), found["clusters"]
        truth = np.concatenate([topic_N, topic_N + 6])
        assert agreement(columns["label"], truth) > 0.95
        assert (part["count"], part["space"], part["modality"]["pure_fraction"]) == (12, "layout", 1.0)
        assert part["noise_fraction"] == np.mean(columns["label"] == -1)
        assert ((columns["probability"] > 0) == (columns["label"] >= 0)).all()
        assert part["stability"]["across_seeds"] > 0.9
        assert [run["seed"] for run in part["stability"]["runs"]] == [0, 0, 1, 1]

    def test_dimension_and_homology(self, found: dict[str, Any], world: tuple[Path, Any]) -> None:
        root, _ = world
        images = unit_rows(EmbeddingSet(str(root), "world", "tiny").image())
        assert found["dimension"]["two_nn"]["image"]["value"] == pytest.approx(two_nn(images).value, rel=1e-9)
        assert set(found["dimension"]["mle"]) == {"image", "text", "both"}
        betti, points = table_of(root, "betti"), table_of(root, "persistence")
        for name in ("image", "text", "both"):
            part = found["homology"][name]
            own = (points["modality"] == name) & (points["degree"] == 0)
            assert (part["landmarks"], part["h0"]["features"], own.sum()) == (20, 19, 19)
            assert (points["death"] - points["birth"])[own].sum() == pytest.approx(part["h0"]["total_persistence"])
            assert betti["betti"][(betti["modality"] == name) & (betti["degree"] == 0)][0] == 20
            assert part["stability"]["seeds"] == 2


@pytest.mark.usefixtures("ray_cluster")
class TestAgain:
    """A part is measured again only where its rows, its settings, or what it rests on changed."""

    def test_other_settings(self, world: tuple[Path, Any]) -> None:
        root, _ = world
        before, first = measured(root), stamps(root)
        assert run(job(root)).whole
        assert stamps(root) == first
        other = measured(root, clusters=ClustersConfig(min_cluster_size=20))
        changed = {name for name, stamp in stamps(root).items() if stamp != first[name]}
        assert changed == {"clusters.parquet", "cluster_spectra.parquet", "metrics.json"}
        assert other["umap"] == before["umap"]
        assert other["homology"] == before["homology"]
        moved = measured(root, umap=UmapConfig(min_dist=0.5), parts=["umap"])
        assert "clusters" not in moved, "it was of another layout"
        assert moved["dimension"] == before["dimension"]
        assert stamps(root)["_neighbours_600.parquet"] == first["_neighbours_600.parquet"], "one search serves every layout"
        again = measured(root)
        assert {part: again[part] for part in SHAPE} == {part: before[part] for part in SHAPE}


@pytest.mark.usefixtures("ray_cluster")
class TestSpaces:
    @pytest.mark.parametrize("space", ["raw", "pca"])
    def test_a_sample_is_clustered_and_the_rest_assigned(self, world: tuple[Path, Any], space: str) -> None:
        root, topic_N = world
        options: dict[str, Any] = {"space": space, "components": 8, "min_samples": 3}
        found = measured(root, parts=["clusters"], block_rows=70, clusters=ClustersConfig(sample=200, **options))
        assert (found["clusters"]["fitted"], found["clusters"]["pairs_used"]) == (200, 300)
        columns = table_of(root, "clusters")
        np.testing.assert_array_equal(columns["row"], np.tile(np.arange(300), 2))
        assert agreement(columns["label"], np.concatenate([topic_N, topic_N + 6]), noise=False) > 0.95
        assert found["clusters"]["noise_fraction"] < 0.2
        assert found["clusters"]["fitted_noise_fraction"] == pytest.approx(found["clusters"]["noise_fraction"], abs=0.1)

    def test_the_plane_and_some_of_the_pairs(self, world: tuple[Path, Any]) -> None:
        root, _ = world
        limits = {"umap": UmapConfig(output="plane", max_pairs=60, n_epochs=50), "retrieval": RetrievalConfig(max_pairs=40)}
        limits |= {"local_dimension": LocalDimensionConfig(max_clusters=3, max_pairs=50, draws=20)}
        found = measured(root, parts=["local_dimension"], clusters=ClustersConfig(min_cluster_size=4), **limits)
        columns = table_of(root, "layout")
        assert set(columns) == {"modality", "row", "x", "y"}
        np.testing.assert_array_equal(columns["row"], np.tile(np.arange(60) * 5, 2))
        assert found["clusters"]["notes"] == ["60 of 300 pairs are laid out; rows/ has the labels of the others"]
        assert len(found["per_cluster"]) == 3
        assert "the 3 largest of" in found["local_dimension"]["notes"][-1]
        ranked = np.intersect1d(table_of(root, "ranks")["row"], columns["row"][:60])
        assert 0 < len(ranked) < 40, "only pairs that both have count towards top-1"


@pytest.mark.usefixtures("ray_cluster")
class TestDegenerateRows:
    """A defined answer with a note, or one clear line."""

    def test_fewer_rows_than_neighbours(self, tmp_path: Path) -> None:
        write_set(tmp_path, "world", *topics(2)[:2], shards=1)
        found = measured(tmp_path)
        assert "n_neighbors=15 is cut to 3: there are 4 rows" in found["umap"]["notes"]
        assert "3 neighbours, not 15: there are 4 rows" in found["mixing"]["notes"]
        assert "trustworthiness looks at 1 neighbours, not 15: there are 4 rows" in found["umap"]["notes"]
        assert (found["clusters"]["count"], found["clusters"]["noise_fraction"], found["per_cluster"]) == (0, 1.0, [])
        assert "fewer than the 11 that a cluster needs: all noise" in found["clusters"]["notes"][0]
        assert (found["local_dimension"]["spearman"], found["local_dimension"]["n_clusters"]) == (None, 0)
        assert found["dimension"]["two_nn"]["image"]["notes"] == ["2 distinct row(s) have no 2 neighbours: no dimension"]
        assert found["homology"]["image"]["landmarks"] == 2

    def test_all_rows_equal(self, tmp_path: Path) -> None:
        write_set(tmp_path, "world", np.ones((40, 6)), np.ones((40, 6)), shards=2)
        found = measured(tmp_path, parts=["spectrum", *SHAPE])
        assert "every row equals its nearest neighbours: the layout shows no more than that" in found["umap"]["notes"]
        assert found["dimension"]["mle"]["both"]["value"] is None
        assert found["homology"]["both"]["h1"]["features"] == 0
        for space in ("raw", "pca"):
            part = measured(tmp_path, parts=["clusters"], clusters=ClustersConfig(space=space, components=3))["clusters"]
            assert (part["count"], part["notes"]) == (0, ["1 distinct row(s), fewer than the 11 that a cluster needs: all noise"])

    def test_one_cluster_all_noise_and_clusters_of_two_rows(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        cloud = rng.standard_normal((60, 5)) * 0.05 + 1
        write_set(tmp_path, "world", cloud, cloud + 0.02 * rng.standard_normal((60, 5)))
        raw: dict[str, Any] = {"space": "raw", "min_samples": 3, "stability_seeds": 1}
        one = measured(tmp_path, parts=["local_dimension"], clusters=ClustersConfig(single=True, min_cluster_size=50, **raw))
        assert one["clusters"]["count"] == 1
        assert one["local_dimension"]["notes"] == ["1 cluster(s) are too few for a correlation given size"]
        assert one["per_cluster"][0]["auc"] > 0
        noise = measured(tmp_path, parts=["local_dimension"], clusters=ClustersConfig(min_cluster_size=100, **raw))
        assert noise["clusters"]["notes"] == ["no part of the rows is denser than the rest: all noise"]
        assert noise["local_dimension"]["pearson"] is None
        pairs = measured(tmp_path, parts=["local_dimension"], clusters=ClustersConfig(min_cluster_size=2, **{**raw, "min_samples": 1}))
        twos = [row for row in pairs["per_cluster"] if row["size"] == 2]
        assert twos
        assert all(row["two_nn"] is None and 0 < row["effective_rank"] < 1.1 for row in twos)

    def test_a_constant_dimension_changes_nothing(self, tmp_path: Path) -> None:
        image_ND, text_ND, _ = topics(80)
        image_ND[:, 3] = text_ND[:, 3] = 0.0
        write_set(tmp_path, "world", image_ND, text_ND)
        found = measured(tmp_path, clusters=ClustersConfig(min_cluster_size=5))
        assert found["clusters"]["count"] > 4
        for row in found["per_cluster"]:
            assert np.isfinite([row["auc"], row["effective_rank"]]).all()

    def test_nan_is_one_line_that_names_the_row(self, tmp_path: Path) -> None:
        image_ND, text_ND, _ = topics(20)
        write_set(tmp_path, "world", image_ND, text_ND, shards=1)
        spoil(tmp_path, "world", image_ND[7])
        for part in SHAPE:
            with pytest.raises(UserError, match=r"row 7 has norm nan"):
                run(job(tmp_path, parts=[part], clusters=ClustersConfig(space="raw")))
        assert not (folder_of(tmp_path) / "metrics.json").exists()


class TestRefusals:
    @pytest.mark.parametrize(
        ("group", "values"),
        [
            (UmapConfig, {"n_neighbors": 1}),
            (UmapConfig, {"min_dist": 2.0}),
            (UmapConfig, {"init": "pca"}),
            (UmapConfig, {"output": "torus"}),
            (ClustersConfig, {"space": "map"}),
            (ClustersConfig, {"min_cluster_size": 1}),
            (ClustersConfig, {"stability_sizes": [10, 1]}),
            (LocalDimensionConfig, {"draws": 0}),
            (DimensionConfig, {"discard": 1.0}),
            (HomologyConfig, {"landmarks": 6000}),
            (HomologyConfig, {"max_degree": 2}),
            (SpectrumConfig, {"method": "lanczos"}),
            (AnalysisConfig, {"device": "tpu"}),
        ],
    )
    def test_settings_that_mean_nothing(self, group: Any, values: dict[str, Any]) -> None:
        (name,) = values
        with pytest.raises(UserError, match=rf"analysis\..*{name}="):
            group(**values)
