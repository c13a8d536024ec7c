"""The settings of a run beside its results: whole, without secrets, on every store, and never at the cost of the run."""

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from faulty_store import faulty_store
from omegaconf import DictConfig, OmegaConf

from jobs.runtime.run_record import is_secret, recorded_run, without_secrets, without_secrets_in_url, without_secrets_in_words
from jobs.verify import run as verify
from tda.config.jobs import AnalyzeJob, VerifyJob
from tda.errors import LacunaError, UserError
from tda.source_digest import source_digest
from tda.store.files import list_folders, publish_bytes, read_bytes

REPOSITORY = Path(__file__).resolve().parents[3]
COMMAND = """
import sys
from pathlib import Path
from jobs.runtime.app import Outcome, command
from tda.config.jobs import AnalyzeJob
from tda.errors import UserError

def run(job):
    if job.dataset.name == "refused": raise UserError("no such data set")
    Path(job.root).mkdir(exist_ok=True)
    if job.dataset.name == "interrupted": raise KeyboardInterrupt
    return Outcome(whole=job.dataset.name != "part", line=job.dataset.name)

sys.exit(command("analyze", AnalyzeJob, run)())
"""


def command(cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (cwd / "entry.py").write_text(COMMAND)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(cwd), "MY_API_TOKEN": "hush"}
    given = [sys.executable, "entry.py", *words, "encoder.name=e"]
    return subprocess.run(given, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def written(root: Path | str) -> list[dict[str, Any]]:
    runs = sorted(list_folders(f"{root}/runs"))
    return [OmegaConf.to_container(OmegaConf.create(read_bytes(f"{root}/runs/{run}/config.yaml").decode())) for run in runs]  # type: ignore[misc]  # mappings


def settings(root: Path | str) -> DictConfig:
    return OmegaConf.structured(AnalyzeJob(root=str(root)))


@pytest.mark.parametrize("exists_before", [False, True])
@pytest.mark.parametrize("dataset", ["d", "part", "interrupted"])
def test_every_run_leaves_its_settings(tmp_path: Path, dataset: str, exists_before: bool) -> None:
    root = tmp_path / "root"
    if exists_before:
        root.mkdir()
    before = datetime.now(UTC).replace(microsecond=0)
    done = command(tmp_path, f"dataset.name={dataset}", "root=root", "analysis.umap.min_dist=0.25", "dataset.shards=${root}/x.tar")
    assert done.returncode == {"d": 0, "part": 1, "interrupted": 130}[dataset]
    (found,) = written(root)
    assert found["job"] == "analyze"
    assert found["overrides"][:2] == [f"dataset.name='{dataset}'", "root='root'"]
    assert found["config"]["dataset"]["shards"] == "root/x.tar", "resolved"
    assert (found["config"]["analysis"]["umap"]["min_dist"], found["config"]["analysis"]["umap"]["n_neighbors"]) == (0.25, 15)
    assert before <= datetime.fromisoformat(found["started"]) <= before + timedelta(minutes=1)
    assert found["code"] == source_digest("conf", "jobs", "tda")


def test_the_same_command_again_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    for words in (["dataset.name=d"], ["dataset.name=d"], ["dataset.name=d", "analysis.seed=1"]):
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "root").rglob("config.yaml")}
        assert command(tmp_path, *words, "root=root").returncode == 0
        assert before.items() <= {path: path.stat().st_mtime_ns for path in (tmp_path / "root").rglob("config.yaml")}.items()
    assert sorted(found["config"]["analysis"]["seed"] for found in written(tmp_path / "root")) == [0, 1]


def test_a_refusal_keeps_the_settings_of_an_earlier_run(tmp_path: Path) -> None:
    with recorded_run("analyze", str(tmp_path), settings(tmp_path)):
        pass
    with pytest.raises(UserError), recorded_run("analyze", str(tmp_path), settings(tmp_path)):
        raise UserError("no longer")
    assert len(written(tmp_path)) == 1


def test_a_refused_command_leaves_nothing(tmp_path: Path) -> None:
    assert command(tmp_path, "dataset.name=refused", "root=root").returncode == 2
    assert not (tmp_path / "root").exists()
    (tmp_path / "root").mkdir()
    assert command(tmp_path, "dataset.name=refused", "root=root").returncode == 2
    assert written(tmp_path / "root") == []


