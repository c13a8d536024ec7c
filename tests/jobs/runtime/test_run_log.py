"""The log of a run: structured, bounded, under the root, kept on failure, and without secrets."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faulty_store import faulty_store
from omegaconf import OmegaConf

from jobs.runtime.run_log import FIRST, LAST, RunLog, logged_errors
from jobs.runtime.run_progress import track
from jobs.runtime.run_record import recorded_run
from tda.config.jobs import ReportJob
from tda.errors import LacunaError, ShardError
from tda.store.files import list_folders, publish_bytes, read_bytes

REPOSITORY = Path(__file__).resolve().parents[3]


def lines(root: Path | str, name: str = "log.jsonl") -> list[dict[str, Any]]:
    (run,) = list_folders(f"{root}/runs")
    found = [json.loads(line) for line in read_bytes(f"{root}/runs/{run}/{name}").decode().splitlines()]
    assert {(one["run"], one["job"]) for one in found} == {(run, "report")}
    return found


def messages(found: list[dict[str, Any]]) -> list[str]:
    return [one["message"] for one in found]


def recorded(root: Path | str) -> Any:
    return recorded_run("report", str(root), OmegaConf.structured(ReportJob(root=str(root))))


def test_a_log_keeps_its_first_and_its_last_lines() -> None:
    log = RunLog("embed")
    for i in range(FIRST + LAST + 10):
        log.add(f"line {i}")
    found = [json.loads(line) for line in log.data("run", lambda text: text).decode().splitlines()]
    assert len(found) == FIRST + LAST + 1
    assert messages(found)[FIRST - 1 : FIRST + 2] == [f"line {FIRST - 1}", "10 lines are left out here", f"line {FIRST + 10}"]
    assert not log.changed


@pytest.mark.parametrize("error", [LacunaError("a full disk"), KeyError("a fault")])
def test_it_is_kept_on_failure(tmp_path: Path, error: Exception) -> None:
    def fails() -> None:
        with recorded(tmp_path):
            track("embed", "d", ["e"]).failed("00003", ShardError("/data/00003.tar", "damaged"))
            raise error

    with pytest.raises(type(error)):
        fails()
    found = lines(tmp_path)
    assert found[0]["message"] == "started"
    assert (found[1]["shard"], found[1]["level"]) == ("00003", "error")
    assert found[1]["message"] == "embed failed: shard /data/00003.tar: damaged"
    assert ("Traceback" in found[-1]["message"]) == isinstance(error, KeyError)
    assert str(error) in found[-1]["message"]
    with recorded(tmp_path):
        pass
    assert messages(lines(tmp_path)) == ["started", "whole"]
    assert messages(lines(tmp_path, "log.previous.jsonl"))[1:2] == ["embed failed: shard /data/00003.tar: damaged"]


def test_secrets_are_not_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_TOKEN", "hush")
    config = OmegaConf.create({"root": str(tmp_path), "url": "${oc.env:MY_API_TOKEN}"})
    with recorded_run("report", str(tmp_path), config):
        track("embed").failed("x", LacunaError("hush, and https://me:pass@host/x?sig=abc"))
    text = next(tmp_path.rglob("log.jsonl")).read_text()
    assert not [word for word in ("hush", "pass", "abc") if word in text]
    assert "***, and https://***@host/x?sig=***" in text


def test_it_is_in_the_bucket_too() -> None:
    with faulty_store() as store:
        root = f"{store.root}/root"
        with recorded(root):
            publish_bytes(f"{root}/embeddings/made.parquet", b"")  # there is no root before
        assert messages(lines(root)) == ["started", "whole"]


@pytest.mark.parametrize("as_json", [False, True])
def test_lines_on_standard_error(monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    stream, taken = io.StringIO(), list[str]()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "argv", ["x", "root=r", *["log=json"] * as_json])
    with logged_errors("embed", taken.append):
        assert sys.argv == ["x", "root=r"]
        print("one\n\ntwo", end="", file=sys.stderr)
        print(" and more", file=sys.stderr)
    assert sys.stderr is stream
    assert taken == ["one", "two and more"]
    if as_json:
        assert messages([json.loads(line) for line in stream.getvalue().splitlines()]) == taken
    else:
        assert stream.getvalue() == "one\n\ntwo and more\n"


def test_a_command_with_json_lines(tmp_path: Path) -> None:
    given = [sys.executable, "-m", "jobs.verify", "root=absent", "log=json"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(given, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    found = json.loads(line)
    assert (found["level"], found["job"], found["message"]) == ("error", "verify", "lacuna verify: root=absent is not there")
