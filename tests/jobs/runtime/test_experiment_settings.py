"""`experiment=NAME` of every job: what it takes is composed, what lacks something that the job needs is refused in one line."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from jobs.runtime.experiment_settings import with_experiment
from tda.config import jobs as schemas
from tda.config.jobs import EmbedJob, PaperJob, SubmitJob, TrainJob
from tda.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[3]
JOBS: dict[str, tuple[Any, type]] = {  # module and schema of each
    file.stem: (import_module(f"jobs.{file.stem}"), getattr(schemas, f"{file.stem.capitalize()}Job"))
    for file in sorted((REPOSITORY / "jobs").glob("[a-z]*.py"))
}
ConfigStore.instance().store(name="submit_schema", node=SubmitJob)  # jobs.submit registers it once it runs
EXPERIMENTS = sorted(file.stem for file in (REPOSITORY / "conf" / "experiment").glob("*.yaml"))
REFUSED = {("train", "paper"), *((job, name) for job in ("nearest", "dedupe") for name in ("checkpoints", "conjectures", "temperature"))}
EXPERIMENT = """# @package _global_
defaults:
  - /arm@arms.mine: cloob
  - _self_
train_dataset: toy_shifted
datasets: [coco]
encoders: [open_clip]
shards: {coco: ['/data/a b.tar', '/data/{0..1}.tar'], laion2b: null}
checkpoints: {open_clip: '/models/it''s=1.pt'}
embed: {dtype: float32, stalled_seconds: null}
report: {models: {mine: CLOOB}, lines: 7}
"""


def composed(job: str, *words: str) -> DictConfig:
    with_words = [word for word in with_experiment([*words, "--cfg"], job, JOBS[job][1]) if word != "--cfg"]
    with initialize_config_module("conf", version_base="1.3"):
        return compose(job, ["root=somewhere", *with_words])


@pytest.mark.parametrize(("job", "experiment"), [(job, name) for job in JOBS for name in EXPERIMENTS if (job, name) not in REFUSED])
def test_every_job_composes_with_every_experiment(job: str, experiment: str) -> None:
    names = {name: ["dataset=coco", "encoder=toy_infonce"] for name in ("embed", "nearest", "dedupe", "analyze", "filter")}
    names["ingest"] = [*names["embed"], "source=x.npz"]
    names["export"] = [*names["embed"], "to=folder"]
    names["diversity"], names["watch"] = ["dataset=coco"], ["checkpoints=/runs/a"]
    assert isinstance(OmegaConf.to_object(composed(job, f"experiment={experiment}", *names.get(job, []))), JOBS[job][1])
    assert composed(job, f"experiment={experiment}").root == "somewhere"


@pytest.mark.parametrize(("job", "experiment"), sorted(REFUSED))
def test_an_experiment_without_what_a_job_needs_is_refused(job: str, experiment: str) -> None:
    lacks = "trains nothing: " if job == "train" else rf"has no reference, and jobs\.{job} compares with one: give reference\.name=NAME$"
    with pytest.raises(UserError, match=rf"^experiment={experiment} {lacks}") as caught:
        composed(job, f"experiment={experiment}")
    assert "\n" not in str(caught.value)


def test_a_reference_of_the_users_own_stands_in_for_one_of_the_experiment() -> None:
    job: Any = OmegaConf.to_object(composed("nearest", "experiment=temperature", "dataset.name=d", "encoder.name=e", "reference.name=mine"))
    assert job.reference.name == "mine"
    alone: Any = OmegaConf.to_object(composed("dedupe", "experiment=temperature", "dataset.name=d", "encoder.name=e", "dedupe.self=true"))
    assert alone.reference.name == ""


def test_a_job_that_takes_nothing_of_an_experiment_is_composed_as_without_it() -> None:
    for job in ("verify", "status", "submit"):
        assert composed(job, "experiment=toy") == composed(job), job
    fetched = composed("fetch", "experiment=paper").encoders
    assert fetched == composed("paper", "experiment=paper").encoders
    assert fetched[:2] == ["clip_vitb16_laion400m", "cloob_vitb16_laion400m"]
    with pytest.raises(UserError, match="experiment=tyo is unknown; choose one of: checkpoints, "):
        composed("verify", "experiment=tyo")


def test_what_each_job_takes_of_the_toy_experiment() -> None:
    encoders = ["toy_infonce", "toy_infonce_hopfield", "toy_infoloob", "toy_cloob"]
    assert composed("embed", "experiment=toy", "dataset=toy_train").encoders == encoders
    assert composed("analyze", "experiment=toy", "dataset=toy_shifted").encoders == encoders
    assert composed("nearest", "experiment=toy").reference.name == "toy_train"
    deduped = composed("dedupe", "experiment=toy")
    assert (deduped.dedupe.rule, deduped.dedupe.threshold, deduped.dedupe.by) == ("either", 0.9999, "toy_infonce")
    trained = composed("train", "experiment=toy")
    assert (trained.dataset.name, trained.encoder.name, trained.loss, trained.hopfield) == ("toy_train", "toy_infonce", "infonce", False)


def test_the_user_comes_first() -> None:
    one = composed("embed", "experiment=toy", "encoder=toy_cloob", "dataset=toy_train")
    assert (one.encoders, one.encoder.name) == ([], "toy_cloob")
    assert composed("embed", "encoders=[toy_cloob]", "experiment=toy").encoders == ["toy_cloob"]
    assert composed("nearest", "dataset@reference=coco", "experiment=toy").reference.name == "coco"
    assert composed("nearest", "experiment=toy", "reference.name=mine").reference.name == "mine"
    for words in (["dedupe.threshold=0.5", "experiment=toy"], ["experiment=toy", "dedupe.threshold=0.5"]):
        assert (composed("dedupe", *words).dedupe.threshold, composed("dedupe", *words).dedupe.rule) == (0.5, "either")


def test_an_arm_of_the_experiment_is_trained_by_its_encoder() -> None:
    def trained(*words: str) -> tuple[Any, ...]:
        job = composed("train", "experiment=toy", *words)
        return job.dataset.name, job.encoder.name, job.loss, job.hopfield

    assert trained("encoder=toy_cloob") == ("toy_train", "toy_cloob", "infoloob", True)
    assert trained("arm=infonce_hopfield") == ("toy_train", "toy_infonce_hopfield", "infonce", True)
    assert trained("encoder=toy_cloob", "loss=infonce", "dataset=toy_shifted") == ("toy_shifted", "toy_cloob", "infonce", False)
    with pytest.raises(UserError, match=r"encoder=carp_l is no arm of experiment=toy; choose one of: toy_infonce, "):
        trained("encoder=carp_l")


@pytest.mark.parametrize("option", ["--config-dir", "-cd", "--config-dir="])
def test_an_experiment_of_the_user(tmp_path: Path, option: str) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(EXPERIMENT)
    folder = [f"{option}{tmp_path}"] if option.endswith("=") else [option, str(tmp_path)]

    def words(job: str, *given: str) -> list[str]:
        found = with_experiment([*folder, "experiment=mine", *given], job, JOBS[job][1])
        assert found[: len(folder)] == folder
        return found[len(folder) :]

    def made(job: str, *given: str) -> DictConfig:
        return composed(job, *words(job, *given))

    embedded = made("embed", "dataset=coco", "encoder=open_clip")
    assert embedded.dataset.shards == ["/data/a b.tar", "/data/{0..1}.tar"]
    assert (embedded.encoder.checkpoint, embedded.embed.dtype, embedded.embed.stalled_seconds) == ("/models/it's=1.pt", "float32", None)
    assert made("embed", "dataset=coco", "dataset.shards=x.tar", "encoder=toy_cloob").dataset.shards == "x.tar"
    assert made("ingest", "dataset=coco").embed.dtype == "float32", "an experiment that sets a group of the job"
    assert (made("report").report.lines, made("report").report.models.mine) == (7, "CLOOB")
    assert made("analyze", "dataset=coco").encoders == ["open_clip"]
    assert words("train", "encoder=mine")[0] == "dataset=toy_shifted"
    with pytest.raises(UserError, match=r"has a checkpoint of its own for open_clip: name one encoder, as encoder=open_clip"):
        words("embed", "dataset=coco")
    with pytest.raises(UserError, match=r"experiment=mine sets shards.coco: give dataset=coco in a command of its own"):
        words("embed", "dataset=toy_train,coco", "encoder=toy_cloob")
    assert words("plan") == ["experiment=mine"], "composed whole, by Hydra"


@pytest.mark.parametrize(
    ("job", "choices"),
    [
        ("analyze", "dataset.name=toy_heldout-minus-toy_train|toy_shifted"),
        ("nearest", "dataset.name=toy_heldout|toy_train|toy_shifted"),
        ("embed", "dataset=toy_heldout|toy_train|toy_shifted"),
    ],
)
def test_the_data_set_has_to_be_named_unless_settings_are_only_shown(job: str, choices: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"experiment=toy has more than one data set: give {choices}") + "$"):
        with_experiment(["experiment=toy"], job, JOBS[job][1])
    shown = with_experiment(["experiment=toy", "--cfg", "job"], job, JOBS[job][1])
    assert shown[-2:] == ["--cfg", "job"]
    assert [word.partition("=")[0] for word in shown[:-2]] == (["dataset@reference"] if job == "nearest" else []) + ["encoders"]
    assert with_experiment(["-m", "experiment=toy", "dataset.name=a,b"], job, JOBS[job][1])[-1] == "dataset.name=a,b"
    assert with_experiment(["experiment=toy"], "train", TrainJob)[0] == "dataset=toy_train"


def test_words_without_an_experiment_stay() -> None:
    words = ["--config-dir=x", "dataset=files", "-m", "root=r"]
    assert with_experiment(words, "embed", EmbedJob) == words
    assert with_experiment([*words, "experiment=null"], "embed", EmbedJob) == words
    assert with_experiment(["experiment=a,b", "-m"], "paper", PaperJob) == ["experiment=a,b", "-m"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["experiment=tyo"], "lacuna dedupe: experiment=tyo is unknown; choose one of: checkpoints, conjectures, paper, temperature, toy"),
        (["experiment=toy,paper", "-m"], "lacuna dedupe: experiment=toy,paper: jobs.dedupe takes one experiment at a time"),
        (["experiment=toy", "experiment=paper"], "lacuna dedupe: experiment=toy: jobs.dedupe takes one experiment at a time"),
        (
            ["experiment=toy", "root=r"],
            "lacuna dedupe: experiment=toy has more than one data set: give dataset.name=toy_heldout|toy_train|",
        ),
        (["--config-dir=nowhere", "experiment=toy", "dataset=coco"], "lacuna dedupe: Additional config directory"),
        (["--config-dir=here", "experiment=slip"], "lacuna dedupe: dedupe.ruul is unknown (did you mean rule?); choose one of: rule, "),
        (["--config-dir=here", "experiment=lost"], "lacuna dedupe: In 'experiment/lost': Could not load 'nothing'"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "here" / "experiment").mkdir(parents=True)
    (tmp_path / "here" / "experiment" / "lost.yaml").write_text("# @package _global_\ndefaults: [/nothing]\n")
    (tmp_path / "here" / "experiment" / "slip.yaml").write_text("# @package _global_\ndedupe: {ruul: text}\n")
    given = [sys.executable, "-m", "jobs.dedupe", *words]
    done = subprocess.run(given, cwd=tmp_path, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_a_watch_takes_the_data_sets_and_the_first_arm_of_an_experiment() -> None:
    job: Any = OmegaConf.to_object(composed("watch", "experiment=checkpoints"))
    assert (job.encoder.name, job.datasets, job.watch.last) == ("toy_infoloob", ["toy_shifted"], 800)
    assert job.checkpoints == "somewhere/models/toy_infoloob"
    assert "umap" not in job.analysis.parts
    mine: Any = OmegaConf.to_object(
        composed("watch", "experiment=checkpoints", "encoder=open_clip", "encoder.name=mine", "dataset=coco", "checkpoints=/runs/mine")
    )
    assert (mine.encoder.name, mine.datasets, mine.dataset.name, mine.checkpoints) == ("mine", [], "coco", "/runs/mine")


def test_the_name_of_a_checkpoint_is_taken_by_other_jobs_as_it_is() -> None:
    job: Any = OmegaConf.to_object(composed("analyze", "dataset.name=d", "encoders=[toy@100,toy@200+0a1b2c3d]"))
    assert job.encoders == ["toy@100", "toy@200+0a1b2c3d"]
    assert OmegaConf.to_object(composed("analyze", "dataset.name=d", "encoder.name=toy@100")).encoder.name == "toy@100"  # type: ignore[union-attr]
