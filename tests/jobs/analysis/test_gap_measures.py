"""The part gap_measures: what the job writes is what the library gives on the rows, sampled above its bound, and the report shows it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_rows import write_set

from jobs.analyze import run
from tda.config.analysis import AnalysisConfig, GapMeasuresConfig
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob
from tda.config.models import EncoderConfig
from tda.config.stages import ReportConfig
from tda.errors import UserError
from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.modalities import gap_measures, hubness, two_sample
from tda.geometry.modalities.between import procrustes
from tda.geometry.spectrum.moments import Moments
from tda.report.data.load import load_run
from tda.report.topics.registry import tables
from tda.store.datasets.embedding_set import EmbeddingSet


def write(root: Path, count: int) -> Path:
    rng = np.random.default_rng(0)
    image_ND = rng.standard_normal((count, 16)) + 0.2
    write_set(root, "world", image_ND, image_ND + 0.3 * rng.standard_normal((count, 16)) - 0.4)
    return root


def measured(root: Path, **options: Any) -> dict[str, Any]:
    config = AnalysisConfig(parts=["gap_measures"], block_rows=40, gap_measures=GapMeasuresConfig(draws=99, **options))
    names = {"dataset": DatasetConfig(name="world"), "encoder": EncoderConfig(name="tiny")}
    run(AnalyzeJob(root=str(root), analysis=config, cluster=ClusterConfig(), **names))
    found: dict[str, Any] = json.loads((root / "analysis/world/tiny/metrics.json").read_text())
    return found


@pytest.mark.usefixtures("ray_cluster")
def test_exact_ones_are_of_all_rows_and_sampled_ones_of_the_sample(tmp_path: Path) -> None:
    embeddings = EmbeddingSet(str(write(tmp_path, 120)), "world", "tiny")
    image_ND, text_ND = (unit_rows(one) for one in (embeddings.image(), embeddings.text()))
    moments = [Moments.of(one) for one in (image_ND, text_ND)]
    whole = measured(tmp_path)
    assert list(whole["part_hashes"]) == ["gap_measures"]
    found = whole["gap_measures"]
    assert found["frechet"] == pytest.approx(gap_measures.frechet(*moments), rel=1e-9)
    assert found["rank_me"]["text"] == pytest.approx(gap_measures.rank_me(moments[1]), rel=1e-9)
    assert (found["pairs_used"], found["notes"]) == (120, [])
    assert found["sampled"]["mmd"] == pytest.approx(two_sample.mmd(image_ND, text_ND, draws=99).metrics())
    assert found["sampled"]["procrustes"] == pytest.approx(procrustes(image_ND, text_ND))
    assert found["sampled"]["hubness"]["text_to_image"] == pytest.approx(hubness.metrics((image_ND @ text_ND.T).T, 10))
    fewer = measured(tmp_path, sample=50, k=3)["gap_measures"]
    assert fewer["pairs_used"] == 50
    assert (fewer["frechet"], fewer["cone"]) == (found["frechet"], found["cone"])
    assert fewer["sampled"]["hubness"] != found["sampled"]["hubness"]


@pytest.mark.usefixtures("ray_cluster")
def test_too_few_pairs_have_the_exact_measures_and_a_note(tmp_path: Path) -> None:
    found = measured(write(tmp_path, 15))["gap_measures"]
    assert (found["sampled"], found["pairs_used"], found["notes"]) == (None, 15, ["15 pairs are too few for measures on a sample"])
    assert 0 < found["relative_modality_gap"] < 1
    (table,) = [table for table in tables(load_run(str(tmp_path), ReportConfig())) if table.name == "measures"]
    assert table.remarks == ["world / tiny: 15 pairs are too few for measures on a sample"]


@pytest.mark.usefixtures("ray_cluster")
def test_seventeen_pairs_lower_k(tmp_path: Path) -> None:
    assert measured(write(tmp_path, 17), k=10)["gap_measures"]["sampled"]["mutual_knn"] > 0


@pytest.mark.parametrize("options", [{"sample": 15}, {"sample": 20_001}, {"k": 0}, {"draws": 18}])
def test_bounds(options: dict[str, int]) -> None:
    ((field, value),) = options.items()
    with pytest.raises(UserError, match=f"analysis.gap_measures.{field}={value} "):
        GapMeasuresConfig(**options)
