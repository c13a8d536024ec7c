"""Every file of every group, and every experiment, composes into its schema."""

from dataclasses import asdict, fields
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

import conf
from jobs.experiment.datasets_and_encoders import embedded_names
from jobs.runtime import app
from jobs.runtime.presets import load_choice
from tda.config.analysis import AnalysisConfig
from tda.config.datasets import DatasetConfig, ToyConfig
from tda.config.jobs import (
    AnalyzeJob,
    DedupeJob,
    DiversityJob,
    EmbedJob,
    ExportJob,
    FetchJob,
    FilterJob,
    IngestJob,
    NearestJob,
    PaperJob,
    PlanJob,
    ReportJob,
    StatusJob,
    SubmitJob,
    TrainJob,
    VerifyJob,
    WatchJob,
)
from tda.config.models import EncoderConfig, TrainConfig
from tda.config.stages import DedupeConfig, EmbedConfig, NearestConfig, ReportConfig
from tda.config.watch import WatchConfig
from tda.toyworld import source_of

CONF = Path(conf.__path__[0])
JOBS = {
    "embed": EmbedJob,
    "export": ExportJob,
    "fetch": FetchJob,
    "filter": FilterJob,
    "ingest": IngestJob,
    "verify": VerifyJob,
    "dedupe": DedupeJob,
    "diversity": DiversityJob,
    "nearest": NearestJob,
    "analyze": AnalyzeJob,
    "train": TrainJob,
    "report": ReportJob,
    "paper": PaperJob,
    "plan": PlanJob,
    "submit": SubmitJob,
    "status": StatusJob,
    "watch": WatchJob,
}
# a job whose schema takes the group
TAKES = {
    "dataset": "embed",
    "arm": "train",
    "encoder": "embed",
    "cluster": "embed",
    "embed": "embed",
    "train": "train",
    "dedupe": "dedupe",
    "diversity": "diversity",
    "filter": "filter",
    "nearest": "nearest",
    "analysis": "analyze",
    "report": "report",
    "experiment": "paper",
    "watch": "watch",
}
NAMED = ("embed", "analyze", "dedupe", "filter", "nearest", "watch")  # jobs that take a data set and an encoder by name
PARTS = {"toy"}  # groups whose files are parts of other presets: no job takes them
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
    assert not (untried := groups - set(TAKES) - PARTS), f"folders of conf/ that TAKES does not name: {untried}"
    assert not (gone := set(TAKES) - groups), f"in TAKES, not in conf/: {gone}"
    files, jobs = {file.stem for file in CONF.glob("*.yaml")}, {file.stem for file in (CONF.parent / "jobs").glob("[!_]*.py")}
    assert not (untried := (files | jobs) - set(JOBS)), f"jobs that JOBS does not name: {untried}"
    assert not (lacking := set(JOBS) - files), f"jobs without a file in conf/: {lacking}"
    assert not (lacking := set(JOBS) - jobs), f"files of conf/ without a job: {lacking}"


@pytest.mark.parametrize("job", JOBS)
def test_job_composes(job: str) -> None:
    unnamed = ("report", "paper", "verify", "plan", "submit", "status", "fetch")
    one_name = {"watch": ["encoder.name=e"], "diversity": ["dataset.name=d"]}
    names = [] if job in unnamed else one_name.get(job, ["dataset.name=d", "encoder.name=e"])
    extra = {"ingest": ["source=x.npz"], "dedupe": ["reference.name=r"], "nearest": ["reference.name=r"], "export": ["to=x"]}.get(job, [])
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
    names = [
        f"{other}.name={other}" for other in ("dataset", "encoder") if job in ("embed", "analyze", "dedupe", "filter", "nearest", "watch")
    ]
    names += ["dataset.name=d"] if job == "diversity" else ["reference.name=r"] if job in ("dedupe", "nearest") else []
    assert isinstance(_compose(job, f"{group}={choice}", *names), JOBS[job])


