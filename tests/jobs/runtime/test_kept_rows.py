"""A saved selection goes back into the pipeline by dataset.keep, and jobs that cannot keep rows apart refuse it."""

import json
from pathlib import Path

import pytest
from explored_root import DATASET, MODELS, plant_explored

from jobs.analyze import run
from jobs.runtime.kept_rows import of_kept_rows, refuse_keep
from tda.config.analysis import AnalysisConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob, DedupeJob
from tda.config.models import EncoderConfig
from tda.errors import UserError
from tda.store.datasets.embedding_set import EmbeddingSet


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return plant_explored(tmp_path_factory.mktemp("root"), layout=False, tars=False)


def _job(root: str, file: Path) -> AnalyzeJob:
    file.write_text("".join(f"00000\t{ordinal}\n" for ordinal in range(0, 30, 2)))
    dataset = DatasetConfig(name=DATASET, keep=f"@{file}")
    analysis = AnalysisConfig(parts=["gap", "retrieval"])
    return AnalyzeJob(root=root, dataset=dataset, encoder=EncoderConfig(name=MODELS[0]), analysis=analysis)


def test_a_job_becomes_one_of_the_selection(root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = of_kept_rows(_job(root, tmp_path / "pairs.txt"), MODELS[0])
    assert job.dataset.keep is None
    assert len(EmbeddingSet(root, job.dataset.name, MODELS[0])) == 15
    assert capsys.readouterr().err == f"lacuna: 15 pairs of world are the data set {job.dataset.name}\n"
    assert of_kept_rows(job, MODELS[0]) is job


def test_only_jobs_that_keep_rows_apart_take_it() -> None:
    job = DedupeJob(
        root="r", dataset=DatasetConfig(name="d", keep="@f"), reference=DatasetConfig(name="e"), encoder=EncoderConfig(name="m")
    )
    with pytest.raises(UserError, match=r"dataset.keep=@f is taken by jobs.analyze and jobs.export, not by jobs.dedupe"):
        refuse_keep("dedupe", job)
    refuse_keep("analyze", job)
    refuse_keep("verify", object())


def test_the_numbers_are_of_the_selection_and_stand_beside_those_of_all(root: str, tmp_path: Path, ray_cluster: None) -> None:
    del ray_cluster
    job = _job(root, tmp_path / "pairs.txt")
    before = (Path(root) / "analysis" / DATASET / MODELS[0] / "metrics.json").read_bytes()
    outcome = run(job)
    name = of_kept_rows(job, MODELS[0]).dataset.name
    found = json.loads((Path(root) / "analysis" / name / MODELS[0] / "metrics.json").read_text())
    assert outcome.whole
    assert (found["pairs"], found["dataset"]) == (15, name)
    assert found["retrieval"]["image_to_text"]["top1"] == pytest.approx(outcome.numbers["retrieval.image_to_text.top1"])
    assert (Path(root) / "analysis" / DATASET / MODELS[0] / "metrics.json").read_bytes() == before
