"""The part alignment: the job gives what the library gives on the whole arrays, sampled above `exact_rows`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_rows import write_set

from jobs.analyze import run
from tda.config.analysis import AlignmentConfig, AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob
from tda.config.models import EncoderConfig
from tda.config.stages import ReportConfig
from tda.errors import UserError
from tda.geometry.alignment import alignment, uniformity
from tda.report.data.load import load_run
from tda.report.topics.registry import tables
from tda.store.datasets.embedding_set import EmbeddingSet


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    image_ND = rng.standard_normal((301, 16)) + 0.2
    write_set(tmp_path, "world", image_ND, image_ND + 0.3 * rng.standard_normal((301, 16)))
    return tmp_path


def measured(root: Path, **options: Any) -> dict[str, Any]:
    """The part, measured on blocks of 40 rows."""
    config = AnalysisConfig(parts=["alignment"], block_rows=40, alignment=AlignmentConfig(**options))
    names = {"dataset": DatasetConfig(name="world"), "encoder": EncoderConfig(name="tiny")}
    run(AnalyzeJob(root=str(root), analysis=config, cluster=ClusterConfig(), **names))
    found = json.loads((root / "analysis" / "world" / "tiny" / "metrics.json").read_text())
    assert list(found["part_hashes"]) == ["alignment"]
    part: dict[str, Any] = found["alignment"]
    return part


@pytest.mark.usefixtures("ray_cluster")
def test_exact_and_sampled(root: Path) -> None:
    embeddings = EmbeddingSet(str(root), "world", "tiny")
    image_ND, text_ND = embeddings.image(), embeddings.text()
    exact = {name: one.metrics() for name, one in uniformity(image_ND, text_ND).items()}
    found = measured(root)
    assert found["mean_squared_distance"] == pytest.approx(alignment(image_ND, text_ND), rel=1e-13)
    assert found["uniformity"] == exact
    sampled = measured(root, exact_rows=300, sample_pairs=5000)
    assert sampled["mean_squared_distance"] == found["mean_squared_distance"]
    for name, one in sampled["uniformity"].items():
        assert not one["exact"]
        assert 0 < abs(one["value"] - exact[name]["value"]) < 4 * one["standard_error"]


@pytest.mark.usefixtures("ray_cluster")
def test_the_report_has_its_table_and_sentence(root: Path) -> None:
    found = measured(root)
    made = {table.name: table for table in tables(load_run(str(root), ReportConfig()))}
    (row,) = made["alignment"].rows
    assert row[:3] == ["world", "tiny", found["mean_squared_distance"]]
    assert row[3:6] == [found["uniformity"][name]["value"] for name in ("image", "text", "across")]
    (sentence,) = made["alignment"].sentences
    assert sentence.startswith("On world, the mean squared distance of pairs is ")


@pytest.mark.parametrize("options", [{"exact_rows": -1}, {"exact_rows": 100_001}, {"sample_pairs": 99}, {"sample_pairs": 1_000_001}])
def test_bounds(options: dict[str, int]) -> None:
    with pytest.raises(UserError, match=f"analysis.alignment.{next(iter(options))}={next(iter(options.values()))} is out of range"):
        AlignmentConfig(**options)
