"""Every file of every group, and every experiment, composes into its schema."""

from dataclasses import asdict, fields
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

import conf
from jobs.experiment.names import embedded_names
from jobs.runtime import app
from jobs.runtime.presets import choices, load_choice
from tda.config.analysis import AnalysisConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob, DedupeJob, EmbedJob, IngestJob, NearestJob, PaperJob, PlanJob, ReportJob, TrainJob, VerifyJob
from tda.config.models import EncoderConfig, TrainConfig
from tda.config.stages import DedupeConfig, EmbedConfig, NearestConfig, ReportConfig
from tda.errors import UserError

CONF = Path(conf.__path__[0])
JOBS = {
    "embed": EmbedJob,
    "ingest": IngestJob,
    "verify": VerifyJob,
    "dedupe": DedupeJob,
    "nearest": NearestJob,
    "analyze": AnalyzeJob,
    "train": TrainJob,
    "report": ReportJob,
    "paper": PaperJob,
    "plan": PlanJob,
}
# a job whose schema takes the group
TAKES = {
    "dataset": "embed",
    "encoder": "embed",
    "cluster": "embed",
    "embed": "embed",
    "train": "train",
    "dedupe": "dedupe",
    "nearest": "nearest",
    "analysis": "analyze",
    "report": "report",
    "experiment": "paper",
}
CHOICES = [(folder.name, file.stem) for folder in sorted(CONF.iterdir()) if folder.name in TAKES for file in sorted(folder.glob("*.yaml"))]


@pytest.fixture(autouse=True)
def _schemas() -> None:
    for name, schema in JOBS.items():
        app.command(name, schema, lambda _job: app.Outcome(whole=True, line=""))


def _compose(job: str, *overrides: str) -> object:
    with initialize_config_module("conf", version_base="1.3"):
        return OmegaConf.to_object(compose(job, [*overrides, "root=somewhere"]))


def test_no_group_is_left_out() -> None:
    groups = {folder.name for folder in CONF.iterdir() if list(folder.glob("*.yaml"))}
    assert groups == set(TAKES)
    assert {file.stem for file in CONF.glob("*.yaml")} == set(JOBS)


@pytest.mark.parametrize("job", JOBS)
def test_job_composes(job: str) -> None:
    names = [] if job in ("report", "paper", "verify", "plan") else ["dataset.name=d", "encoder.name=e"]
    extra = {"ingest": ["source=x.npz"], "dedupe": ["reference.name=r"], "nearest": ["reference.name=r"]}.get(job, [])
    assert isinstance(_compose(job, *names, *extra), JOBS[job])
    assert ConfigStore.instance().load(f"{job}_schema.yaml")


@pytest.mark.parametrize("job", JOBS)
def test_no_job_logs_or_writes_through_hydra(job: str) -> None:
    with initialize_config_module("conf", version_base="1.3"):
        hydra = compose(job, return_hydra_config=True).hydra
    for logging in (hydra.hydra_logging, hydra.job_logging):
        assert (logging.root.level, logging.root.handlers, logging.disable_existing_loggers) == ("ERROR", [], True)
    assert hydra.job_logging.handlers.file.delay
    assert (hydra.output_subdir, hydra.job.chdir, hydra.run.dir) == (None, False, ".")


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_choice_composes(group: str, choice: str) -> None:
    job = TAKES[group]
    names = [f"{other}.name={other}" for other in ("dataset", "encoder") if job in ("embed", "analyze", "dedupe", "nearest")]
    names += ["reference.name=r"] if job in ("dedupe", "nearest") else []
    assert isinstance(_compose(job, f"{group}={choice}", *names), JOBS[job])


@pytest.mark.parametrize("experiment", [choice for group, choice in CHOICES if group == "experiment"])
def test_experiment_names_presets_that_exist(experiment: str) -> None:
    job = _compose("paper", f"experiment={experiment}")
    assert isinstance(job, PaperJob)
    for name in embedded_names(job):
        assert isinstance(load_choice("dataset", name, "somewhere"), DatasetConfig)
    for name in {*job.encoders, *job.arms}:
        assert isinstance(load_choice("encoder", name, "somewhere"), EncoderConfig)


def test_preset_resolves_root_and_takes_values() -> None:
    dataset = load_choice("dataset", "toy_train", "s3://bucket/run")
    assert dataset.name == "toy_train"
    assert str(dataset.shards).startswith("s3://bucket/run/")
    assert load_choice("dataset", "files", "r", name="mine", shards=["a.tar"]).shards == ["a.tar"]


def test_unknown_preset_names_the_choices() -> None:
    with pytest.raises(UserError, match=r"encoder=open_klip is unknown; choose one of: .*open_clip"):
        load_choice("encoder", "open_klip", "r")
    with pytest.raises(UserError, match=r"conf/dataset/files.yaml: dataset.nmae is unknown \(did you mean name\?\)"):
        load_choice("dataset", "files", "r", nmae="mine")
    assert "files" in choices("dataset")


# group -> its dataclass: conf/<group>/default.yaml holds every field of it
DEFAULTS = {"embed": EmbedConfig, "train": TrainConfig, "nearest": NearestConfig, "dedupe": DedupeConfig, "analysis": AnalysisConfig}


@pytest.mark.parametrize("group", DEFAULTS)
def test_the_yaml_holds_every_field_and_the_values_that_the_library_has_by_itself(group: str) -> None:
    written = OmegaConf.to_container(OmegaConf.load(CONF / group / "default.yaml"))
    assert written == asdict(DEFAULTS[group]())


def test_the_report_lists_every_field() -> None:
    written = OmegaConf.load(CONF / "report" / "default.yaml")
    plain = {name: value for name, value in asdict(ReportConfig()).items() if name not in ("models", "datasets", "ablation")}
    assert {name: written[name] for name in plain} == plain
    assert set(written) == {field.name for field in fields(ReportConfig)}


@pytest.mark.parametrize("job", ["nearest", "dedupe"])
def test_a_reference_is_a_preset(job: str) -> None:
    composed = _compose(job, "dataset=toy_heldout", "dataset@reference=toy_train", "encoder=toy_infonce")
    assert isinstance(composed, NearestJob | DedupeJob)
    assert composed.reference.name == "toy_train"
    assert composed.dataset.name == "toy_heldout"
