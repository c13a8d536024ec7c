"""What is submitted: the words on the cluster, what goes with them, what is refused, and the id that follows from all of it."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.submission import request as module
from jobs.submission.request import Request, made_request, shown_here
from tda.config.cluster import ClusterConfig
from tda.config.jobs import SubmitJob
from tda.errors import UserError

EMBED = ["jobs.embed", "dataset.name=d", "dataset.shards=/x.tar", "encoder.name=e", "root=/r"]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Request]:
    """The request for words and settings; composing, which takes seconds, stands in `test_a_mistake_...`."""
    monkeypatch.setattr(module, "_composed_here", lambda command, _: f"composed from {len(command)} words")
    return lambda *words, **settings: made_request(SubmitJob(**settings), list(words or EMBED))


def words_of(request: Request) -> list[str]:
    return shlex.split(request.entrypoint)


def test_a_job_with_actors_joins_the_cluster_that_runs_it(made: Callable[..., Request]) -> None:
    assert words_of(made()) == ["python", "-m", "jobs.embed", "cluster=auto", *EMBED[1:]]
    assert words_of(made("embed", *EMBED[1:])) == words_of(made())
    assert words_of(made("jobs.report", "root=/r")) == ["python", "-m", "jobs.report", "root=/r"]  # it has no cluster
    assert "cluster=auto" not in words_of(made(*EMBED, "cluster=h200x8"))


def test_the_settings_of_the_cluster_go_with_it_and_the_users_words_win(made: Callable[..., Request]) -> None:
    cluster = ClusterConfig(dashboard="http://head", address="auto", cpus_per_actor=2, heartbeat_seconds=None)
    found = words_of(made(*EMBED, "cluster.cpus_per_actor=3", cluster=cluster))
    assert found[3:6] == ["cluster=auto", "cluster.cpus_per_actor=2", "cluster.heartbeat_seconds=null"]
    assert found[-1] == "cluster.cpus_per_actor=3"


def test_words_reach_the_job_as_they_were_typed(made: Callable[..., Request]) -> None:
    odd = "dataset.shards=s3://b/{0..3}/it's $HOME `x`.tar"
    assert words_of(made(*EMBED, odd))[-1] == odd


def test_the_root_of_submit_is_the_commands_unless_it_has_one(made: Callable[..., Request]) -> None:
    assert words_of(made("jobs.report", root="/mine"))[-1] == "root=/mine"
    assert words_of(made("jobs.report", "root=/r", root="/mine"))[-1] == "root=/r"
    assert words_of(made("jobs.report", "root=s3://bucket/r"))[-1] == "root=s3://bucket/r"
    for relative in ("lacuna-root", "./r", "'r'"):
        with pytest.raises(UserError, match=rf"root={relative} is not the same folder on the cluster: give a URL, or an absolute path"):
            made("jobs.report", f"root={relative}")


def test_the_id_follows_from_the_content(made: Callable[..., Request], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REGION", "a")
    (tmp_path / "preset.yaml").write_text("one")
    plain = made()
    assert plain.id == made().id == made(cluster=ClusterConfig(dashboard="http://head", wait_seconds=3)).id
    assert plain.id.startswith("lacuna-embed-")
    folder: dict[str, Any] = {"working_dir": str(tmp_path)}
    others = [made(*EMBED, "embed.dtype=float32"), made(code="cluster"), made(env=["REGION"]), made(driver_cpus=2), made(**folder)]
    monkeypatch.setenv("REGION", "b")
    (tmp_path / "preset.yaml").write_text("two")
    others += [made(env=["REGION"]), made(**folder), made(runtime_env={"pip": ["x"]})]
    monkeypatch.setattr(module, "source_digest", lambda *_: "other code")
    others.append(made())
    assert len({plain.id, *(one.id for one in others)}) == 1 + len(others)


def test_another_key_to_the_same_bucket_is_the_same_job(made: Callable[..., Request], monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for value in ("one", "two"):
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", value)
        found.append(made(env=["AWS_SECRET_ACCESS_KEY"]))
    assert found[0].id == found[1].id
    assert found[1].runtime_env["env_vars"] == {"AWS_SECRET_ACCESS_KEY": "two"}
    assert "two" not in found[1].entrypoint


def test_what_is_copied_to_the_cluster(made: Callable[..., Request], tmp_path: Path) -> None:
    assert made(code="cluster").runtime_env == {}
    mine = made(working_dir=str(tmp_path), runtime_env={"pip": ["x"], "env_vars": {"A": "1"}}).runtime_env
    assert [Path(path).name for path in mine["py_modules"]] == ["jobs", "tda", "conf"]
    assert (mine["working_dir"], mine["pip"], mine["env_vars"]) == (str(tmp_path), ["x"], {"A": "1"})
    assert "__pycache__" in mine["excludes"]


@pytest.mark.parametrize(
    ("words", "settings", "message"),
    [
        (["jobs.embd"], {}, "begins with jobs.embd; it can be jobs.analyze, "),
        (["jobs.submit"], {}, "begins with jobs.submit; it can be"),
        ([*EMBED, "store.secret=abc"], {}, r"store.secret=\*\*\* has a secret on the command line"),
        ([*EMBED, "dataset.shards=https://u:p@h/x.tar"], {}, r"https://\*\*\*@h/x.tar has a secret"),
        ([*EMBED, "--config-dir", "presets"], {}, "give submit working_dir=FOLDER"),
        (EMBED, {"working_dir": "/not/there"}, "working_dir=/not/there is not a folder or zip"),
        (EMBED, {"env": ["NOT_SET_HERE"]}, "NOT_SET_HERE.* is not set"),
    ],
)
def test_what_is_refused(made: Callable[..., Request], words: list[str], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        made(*words, **settings)


def test_a_secret_by_reference_is_no_secret(made: Callable[..., Request]) -> None:
    assert words_of(made(*EMBED, "++store.secret=${oc.env:KEY}"))[-1] == "++store.secret=${oc.env:KEY}"


def test_a_mistake_in_the_command_is_found_here() -> None:
    with pytest.raises(UserError, match=r"the command is refused: lacuna report: .*nowhere"):
        made_request(SubmitJob(), ["jobs.report", "root=/r", "report=nowhere"])


def test_a_command_that_only_shows_runs_here(capfd: pytest.CaptureFixture[str]) -> None:
    assert shown_here(EMBED) is None
    assert shown_here(["jobs.report", "root=/r", "--cfg", "job"]) == 0
    assert "root: /r" in capfd.readouterr().out
