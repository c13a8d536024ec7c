"""How far a run is stands beside its settings: bounded, of the last run of a command, without secrets, and never at the cost of the run."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from jobs.runtime import run_progress
from jobs.runtime.run_progress import MOST_WORK, NAMED, Beats, RunProgress, Work, current, end_with, track
from jobs.runtime.run_record import recorded_run
from tda.config.jobs import ReportJob
from tda.errors import LacunaError, ShardError, UserError


def recorded(root: Path) -> Any:
    return recorded_run("report", str(root), OmegaConf.structured(ReportJob(root=str(root))))


def left(root: Path) -> dict[str, Any]:
    (path,) = root.glob("runs/*/progress.json")
    found: dict[str, Any] = json.loads(path.read_text())
    assert found["run"] == path.parent.name
    return found


def test_work_is_counted_and_named() -> None:
    work = Work(stage="embed", dataset="d", encoders=("a", "b"), total=200, before=50)
    for i in range(100):
        work.began(f"{i}")
    for i in range(10):
        work.did(f"{i}", pairs=7)
    for i in range(20, 90):
        work.failed(f"{i}", ShardError("s3://bucket/x.tar", "damaged", "long"))
    work.failed("99", LacunaError("a\nfull  disk"))
    found = work.plain()
    assert (found["total"], found["before"], found["done"], found["pairs"]) == (200, 50, 10, 70)
    assert (found["running_count"], len(found["running"])) == (19, 19)
    assert (found["failed"], len(found["failures"])) == (71, NAMED)
    assert found["failures"][0] == ["20", "damaged"]
    assert work.failures["99"] == "a full disk"
    work.did("20")
    assert work.plain()["failed"] == 70  # done after all


def test_work_of_many_checkpoints_stays_bounded() -> None:
    progress = RunProgress("watch")
    with current(progress):
        for i in range(3 * MOST_WORK):
            track("embed", "d", [f"e@{i}"], total=1)
        again = track("embed", "d", [f"e@{3 * MOST_WORK - 1}"], total=2)
    work = progress.plain("run")["work"]
    assert len(work) == MOST_WORK
    assert work[-1] == again.plain()
    assert track("embed", "d").total == 0  # without a run it is counted all the same


@pytest.mark.parametrize(("whole", "state"), [(True, "whole"), (False, "part")])
def test_a_run_leaves_its_result(tmp_path: Path, whole: bool, state: str) -> None:
    with recorded(tmp_path):
        track("embed", "d", ["e"], total=3, before=1).did("00002")
        end_with(whole=whole, line="see https://user:hush@host/x?token=hush")
    found = left(tmp_path)
    assert (found["state"], found["line"]) == (state, "see https://***@host/x?token=***")
    assert [(one["total"], one["before"], one["done"]) for one in found["work"]] == [(3, 1, 1)]


@pytest.mark.parametrize(
    ("error", "state", "line"),
    [
        (LacunaError("a full disk"), "failed", "a full disk"),
        (KeyError("x"), "failed", "KeyError: 'x'"),
        (KeyboardInterrupt(), "interrupted", ""),
    ],
)
def test_how_a_run_ended(tmp_path: Path, error: BaseException, state: str, line: str) -> None:
    with pytest.raises(type(error)), recorded(tmp_path):
        raise error
    found = left(tmp_path)
    assert (found["state"], found["line"]) == (state, line)


def test_a_refused_command_leaves_what_was_there(tmp_path: Path) -> None:
    with pytest.raises(UserError), recorded(tmp_path):
        raise UserError("no")
    assert not list(tmp_path.glob("runs/*"))
    with recorded(tmp_path):
        end_with(whole=True, line="first")
    with pytest.raises(UserError), recorded(tmp_path):
        raise UserError("no")
    assert left(tmp_path)["line"] == "first"


def test_it_beats_while_the_run_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_progress, "BEAT", 0.01)
    beaten, calls = threading.Event(), list[int]()

    def write() -> None:
        calls.append(1)
        if len(calls) == 3:
            beaten.set()
        if len(calls) == 1:
            raise OSError("the store is away")

    beats = Beats(write, first=0.0)
    assert beaten.wait(60)
    beats.stop()
    count = len(calls)
    assert not beats._thread.is_alive()
    assert len(calls) == count


def test_a_root_that_cannot_be_written_costs_the_run_nothing(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with recorded(tmp_path):
        end_with(whole=True, line="done")
