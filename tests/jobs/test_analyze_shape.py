"""`jobs.analyze` from layouts to local dimension: parts that rest on one another, spaces, samples, degenerate rows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
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
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob
from tda.config.models import EncoderConfig
from tda.errors import UserError
from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.clusters.stability import agreement
from tda.geometry.dimension import two_nn
from tda.geometry.mixing import layout_neighbors, modality_mixing, trustworthiness
from tda.geometry.spectrum.moments import Moments, covariance_spectrum
from tda.store.datasets.embedding_set import EmbeddingSet

SHAPE = ["umap", "mixing", "clusters", "local_dimension", "dimension", "homology"]
QUICK: dict[str, Any] = {"homology": HomologyConfig(landmarks=20, stability_seeds=2)}


def topics(n: int, *, gap: float = 0.6, dim: int = 16, count: int = 6, seed: int = 0) -> tuple[Any, Any, Any]:
    """Images and texts that share one of a few topics, a gap apart, and the topic of each pair."""
    rng = np.random.default_rng(seed)
    topic_N = rng.integers(count, size=n)
    shared_ND = 2 * rng.standard_normal((count, dim))[topic_N] + 0.3 * rng.standard_normal((n, dim))
    gap_D = gap * rng.standard_normal(dim)
    image_ND, text_ND = (shared_ND + side * gap_D + 0.1 * rng.standard_normal((n, dim)) for side in (1, -1))
    return image_ND, text_ND, topic_N


def job(root: Path, dataset: str = "world", **analysis: Any) -> AnalyzeJob:
    analysis = {"parts": SHAPE, **QUICK, **analysis}
    return AnalyzeJob(
        root=str(root), dataset=DatasetConfig(name=dataset), encoder=EncoderConfig(name="tiny"), analysis=AnalysisConfig(**analysis)
    )


def folder_of(root: Path, dataset: str = "world") -> Path:
    return root / "analysis" / dataset / "tiny"


def metrics_of(root: Path, dataset: str = "world") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder_of(root, dataset) / "metrics.json").read_text())
    return found


def table_of(root: Path, name: str, dataset: str = "world") -> dict[str, Any]:
    table = pq.read_table(folder_of(root, dataset) / f"{name}.parquet")
    return {column: table[column].to_numpy(zero_copy_only=False) for column in table.column_names}


def plain(row: dict[str, Any]) -> dict[str, float]:
    return {name: np.nan if value is None else value for name, value in row.items()}


def stamps(root: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder_of(root).iterdir())}


def measured(root: Path, dataset: str = "world", **analysis: Any) -> dict[str, Any]:
    assert run(job(root, dataset, **analysis)).whole
    return metrics_of(root, dataset)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A root with a data set of six topics; and whose topic each pair is of."""
    root = tmp_path_factory.mktemp("world")
    image_ND, text_ND, topic_N = topics(300)
    write_set(root, "world", image_ND, text_ND)
    return root, topic_N


@pytest.fixture(scope="module")
def found(world: tuple[Path, Any], ray_cluster: None) -> dict[str, Any]:
    del ray_cluster
    return measured(world[0])