def test_each_job_of_a_sweep_is_a_run(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    assert command(tmp_path, "-m", "dataset.name=a,b", "root=root").returncode == 0
    assert {found["config"]["dataset"]["name"] for found in written(tmp_path / "root")} == {"a", "b"}


def test_a_file_that_cannot_be_written_costs_a_line_and_no_run(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "runs").write_text("in the way")
    done = command(tmp_path, "dataset.name=d", "root=root")
    assert (done.returncode, done.stdout) == (0, "d\n")
    assert done.stderr.startswith("lacuna analyze: the settings of this run are not in root/runs: ")
    assert done.stderr.count("\n") == 1
    assert command(tmp_path, "dataset.name=refused", "root=root").stderr.count("\n") == 1


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with faulty_store() as found:
        publish_bytes(f"{found.root}/recorded/something", b"")
        yield f"{found.root}/recorded"


@pytest.fixture(params=["memory", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return str(request.getfixturevalue("bucket"))
    publish_bytes(f"memory://{tmp_path.name}/something", b"")
    return f"memory://{tmp_path.name}"


def test_on_stores(root: str) -> None:
    with pytest.raises(UserError), recorded_run("analyze", root, settings(root)):
        raise UserError("no")
    assert written(root) == []
    with recorded_run("analyze", root, settings(root)):
        (found,) = written(root)
    assert found["config"]["root"] == root
    with pytest.raises(LacunaError), recorded_run("verify", root, settings(root)):
        raise LacunaError("the disk is full")
    assert sorted(found["job"] for found in written(root)) == ["analyze", "verify"]


def test_a_store_out_of_reach_costs_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.runtime import run_record

    def exists(_url: str) -> bool:
        raise RuntimeError("credentials\nexpired")

    monkeypatch.setattr(run_record, "exists", exists)
    with recorded_run("analyze", "s3://away", settings("s3://away")):
        pass
    assert capsys.readouterr().err == "lacuna analyze: the settings of this run are not in s3://away/runs: credentials expired\n"


def test_a_store_that_recovers_during_the_run_costs_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.runtime import run_record

    real, calls = run_record.publish_bytes, list[str]()

    def publish(url: str, data: bytes, *, once: bool) -> None:
        calls.append(url)
        if len(calls) == 1:
            raise OSError("busy")
        real(url, data, once=once)

    monkeypatch.setattr(run_record, "publish_bytes", publish)
    with recorded_run("analyze", str(tmp_path), settings(tmp_path)):
        assert written(tmp_path) == []
    assert len(written(tmp_path)) == 1
    assert (len(calls), capsys.readouterr().err) == (2, "")


def test_two_that_start_at_once_share_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.runtime import run_record

    with recorded_run("analyze", str(tmp_path), settings(tmp_path)):
        monkeypatch.setattr(run_record, "exists", lambda url: not url.endswith("config.yaml"))
        with pytest.raises(UserError), recorded_run("analyze", str(tmp_path), settings(tmp_path)):
            raise UserError("refused here, and running there")
    assert len(written(tmp_path)) == 1


def test_verify_and_comparisons_of_roots_pass_them_over(tmp_path: Path) -> None:
    roots = [tmp_path / "one", tmp_path / "other"]
    for folder in roots:
        folder.mkdir()
    with recorded_run("analyze", str(roots[0]), settings(roots[0])):
        pass
    outcome = verify(VerifyJob(root=str(roots[0]), fix=True, min_age_seconds=0))
    assert outcome.whole
    assert "0 temporary files removed: whole and true" in outcome.line
    assert len(written(roots[0])) == 1
    compared = runpy.run_path(str(REPOSITORY / "tests" / "bench" / "same_root.py"))["compared"]
    assert list(compared(*roots, set())) == []


@pytest.mark.parametrize(
    "name", ["key", "api_key", "apiKey", "hub.token", "AWS_SECRET_ACCESS_KEY", "X-Amz-Signature", "db.Password", "sig"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["tokenizer", "encoder.tokenizer", "keyboard", "root", "seed", "monkey", "design", "x_signal"])
def test_names_of_other_values(name: str) -> None:
    assert not is_secret(name)


def test_no_setting_of_a_job_is_hidden() -> None:
    plain = OmegaConf.to_container(OmegaConf.structured(AnalyzeJob(root="r")))
    assert without_secrets(plain, []) == plain


def test_secrets_are_hidden_wherever_they_stand() -> None:
    value = {"token": "a", "keys": ["a", {"b": "c"}], "none": {"key": None}, "x": ["s3://hush/y"], "y": "/home", "n": 3}
    hidden = {"token": "***", "keys": ["***", {"b": "***"}], "none": {"key": None}, "x": ["***"], "y": "/home", "n": 3}
    assert without_secrets(value, ["hush"]) == hidden
    assert without_secrets({"url": "https://me:pw@host/x"}, []) == {"url": "https://***@host/x"}


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("https://me:pw@host/a?x=1", "https://***@host/a?x=1"),
        ("https://host/a.tar?X-Amz-Signature=abc&page=2&token=t#f", "https://host/a.tar?X-Amz-Signature=***&page=2&token=***#f"),
        ("s3://bucket/a?.tar", "s3://bucket/a?.tar"),
        ("/local/me@home?token=1", "/local/me@home?token=1"),
    ],
)
def test_urls(text: str, hidden: str) -> None:
    assert without_secrets_in_url(text) == hidden


@pytest.mark.parametrize(
    ("word", "hidden"),
    [
        ("++hub.token=abc", "++hub.token=***"),
        ("hub.token=null", "hub.token=null"),
        ("encoder.tokenizer=folder", "encoder.tokenizer=folder"),
        ("root='https://me:pw@host/x'", "root='https://***@host/x'"),
        ("++store={key: abc, region: eu}", "++store={key: ***, region: eu}"),
        ("root=s3://bucket/x", "root=s3://bucket/x"),
        ("~dataset", "~dataset"),
    ],
)
def test_overrides(word: str, hidden: str) -> None:
    assert without_secrets_in_words(word) == hidden


def test_secrets_of_the_environment_are_not_written(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    given = [
        "dataset.shards=https://host/${oc.env:MY_API_TOKEN}/x.tar",
        "encoder.checkpoint=${dataset.shards}",
        "encoder.source=${oc.env:TMPDIR}",
    ]
    assert command(tmp_path, "dataset.name=d", "root=root", *given).returncode == 0
    (found,) = written(tmp_path / "root")
    assert (found["config"]["dataset"]["shards"], found["config"]["encoder"]["checkpoint"]) == ("***", "***")
    assert found["config"]["encoder"]["source"] == str(tmp_path)
    assert found["overrides"][2] == "dataset.shards='https://host/${oc.env:MY_API_TOKEN}/x.tar'"
    assert "hush" not in next((tmp_path / "root" / "runs").rglob("config.yaml")).read_text()
