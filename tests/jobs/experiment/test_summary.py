"""What follows the analyses of an experiment: a sweep if it is asked for, one comparison a data set, nothing twice; the closing table."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_rows import write_set
from rich.console import Console
from rich.table import Table

from jobs.analyze import analyze
from jobs.experiment.summary import across, summary_table
from tda.config.analysis import AnalysisConfig, ClustersConfig, CompareConfig, SweepConfig, UmapConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob, PaperJob
from tda.config.models import EncoderConfig
from tda.config.stages import ReportConfig

PARTS = ["gap", "spectrum", "local_dimension"]


def pairs(gap: float, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    shared_ND = rng.standard_normal((6, 12))[rng.integers(6, size=70)] + 0.2 * rng.standard_normal((70, 12))
    return shared_ND + gap, shared_ND + 0.1 * rng.standard_normal((70, 12)) - gap


def stamps(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted((root / "analysis").rglob("*.*"))}


@pytest.mark.usefixtures("ray_cluster")
def test_sweep_and_comparisons_of_an_experiment(tmp_path: Path) -> None:
    analysis = AnalysisConfig(
        parts=PARTS,
        umap=UmapConfig(n_epochs=30),
        clusters=ClustersConfig(min_cluster_size=5, stability_seeds=1),
        compare=CompareConfig(sample=40, draws=5, k=4),
    )
    for name, gap in (("a", 0.5), ("b", 0.1)):
        for seed, dataset in enumerate(("one", "two")):
            write_set(tmp_path, dataset, *pairs(gap, seed), encoder=name)
    job = PaperJob(
        root=str(tmp_path),
        analysis=analysis,
        report=ReportConfig(models={"a": "CLIP", "b": "CLOOB"}),
        sweep=SweepConfig(n_neighbors=[5, 9], datasets=["one"], encoders=["a"], max_pairs=50),
    )
    jobs = [
        AnalyzeJob(root=str(tmp_path), dataset=DatasetConfig(name=dataset), encoder=EncoderConfig(name=name), analysis=analysis)
        for dataset in ("one", "two")
        for name in ("a", "b")
    ]
    for one in jobs:
        assert analyze(one).whole
    lines = [outcome.line for outcome in across(job, jobs)]
    assert lines[0].startswith("one / a: layout under other settings: 2 cells, mixing ")
    assert [line[:38] for line in lines[1:]] == [f"{name}: 2 encoders, 3 comparisons, Predic" for name in ("one", "two")]
    found = json.loads((tmp_path / "analysis" / "two" / "comparisons.json").read_text())
    assert found["prediction_1"]["verdict"] in ("supported", "not supported", "undecided")
    points = {(space["dataset"], space["model"]) for space in found["prediction_2"]["numbers"]["spaces"]}
    assert points == {(dataset, name) for dataset in ("one", "two") for name in ("a", "b")}, "every space is a point of Prediction 2"
    before = stamps(tmp_path)
    assert [outcome.line for outcome in across(job, jobs)] == lines
    assert stamps(tmp_path) == before


def metrics_file(root: Path, dataset: str, encoder: str, **metrics: Any) -> None:
    folder = root / "analysis" / dataset / encoder
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(metrics))


def printed(table: Table, width: int = 80) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width).print(table)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_the_closing_table_has_a_row_for_each_encoder_of_each_data_set_and_fits_80_columns(tmp_path: Path) -> None:
    whole = {
        "gap": {"centroid_distance": 0.2434},
        "cosine": {"pair": {"mean": 0.5}, "random": {"mean": -0.0019}},
        "separability": {"heldout": {"accuracy": 1.0}},
        "retrieval": {"image_to_text": {"top1": 0.6}, "text_to_image": {"top1": 0.61}},
        "spectrum": {"image": {"effective_rank": 14.62}, "text": {"effective_rank": None}},
    }
    metrics_file(tmp_path, "toy_heldout-minus-toy_train", "toy_infonce_hopfield", **whole)
    metrics_file(tmp_path, "toy_heldout-minus-toy_train", "b", gap={"centroid_distance": 1.0}, cosine={"pair": 3})
    table = summary_table(str(tmp_path), ["toy_heldout-minus-toy_train"], ["toy_infonce_hopfield", "b"])
    lines = printed(table)
    (first,) = (line.split() for line in lines if "toy_infonce_hopfield" in line)
    (second,) = (line.split() for line in lines if line.split()[:1] == ["b"])
    assert first[1:] == ["0.243", "0.500", "-0.002", "1.000", "0.600", "0.610", "14.6", "-"]
    assert second[1:] == ["1.000", *"-------"]
    assert any(line.split() == ["gap", "pair", "random", "SVM", "i→t", "t→i", "rank", "i", "rank", "t"] for line in lines)
    assert any(line.strip() == "toy_heldout-minus-toy_train" for line in lines)
    narrow = " ".join(printed(table, width=70))
    assert "…" not in narrow
    assert " ".join(first[1:]) in " ".join(narrow.split()), "a long name wraps, and no number is cut"
