"""`jobs.analyze` over recorded embeddings: numbers, tables, what is done again and what is not, and refusals."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from recorded_rows import write_set
from typed import typed

from jobs import analyze
from jobs.analyze import run
from jobs.ingest import run as ingest
from tda.config.analysis import AnalysisConfig, CosineConfig, RetrievalConfig, SeparabilityConfig, SpectrumConfig
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob, IngestJob
from tda.config.models import EncoderConfig
from tda.errors import LacunaError, UserError
from tda.geometry import retrieval, separability
from tda.geometry.parts.pair_stats import PairStats
from tda.store.datasets.embedding_set import EmbeddingSet

TABLES = ("cosine", "pca", "ranks", "spectra")
BASIC = ["gap", "cosine", "separability", "retrieval", "spectrum"]
ARMS = ("clip", "cloob_infoNCE", "clip_infoLOOB", "cloob")


def drawn(n: int, gap: float = 0.4, dim: int = 24, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    image_ND = rng.standard_normal((n, dim)) * np.logspace(0, -1, dim)
    return image_ND + gap, image_ND + 0.3 * rng.standard_normal((n, dim)) - gap


def job(root: Path, dataset: str = "world", *, encoder: str = "tiny", **analysis: Any) -> AnalyzeJob:
    """The parts of Figs 2 to 12 unless others are given; `test_layout_clusters_homology` has the others."""
    analysis.setdefault("parts", BASIC)
    return AnalyzeJob(
        root=str(root),
        dataset=DatasetConfig(name=dataset),
        encoder=EncoderConfig(name=encoder),
        analysis=AnalysisConfig(**analysis),
        cluster=ClusterConfig(),
    )


def folder_of(root: Path, dataset: str = "world", encoder: str = "tiny") -> Path:
    return root / "analysis" / dataset / encoder


def metrics_of(root: Path, dataset: str = "world", encoder: str = "tiny") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder_of(root, dataset, encoder) / "metrics.json").read_text())
    return found


def table_of(root: Path, name: str) -> dict[str, Any]:
    table = pq.read_table(folder_of(root) / f"{name}.parquet")
    return {column: table[column].to_numpy() for column in table.column_names}


def stamps(root: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder_of(root).iterdir())}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_set(tmp_path, "world", *drawn(501))
    return tmp_path


@pytest.mark.usefixtures("ray_cluster")
class TestNumbers:
    """What is measured from blocks by many tasks equals the library on the whole arrays."""

    @pytest.mark.parametrize(("block_rows", "tile"), [(40, 16), (65_536, 2048)])
    def test_parts_and_tables(self, root: Path, block_rows: int, tile: int) -> None:
        outcome = run(job(root, block_rows=block_rows, retrieval=RetrievalConfig(tile=tile)))
        found, embeddings = metrics_of(root), EmbeddingSet(str(root), "world", "tiny")
        image_ND, text_ND = embeddings.image(), embeddings.text()
        stats, ranks = PairStats.of_set(image_ND, text_ND), retrieval.ranks(image_ND, text_ND)
        assert (outcome.whole, outcome.places) == (True, [str(root / "analysis/world/tiny/metrics.json")])
        assert outcome.line.startswith(f"world / tiny: 501 pairs, gap {found['gap']['centroid_distance']:.3f}, SVM held out")
        head = {
            "schema": 1,
            "dataset": "world",
            "encoder": "tiny",
            "weights_sha256": "ab" * 32,
            "pairs": 501,
            "dim": 24,
            "dtype": "float16",
            "modalities": ["image", "text"],
            "seed": 0,
        }
        assert {name: found[name] for name in head} == head
        assert list(found) == [
            "document_sha256",
            *list(head)[:4],
            "config_hash",
            "rows_sha256",
            *list(head)[4:],
            "part_hashes",
            "tables",
            *BASIC,
        ]
        assert list(found["part_hashes"]) == BASIC
        assert found["gap"] == pytest.approx(stats.gap_metrics(), abs=1e-12)
        assert found["retrieval"] == retrieval.metrics(*ranks)
        assert found["separability"] == separability.metrics(image_ND, text_ND)
        for kind in ("pair", "random"):
            assert found["cosine"][kind]["mean"] == pytest.approx(stats.cosine_metrics()[kind]["mean"], abs=1e-12)
            assert found["cosine"][kind]["quantiles"] == pytest.approx(stats.cosine_metrics()[kind]["quantiles"], abs=1e-12)
        for name, expected in stats.spectrum_metrics("float16").items():
            np.testing.assert_allclose(found["spectrum"][name].pop("singular_values"), expected.pop("singular_values"), rtol=1e-9)
            assert found["spectrum"][name] == pytest.approx(expected, rel=1e-9)
        self.check_tables(root, stats, ranks)

    def check_tables(self, root: Path, stats: PairStats, ranks: tuple[Any, Any]) -> None:
        table = table_of(root, "ranks")
        np.testing.assert_array_equal(table["row"], np.arange(501))
        np.testing.assert_array_equal(table["image_to_text"], ranks[0])
        np.testing.assert_array_equal(table["text_to_image"], ranks[1])
        spectra = table_of(root, "spectra")
        assert list(spectra["modality"][::24]) == ["image", "text", "both"]
        np.testing.assert_allclose(spectra["singular_value"][:24], stats.image.principal()[0], rtol=1e-9)
        cosine, pca = table_of(root, "cosine"), table_of(root, "pca")
        np.testing.assert_array_equal(cosine["count"], stats.cosine_histogram(200)["count"])
        assert set(pca) == {"row", "image_pc1", "image_pc2", "text_pc1", "text_pc2"}
        assert abs(pca["image_pc1"].mean() - pca["text_pc1"].mean()) == pytest.approx(stats.gap_metrics()["centroid_distance"], rel=0.05)

    def test_large_sets_are_sampled_evenly_and_say_so(self, root: Path) -> None:
        run(job(root, block_rows=64, retrieval=RetrievalConfig(max_pairs=50), separability=SeparabilityConfig(max_pairs=100)))
        found, rows = metrics_of(root), (np.arange(50) * 501) // 50
        assert (found["retrieval"]["pairs_used"], found["separability"]["pairs_used"], found["pairs"]) == (50, 100, 501)
        embeddings = EmbeddingSet(str(root), "world", "tiny")
        expected = retrieval.ranks(embeddings.image()[rows], embeddings.text()[rows])
        np.testing.assert_array_equal(table_of(root, "ranks")["row"], rows)
        np.testing.assert_array_equal(table_of(root, "ranks")["image_to_text"], expected[0])

    def test_transfer_to_another_data_set(self, root: Path) -> None:
        write_set(root, "coco", *drawn(120, gap=0.1, seed=1), shards=1)
        run(job(root, parts=["separability"], separability=SeparabilityConfig(transfer=["coco"])))
        here, there = (EmbeddingSet(str(root), name, "tiny") for name in ("world", "coco"))
        expected = separability.metrics(here.image(), here.text(), {"coco": (there.image(), there.text())})
        assert metrics_of(root)["separability"] == expected
        assert list(expected["transfer"]) == ["coco"]

    def test_two_pairs_are_enough_and_equal_rows_have_an_answer(self, tmp_path: Path) -> None:
        write_set(tmp_path, "world", *drawn(2), shards=1)
        write_set(tmp_path, "flat", np.ones((9, 4)), -np.ones((9, 4)), shards=2)
        assert run(job(tmp_path)).whole
        assert run(job(tmp_path, "flat")).whole
        found = metrics_of(tmp_path, "flat")
        assert found["gap"] == {"centroid_distance": 2.0, "relative": None}
        assert found["retrieval"]["image_to_text"] == {"top1": 0.0, "top5": 0.0, "top10": 1.0, "median_rank": 9.0}
        assert (found["spectrum"]["image"]["effective_rank"], found["spectrum"]["image"]["auc"]) == (0.0, 0.0)


@pytest.mark.usefixtures("ray_cluster")
class TestAgain:
    """Nothing that is there is measured twice; nothing stale is kept."""

    def test_a_finished_analysis_does_nothing(self, root: Path) -> None:
        first, before = run(job(root)), stamps(root)
        assert sorted(before) == sorted(["metrics.json", *(f"{name}.parquet" for name in TABLES)])
        again = run(job(root, block_rows=33, retrieval=RetrievalConfig(tile=8)))  # neither changes a number
        assert (again.whole, again.line) == (True, first.line)
        assert stamps(root) == before

    def test_parts_chosen_later_join_those_that_are_there(self, root: Path) -> None:
        run(job(root, parts=["retrieval"]))
        before = stamps(root)
        assert [part for part in BASIC if part in metrics_of(root)] == ["retrieval"]
        run(job(root, parts=["spectrum", "retrieval", "gap"]))
        assert list(metrics_of(root))[-3:] == ["gap", "retrieval", "spectrum"]
        assert stamps(root)["ranks.parquet"] == before["ranks.parquet"]
        whole = stamps(root)
        run(job(root, parts=["gap"]))
        assert stamps(root) == whole

    def test_other_settings_replace_the_part_that_they_are_of(self, root: Path) -> None:
        run(job(root, parts=["gap", "spectrum", "cosine"]))
        before, hashes = stamps(root), metrics_of(root)
        run(job(root, parts=["spectrum"], spectrum=SpectrumConfig(collapse_threshold=0.5), cosine=CosineConfig(bins=50)))
        found = metrics_of(root)
        assert found["gap"] == hashes["gap"]
        assert found["cosine"] == hashes["cosine"], "asking for one part deletes no other"
        assert found["part_hashes"]["cosine"] == hashes["part_hashes"]["cosine"]
        assert stamps(root)["cosine.parquet"] == before["cosine.parquet"]
        assert found["spectrum"]["image"]["collapse_index"] < 24
        assert found["config_hash"] != hashes["config_hash"]
        assert found["part_hashes"]["spectrum"] != hashes["part_hashes"]["spectrum"]
        assert stamps(root)["spectra.parquet"] > before["spectra.parquet"]

    def test_more_rows_replace_the_analysis(self, root: Path) -> None:
        run(job(root, parts=["gap", "cosine"]))
        write_set(root, "world", *drawn(800, seed=4), shards=4)
        run(job(root, parts=["gap"]))
        assert metrics_of(root)["pairs"] == 800
        assert list(metrics_of(root)["part_hashes"]) == ["gap"], "parts of other rows are not kept"

    def test_a_lost_or_broken_table_is_made_again(self, root: Path) -> None:
        run(job(root, parts=["retrieval", "gap"]))
        for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(b"PAR1")):
            damage(folder_of(root) / "ranks.parquet")
            run(job(root, parts=["retrieval"]))
            assert len(table_of(root, "ranks")["row"]) == 501
        (folder_of(root) / "metrics.json").write_text("{")
        assert run(job(root, parts=["gap"])).whole
        assert "gap" in metrics_of(root)

    @pytest.mark.parametrize("change", ["gone", "replaced"])
    def test_rows_that_go_or_change_while_they_are_measured_are_no_success(
        self, root: Path, change: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = analyze.measured

        def meanwhile(measuring: Any) -> Any:
            found = real(measuring)
            shutil.rmtree(root) if change == "gone" else write_set(root, "world", *drawn(600, seed=4))
            return found

        monkeypatch.setattr(analyze, "measured", meanwhile)
        with pytest.raises(LacunaError, match="holds no embeddings" if change == "gone" else "were replaced while they were measured"):
            run(job(root, parts=["gap"]))
        assert not (folder_of(root) / "metrics.json").exists()


@pytest.mark.usefixtures("ray_cluster")
class TestRealEmbeddings:
    """The published statistics, by way of `jobs.ingest`, the store and the job."""

    def measured(self, root: Path, source: Path) -> dict[str, Any]:
        names = {"dataset": DatasetConfig(name="coco"), "encoder": EncoderConfig(name=source.stem)}
        assert ingest(IngestJob(root=str(root), source=str(source), rows_per_shard=70, **names)).whole
        assert run(job(root, "coco", encoder=source.stem)).whole
        return metrics_of(root, "coco", source.stem)

    @pytest.mark.parametrize("name", ["clip_vitb16_coco500", "clip_vitb16_random_coco500"])
    def test_clip_on_coco(self, tmp_path: Path, shared_data: Path, name: str) -> None:
        expected = json.loads((shared_data / "expected.json").read_text())["expected"]
        self.check(self.measured(tmp_path, shared_data / f"{name}.npz"), expected[name])

    def test_ablation_models(self, tmp_path: Path, shared_data: Path) -> None:
        expected = json.loads((shared_data / "expected.json").read_text())["expected"]["ablation_grams_coco100"]
        with np.load(shared_data / "ablation_grams_coco100.npz", allow_pickle=False) as grams:
            factors = {arm: np.linalg.eigh(grams[arm].astype(np.float64)) for arm in ARMS}
        gaps = {}
        for arm, (values, vectors) in factors.items():
            rows = vectors * np.sqrt(np.clip(values, 0, None))
            np.savez(tmp_path / f"{arm}.npz", image=rows[:100], text=rows[100:])
            found = self.measured(tmp_path, tmp_path / f"{arm}.npz")
            self.check(found, expected[arm])
            gaps[arm] = found["gap"]["centroid_distance"]
        assert max(gaps["cloob"], gaps["clip_infoLOOB"]) < 0.6 * min(gaps["clip"], gaps["cloob_infoNCE"])

    def check(self, found: dict[str, Any], expected: dict[str, Any]) -> None:
        one = {
            "gap_norm": found["gap"]["centroid_distance"],
            "pair_cosine_mean": found["cosine"]["pair"]["mean"],
            "random_cross_cosine_mean": found["cosine"]["random"]["mean"],
            "image_image_cosine_mean": found["cosine"]["image_image"]["mean"],
            "text_text_cosine_mean": found["cosine"]["text_text"]["mean"],
        }
        assert one == pytest.approx({name: expected[name] for name in one}, abs=1e-4)
        for way in ("image_to_text", "text_to_image"):
            for k in (1, 5):
                assert found["retrieval"][way][f"top{k}"] == pytest.approx(expected[way][f"R@{k}"], abs=1e-4)
        svm = found["separability"]
        assert svm["train"]["accuracy"] == pytest.approx(expected["svm_training_accuracy_all_rows"]["accuracy"], abs=1e-4)
        assert svm["heldout"]["accuracy"] == pytest.approx(expected["svm_heldout"]["train_first_half"]["accuracy"], abs=1e-4)
        assert svm["pca2"]["accuracy"] == pytest.approx(expected["pca2_svm_training"]["accuracy"], abs=1e-4)
        assert svm["pca2"]["explained"] == pytest.approx(expected["pca2_explained_variance_ratio"], abs=1e-4)
        for name, rows in (("image", found["pairs"]), ("text", found["pairs"]), ("both", 2 * found["pairs"])):
            sigma = np.array(expected["singular_values"][f"{name}_centred"])
            values = np.array(found["spectrum"][name]["singular_values"])[: len(sigma)]
            np.testing.assert_allclose(values * (rows - 1), sigma**2, rtol=1e-4, atol=2e-6)


class TestRefusals:
    def test_one_line_and_status_2(self, root: Path) -> None:
        write_set(root, "wide", *drawn(5, dim=32), shards=1)
        write_set(root, "lone", *drawn(1), shards=1)
        with pytest.raises(UserError, match=r"holds no embeddings of dataset.name=nowhere"):
            run(job(root, "nowhere"))
        with pytest.raises(UserError, match=r"dataset.name=lone has 1 pair\(s\); its geometry needs at least 2"):
            run(job(root, "lone"))
        with pytest.raises(UserError, match=r"separability.transfer=wide has 32 dimensions, world has 24"):
            run(job(root, separability=SeparabilityConfig(transfer=["wide"])))
        with pytest.raises(UserError, match=r"analysis.parts=\[\] leaves nothing to measure"):
            run(job(root, parts=[]))
        assert not folder_of(root).exists()

    @pytest.mark.parametrize(
        ("group", "field", "value"),
        [
            (RetrievalConfig, "tile", 0),
            (RetrievalConfig, "max_pairs", 1),
            (SeparabilityConfig, "max_pairs", 1),
            (SeparabilityConfig, "c", 0.0),
            (CosineConfig, "bins", 0),
            (CosineConfig, "quantiles", [0.5, 5.0]),
            (AnalysisConfig, "block_rows", 0),
        ],
    )
    def test_settings_that_mean_nothing(self, group: Any, field: str, value: Any) -> None:
        with pytest.raises(UserError, match=rf"analysis\..*{field}="):
            group(**{field: value})

    @pytest.mark.usefixtures("ray_cluster")
    def test_the_command(self, root: Path) -> None:
        words = ["encoder.name=tiny", f"root={root}", "analysis.parts=[gap]"]
        bad = typed("analyze", *words, "dataset.name=nowhere")
        assert (bad.returncode, bad.stdout, len(bad.stderr.splitlines())) == (2, "", 1)
        good = typed("analyze", *words, "dataset.name=world")
        assert good.returncode == 0, good.stderr
        assert good.stdout.splitlines()[-1].startswith("world / tiny: 501 pairs, gap ")
