"""Encoders compared on the same pairs: copies agree, other encoders differ, and nothing is measured twice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_rows import paired_spaces, write_set

from jobs.analysis.across import comparisons
from jobs.analyze import run
from tda.config.analysis import AnalysisConfig, ClustersConfig, CompareConfig, LocalDimensionConfig, SweepConfig, UmapConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob
from tda.errors import UserError
from tda.geometry.compare import compare
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import shared_positions

PARTS = ["gap", "spectrum", "local_dimension"]


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def job(root: Path, dataset: str = "world", **options: Any) -> AnalyzeJob:
    analysis = AnalysisConfig(
        parts=PARTS,
        umap=UmapConfig(n_epochs=40),
        clusters=ClustersConfig(min_cluster_size=5, stability_seeds=1),
        local_dimension=LocalDimensionConfig(draws=50),
        compare=CompareConfig(**{"k": 5, "sample": 60, "draws": 10, **options}),
    )
    return AnalyzeJob(root=str(root), dataset=DatasetConfig(name=dataset), encoders=["wide", "near", "same"], analysis=analysis)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Path:
    """Three encoders of one data set, the third a copy of the first, analysed and compared by one job."""
    del ray_cluster
    root = tmp_path_factory.mktemp("compared")
    wide, near = paired_spaces(gap=0.6, seed=1), paired_spaces(gap=0.05, seed=2)
    for name, rows in (("wide", wide), ("near", near), ("same", wide)):
        write_set(root, "world", *rows, encoder=name)
    outcome = run(job(root, clip="wide", cloob="near"))
    assert outcome.whole
    assert outcome.line.startswith("world: 3 encoders, 9 comparisons, Prediction 1: ")
    return root


class TestComparisons:
    def test_measures(self, compared: Path) -> None:
        found = read(compared / "analysis" / "world" / "comparisons.json")
        by = {(one["a"], one["b"], one["modality"]): one for one in found["comparisons"]}
        assert len(by) == 9
        for modality in ("image", "text", "both"):
            copy, other = by["wide", "same", modality], by["wide", "near", modality]
            assert copy["linear_cka"]["value"] == pytest.approx(1)
            assert (copy["mutual_knn"]["value"], copy["cross_barcode"]["value"]) == (1, pytest.approx(0, abs=1e-9))
            assert other["linear_cka"]["ci95"][0] <= other["linear_cka"]["value"] <= other["linear_cka"]["ci95"][1]
            assert other["mutual_knn"]["value"] < 1
        one, two = (EmbeddingSet(str(compared), "world", name).image()[::2] for name in ("wide", "near"))
        assert by["wide", "near", "image"]["cross_barcode"]["value"] == pytest.approx(
            compare(one, two, k=5, sample=60, draws=2).cross_barcode.value
        )

    def test_predictions_and_pooled_dimension(self, compared: Path) -> None:
        found = read(compared / "analysis" / "world" / "comparisons.json")
        tables = [read(compared / f"analysis/world/{name}/metrics.json")["per_cluster"] for name in ("wide", "near", "same")]
        assert found["pooled"]["n_clusters"] == sum(map(len, tables))
        assert found["pooled"]["models"] == ["wide", "near", "same"]
        assert set(found["pooled"]["by"]) == {"auc", "effective_rank"}
        assert found["prediction_2"]["sentence"].startswith(f"Prediction 2 is {found['prediction_2']['verdict']}: over ")
        gaps = [read(compared / f"analysis/world/{name}/metrics.json")["gap"]["centroid_distance"] for name in ("wide", "near")]
        assert [found["prediction_1"]["numbers"][name] for name in ("clip_gap", "cloob_gap")] == gaps
        wide = read(compared / "analysis/world/wide/metrics.json")["retrieval"]["image_to_text"]["top1"]
        near = read(compared / "analysis/world/near/metrics.json")["retrieval"]["image_to_text"]["top1"]
        assert found["prediction_1"]["numbers"]["top1_difference"]["image_to_text"]["value"] == pytest.approx(wide - near)

    def test_again(self, compared: Path) -> None:
        file = compared / "analysis" / "world" / "comparisons.json"
        before, stamp = read(file), file.stat().st_mtime_ns
        assert run(job(compared, clip="wide", cloob="near")).whole
        assert file.stat().st_mtime_ns == stamp
        assert run(job(compared)).whole
        after = read(file)
        assert after["prediction_1"] is None, "no encoders are named as CLIP and CLOOB"
        assert after["comparisons"] == before["comparisons"]

    def test_other_encoders_stand_beside(self, compared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        three = run(job(compared, clip="wide", cloob="near"))
        folder = compared / "analysis" / "world"
        before = read(folder / "comparisons.json")
        monkeypatch.setattr(comparisons, "ordered", lambda *_: pytest.fail("two encoders were compared again"))
        two = run(replace(job(compared, clip="wide", cloob="near"), encoders=["wide", "near"]))
        assert two.line.startswith("world: 2 encoders, 3 comparisons")
        files = {file.name: read(file)["encoders"] for file in (folder / "comparisons").iterdir()}
        assert sorted(files.values()) == [["wide", "near"], ["wide", "near", "same"]]
        assert read(folder / "comparisons.json")["encoders"] == ["wide", "near"], "those that were named last"
        assert run(job(compared, clip="wide", cloob="near")).line == three.line
        assert read(folder / "comparisons.json") == before

    def test_pairs_that_not_all_have(self, compared: Path, tmp_path: Path) -> None:
        del compared
        image_ND, text_ND = paired_spaces(60, gap=0.3)
        write_set(tmp_path, "world", image_ND, text_ND, encoder="wide", shards=1)
        write_set(tmp_path, "world", image_ND[:40], text_ND[:40], encoder="near", shards=1)
        sets = [EmbeddingSet(str(tmp_path), "world", name) for name in ("wide", "near")]
        wide_M, near_M = shared_positions(sets, np.arange(1, 60, 2))
        np.testing.assert_array_equal(wide_M, np.arange(1, 40, 2))
        np.testing.assert_array_equal(near_M, wide_M)
        write_set(tmp_path, "world", image_ND[:5], text_ND[:5], encoder="same", shards=1)
        run(job(tmp_path))
        found = read(tmp_path / "analysis" / "world" / "comparisons.json")
        assert found["notes"] == [
            "wide and same have 5 pairs in common; 8 are needed to compare them",
            "near and same have 5 pairs in common; 8 are needed to compare them",
        ]
        assert {(one["a"], one["b"]) for one in found["comparisons"]} == {("wide", "near")}

    def test_refusals(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"encoder.name is missing: give encoder.name=VALUE, or encoders=\[a,b\]"):
            run(AnalyzeJob(root=str(tmp_path), dataset=DatasetConfig(name="world")))
        with pytest.raises(UserError, match=r"analysis\.compare\.sample=3"):
            CompareConfig(sample=3)
        with pytest.raises(UserError, match=r"sweep\.n_neighbors=1"):
            SweepConfig(n_neighbors=[5, 1])