@pytest.mark.parametrize("experiment", [choice for group, choice in CHOICES if group == "experiment"])
def test_experiment_names_presets_that_exist(experiment: str) -> None:
    job = _compose("paper", f"experiment={experiment}")
    assert isinstance(job, PaperJob)
    for name in embedded_names(job):
        assert isinstance(load_choice("dataset", name, "somewhere"), DatasetConfig)
    for name in {*job.encoders, *job.arms}:
        assert isinstance(load_choice("encoder", name, "somewhere"), EncoderConfig)


# group -> its dataclass: conf/<group>/default.yaml holds every field of it
DEFAULTS = {"embed": EmbedConfig, "train": TrainConfig, "nearest": NearestConfig, "dedupe": DedupeConfig, "analysis": AnalysisConfig,
    "watch": WatchConfig,
}  # fmt: skip


@pytest.mark.parametrize("group", DEFAULTS)
def test_the_yaml_holds_every_field_and_the_values_that_the_library_has_by_itself(group: str) -> None:
    written = OmegaConf.to_container(OmegaConf.load(CONF / group / "default.yaml"))
    assert written == asdict(DEFAULTS[group]())


def test_the_report_lists_every_field() -> None:
    written = OmegaConf.load(CONF / "report" / "default.yaml")
    plain = {name: value for name, value in asdict(ReportConfig()).items() if name not in ("models", "datasets", "ablation", "names")}
    assert {name: written[name] for name in plain} == plain
    assert set(written) == {field.name for field in fields(ReportConfig)}


ARMS = {
    "infonce": ("infonce", False),
    "infonce_hopfield": ("infonce", True),
    "infoloob": ("infoloob", False),
    "cloob": ("infoloob", True),
}


@pytest.mark.parametrize("arm", ARMS)
def test_an_arm_is_a_loss_with_or_without_hopfield_and_trains_the_model_of_its_name(arm: str) -> None:
    job = _compose("train", f"arm={arm}")
    assert isinstance(job, TrainJob)
    assert (job.loss, job.hopfield) == ARMS[arm]
    assert (job.encoder.name, job.dataset.name) == (f"toy_{arm}", "toy_train")
    mine = _compose("train", f"arm={arm}", "encoder=open_clip", "encoder.name=mine")
    assert isinstance(mine, TrainJob)
    assert ((mine.loss, mine.hopfield), mine.encoder.name, mine.encoder.checkpoint) == (ARMS[arm], "mine", None)


def test_loss_and_hopfield_may_be_given_without_an_arm() -> None:
    job = _compose("train", "dataset.name=toy_train", "encoder.name=toy_infoloob", "loss=infoloob", "hopfield=false")
    assert isinstance(job, TrainJob)
    assert (job.loss, job.hopfield, job.encoder.name) == ("infoloob", False, "toy_infoloob")
    one = _compose("train", "arm=cloob", "hopfield=false")
    assert isinstance(one, TrainJob)
    assert (one.loss, one.hopfield) == ("infoloob", False)


def test_the_arms_of_the_toy_experiment_are_those_of_the_group() -> None:
    job = _compose("paper", "experiment=toy")
    assert isinstance(job, PaperJob)
    assert {name.removeprefix("toy_"): (arm.loss, arm.hopfield) for name, arm in job.arms.items()} == ARMS


def test_the_heldout_set_copies_from_the_training_set() -> None:
    train, heldout = (load_choice("dataset", name, "somewhere") for name in ("toy_train", "toy_heldout"))
    composed = _compose("embed", "dataset=toy_heldout")
    assert isinstance(composed, EmbedJob)
    assert source_of(heldout.toy) == train.toy == ToyConfig(style="plain", pairs=16000, seed=0)
    assert composed.dataset == heldout
    assert (heldout.toy.pairs, heldout.toy.seed, heldout.toy.duplicates) == (2000, 1, 100)
    assert load_choice("dataset", "toy_heldout", "r", toy={"seed": 5}).toy.seed == 5


@pytest.mark.parametrize("job", ["nearest", "dedupe"])
def test_a_reference_is_a_preset(job: str) -> None:
    composed = _compose(job, "dataset=toy_heldout", "dataset@reference=toy_train", "encoder=toy_infonce")
    assert isinstance(composed, NearestJob | DedupeJob)
    assert composed.reference.name == "toy_train"
    assert composed.dataset.name == "toy_heldout"