@pytest.fixture(scope="module")
def gram(world: tuple[Path, Any], ray_cluster: None) -> dict[str, Any]:
    del ray_cluster
    spectrum: dict[str, Any] = measured(world[0], parts=["spectrum"])["spectrum"]
    return spectrum


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

    def test_inside_clusters(self, found: dict[str, Any], world: tuple[Path, Any]) -> None:
        root, _ = world
        clusters, ranks, spectra = (table_of(root, name) for name in ("clusters", "ranks", "cluster_spectra"))
        embeddings = EmbeddingSet(str(root), "world", "tiny")
        label_2N = clusters["label"].reshape(2, 300)
        assert [row["id"] for row in found["per_cluster"]] == list(range(12))
        for row in found["per_cluster"]:
            inside = [label_N == row["id"] for label_N in label_2N]
            x_ND = unit_rows(np.concatenate([embeddings.image()[inside[0]], embeddings.text()[inside[1]]]))
            expected = Moments.of(x_ND)
            assert (row["size"], row["images"], row["texts"]) == (len(x_ND), inside[0].sum(), inside[1].sum())
            of_both = (spectra["cluster"] == row["id"]) & (spectra["modality"] == "both")
            np.testing.assert_allclose(spectra["singular_value"][of_both], expected.principal()[0], rtol=1e-9, atol=1e-18)
            assert set(spectra["rows"][of_both]) == {len(x_ND)}
            assert row["effective_rank"] == pytest.approx(expected.spectrum(stored="float16").effective_rank, rel=1e-9)
            assert row["two_nn"] == pytest.approx(two_nn(x_ND).value, rel=1e-6)
            hits = np.concatenate([ranks["image_to_text"][inside[0]], ranks["text_to_image"][inside[1]]]) == 1
            assert row["top1"] == pytest.approx(hits.mean())
        part = found["local_dimension"]
        assert part["n_clusters"] == 12
        assert part["ci95"]["spearman"][0] <= part["spearman"] <= part["ci95"]["spearman"][1]
        for dimension in ("auc", "effective_rank"):
            assert set(part["by"][dimension]) == {"image_to_text", "text_to_image"}

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

    def test_blocks_lanes_and_chunks_give_the_numbers_of_one(self, world: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        from jobs.analysis import local as measure_local

        root, _ = world
        whole = measured(root, parts=["local_dimension"])["per_cluster"]
        (folder_of(root) / "cluster_spectra.parquet").unlink()
        monkeypatch.setattr(measure_local, "LANE_BLOCKS", 1)
        monkeypatch.setattr(measure_local, "CHUNK_BYTES", 5 * 16 * 16**2)
        assert len(list(measure_local._lanes(300, 70))) == 5
        pieces = measured(root, parts=["local_dimension"], block_rows=70)["per_cluster"]
        for one, two in zip(whole, pieces, strict=True):
            assert plain(two) == pytest.approx(plain(one), rel=1e-9, nan_ok=True)

    def test_the_plane_and_some_of_the_pairs(self, world: tuple[Path, Any]) -> None:
        root, _ = world
        limits = {"umap": UmapConfig(output="plane", max_pairs=60, n_epochs=50), "retrieval": RetrievalConfig(max_pairs=40)}
        limits |= {"local_dimension": LocalDimensionConfig(max_clusters=3, max_pairs=50, draws=20)}
        found = measured(root, parts=["local_dimension"], clusters=ClustersConfig(min_cluster_size=4), **limits)
        columns = table_of(root, "layout")
        assert set(columns) == {"modality", "row", "x", "y"}
        np.testing.assert_array_equal(columns["row"], np.tile(np.arange(60) * 5, 2))
        assert found["clusters"]["notes"] == ["60 of 300 pairs are laid out; the others have no label"]
        assert len(found["per_cluster"]) == 3
        assert "the 3 largest of" in found["local_dimension"]["notes"][-1]
        ranked = np.intersect1d(table_of(root, "ranks")["row"], columns["row"][:60])
        assert 0 < len(ranked) < 40, "only pairs that both have count towards top-1"


@pytest.mark.usefixtures("ray_cluster")
class TestSpectrumMethods:
    def test_tsqr_agrees(self, world: tuple[Path, Any], gram: dict[str, Any]) -> None:
        found = measured(world[0], parts=["spectrum"], block_rows=90, spectrum=SpectrumConfig(method="tsqr"))["spectrum"]
        for name, one in gram.items():
            np.testing.assert_allclose(found[name]["singular_values"], one["singular_values"], rtol=1e-9)
            for measure in ("effective_rank", "auc", "collapse_index"):
                assert found[name][measure] == pytest.approx(one[measure], rel=1e-9)

    def test_randomized_is_within_its_error(self, world: tuple[Path, Any], gram: dict[str, Any]) -> None:
        config = SpectrumConfig(method="randomized", rank=5, oversample=3, power=1)
        outcome = run(job(world[0], parts=["spectrum"], block_rows=90, spectrum=config))
        assert outcome.whole
        found = metrics_of(world[0])["spectrum"]
        for name, one in gram.items():
            values, truth = np.array(found[name]["singular_values"]), np.array(one["singular_values"][:5])
            assert (values <= truth * (1 + 1e-9)).all()
            assert (truth <= values + np.array(found[name]["error"]) + 1e-12).all()
            assert found[name]["effective_rank"] is None
            assert "the 5 largest of 16 values" in found[name]["notes"][0]
        spectra = table_of(world[0], "spectra")
        assert len(spectra["index"]) == 15
        whole = measured(world[0], parts=["spectrum"], spectrum=SpectrumConfig(method="randomized", rank=50))["spectrum"]
        assert whole["image"]["effective_rank"] == pytest.approx(gram["image"]["effective_rank"], rel=1e-6)


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


def test_spectra_of_a_planted_collapse_in_both_types(tmp_path: Path, ray_cluster: None) -> None:
    """A collapse at dimension 20 of 32 is found at 20, whatever type the rows are stored in."""
    del ray_cluster
    rng = np.random.default_rng(0)
    rows_2ND = rng.standard_normal((2, 2000, 20)) @ np.linalg.qr(rng.standard_normal((32, 32)))[0][:20]
    for dtype in ("float16", "float32"):
        write_set(tmp_path, dtype, *rows_2ND, dtype=dtype)
        found = measured(tmp_path, dtype, parts=["spectrum"])["spectrum"]
        assert found["image"]["collapse_index"] == found["text"]["collapse_index"] == 20
    assert covariance_spectrum(unit_rows(rows_2ND[0])).collapse_index == 20
