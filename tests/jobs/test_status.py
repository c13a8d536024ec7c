"""What is in a root, from the root alone: what runs, what is left, what failed, and what to do next."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faulty_store import faulty_store
from rich.console import Console
from surveyed_root import ELSEWHERE, GONE, document, joined, ran, records, work

from jobs import status
from jobs.inventory.survey import survey
from jobs.inventory.table import line, show
from jobs.verify import run as verify
from tda.config.jobs import StatusJob, VerifyJob
from tda.errors import UserError
from tda.store.files import publish_bytes

REPOSITORY = Path(__file__).resolve().parents[2]


def cell(found: dict[str, Any], dataset: str = "d", encoder: str = "e") -> dict[str, Any]:
    (one,) = [row for row in found["cells"] if (row["dataset"], row["encoder"]) == (dataset, encoder)]
    return one  # type: ignore[no-any-return]  # JSON


def commands(found: dict[str, Any]) -> list[str]:
    return [step["command"] for step in found["next"]]


def test_shards_that_run_failed_and_are_left(tmp_path: Path) -> None:
    records(tmp_path, "d", "e", 2)
    failures = [["00003", "damaged"], ["00001", "missing"]]  # the second is recorded by now
    ran(tmp_path, "embed-1", "running", work(running=["00004"], running_count=1, failures=failures, failed=2))
    shards = cell(survey(str(tmp_path)))["shards"]
    assert (shards["done"], shards["of"], shards["running"], shards["left"], shards["waiting"]) == (2, 5, 1, 3, 1)
    assert shards["failed"] == [{"shard": "00003", "reason": "damaged"}]
    assert (shards["state"], shards["pairs_per_second"], shards["shards_per_hour"], shards["seconds_left"]) == ("running", 50.0, 1800.0, 6)


@pytest.mark.parametrize(
    ("fields", "age", "state"),
    [
        ({}, 10_000, "running"),  # this very process: it lives, however old its file is
        ({"owner": GONE}, 0, "lost"),
        ({"owner": ELSEWHERE}, 30, "running"),
        ({"owner": ELSEWHERE}, 7_200, "lost"),
        ({"owner": ELSEWHERE}, -7_200, "running"),  # by a clock two hours ahead
    ],
)
def test_a_run_lives_or_is_lost(tmp_path: Path, fields: dict[str, Any], age: float, state: str) -> None:
    records(tmp_path, "d", "e", 2)
    ran(tmp_path, "embed-1", "running", work(running=["00004"], running_count=1), age=age, **fields)
    found = survey(str(tmp_path))
    assert [run["state"] for run in found["runs"]] == [state]
    assert cell(found)["shards"]["state"] == state
    assert cell(found)["shards"]["running"] == (1 if state == "running" else 0)
    assert found["last_sign_seconds"] is not None
    again = "python -m jobs.embed 'dataset.name='\"'\"'d'\"'\"'' 'dataset.shards='\"'\"'/data/{0..4}.tar'\"'\"'' root=here"
    assert (again in commands(found)) == (state == "lost")


def test_the_stages_of_a_data_set_and_the_next_command(tmp_path: Path) -> None:
    records(tmp_path, "d", "e", 3)
    records(tmp_path, "ref", "e", 2)
    ran(tmp_path, "embed-1", "whole", work(total=3, done=3), work("ref", total=2), age=5)
    assert commands(survey(str(tmp_path))) == [
        f"python -m jobs.analyze dataset.name={name} encoder.name=e root={tmp_path}" for name in ("d", "ref")
    ]
    joined(tmp_path, "d", "e", "ref", 2, audited=False)
    found = survey(str(tmp_path))
    assert cell(found)["neighbours"] == [{"reference": "ref", "done": 2, "of": 3, "whole": False}]
    assert commands(found)[0] == f"python -m jobs.nearest reference.name=ref dataset.name=d encoder.name=e root={tmp_path}"
    joined(tmp_path, "d", "e", "ref", 3)
    document(tmp_path, "dedupe/d/e/ref/summary.json", {"rows": 300, "rows_kept": 280})
    document(tmp_path, "dedupe/d/e/ref/views/image-0.9/summary.json", {"rows": 300, "rows_kept": 270})
    metrics = document(tmp_path, "analysis/d-minus-ref/e/metrics.json", {"pairs": 280, "part_hashes": {"gap": "1", "cosine": "2"}})
    found = survey(str(tmp_path))
    assert [(view["dataset"], view["kept"]) for view in cell(found)["deduped"]] == [("d-minus-ref", 280), ("d-minus-ref@image-0.9", 270)]
    view = cell(found, "d-minus-ref")
    assert (view["view_of"], view["analysed"]["parts"], view["reported"]) == ("d", ["cosine", "gap"], False)
    assert "spectrum" in view["analysed"]["missing"]
    assert commands(found) == [f"python -m jobs.report root={tmp_path}"]
    document(tmp_path, "report/index.html", "<html>")
    found = survey(str(tmp_path))
    assert cell(found, "d-minus-ref")["reported"]
    assert commands(found) == [f"python -m jobs.verify root={tmp_path}"]
    os.utime(metrics, (1, 1))
    records(tmp_path, "d-minus-ref", "e", 1)
    assert cell(survey(str(tmp_path)), "d-minus-ref")["analysed"]["older_than_rows"]


def test_models_checkpoints_and_sweeps(tmp_path: Path) -> None:
    document(tmp_path, "models/arm/step_200.json", {})
    document(tmp_path, "models/done/model.json", {})
    ran(tmp_path, "train-1", "interrupted", work("", "arm", stage="train", total=800))
    for label, names in {"1": ["a/1.submitted", "a/1.running", "a/succeeded"], "2": ["a/1.submitted", "a/1.failed"], "3": []}.items():
        for name in ["seen", *names]:
            document(tmp_path, f"watch/clip/epoch_{label}.pt/{name}.json", {})
    rows = [{"label": "epoch_2.pt", "state": "given up", "reason": "poisoned"}]
    document(tmp_path, "watch/clip/checkpoints.json", {"checkpoints": rows})
    cells = [{"cell": "1", "state": "whole", "values": {"k": 1}}, {"cell": "2", "state": "failed", "values": {"k": 2}, "error": "too many"}]
    document(tmp_path, "sweeps/analyze-k/sweep.json", {"job": "analyze", "cells": cells})
    found = survey(str(tmp_path))
    assert [(one["encoder"], one["state"], one["step"], one["of"]) for one in found["models"]] == [
        ("arm", "part", 200, 800),
        ("done", "whole", None, None),
    ]
    (watched,) = found["watched"]
    assert watched["states"] == {"succeeded": 1, "given up": 1, "waiting": 1}
    assert watched["faults"] == [{"checkpoint": "epoch_2.pt", "state": "given up", "reason": "poisoned"}]
    assert found["sweeps"][0]["not_whole"] == [{"values": {"k": 2}, "state": "failed", "error": "too many"}]
    assert commands(found)[0].startswith("python -m jobs.train ")
    shown = text(found, 100)
    for words in ("step 200 of 800", "3: 1 analysed, 1 given up, 1 waiting", "epoch_2.pt: given up: poisoned", "k=2: failed: too many"):
        assert words in shown


DAMAGED = {
    "analysis/d/e/metrics.json": "{",
    "dedupe/d/e/ref/summary.json": "[]",
    "sweeps/s/sweep.json": "null",
    "watch/w/checkpoints.json": "\x00",
    "runs/embed-1/progress.json": '{"state": "running", "owner": 3}',
    "runs/embed-2/progress.json": "[" * 100_000,
}


def test_what_is_damaged_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    records(tmp_path, "d", "e", 3)
    for name, content in DAMAGED.items():
        document(tmp_path, name, content)
    found = survey(str(tmp_path))
    assert [one.split(": cannot be read: ")[0] for one in found["damaged"]] == sorted(DAMAGED)
    assert cell(found)["shards"]["done"] == 3
    outcome = status.run(StatusJob(root=str(tmp_path)))
    assert not outcome.whole
    assert "6 documents damaged" in outcome.line


def text(found: dict[str, Any], width: int) -> str:
    stream = io.StringIO()
    show(found, Console(file=stream, width=width))
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_its_terminal(tmp_path: Path, width: int) -> None:
    for dataset in ("toy_heldout", "a" * 160):
        for encoder in ("toy_infonce_hopfield", "b" * 60):
            records(tmp_path, dataset, encoder, 2)
            joined(tmp_path, dataset, encoder, "toy_train", 1)
    ran(
        tmp_path,
        "embed-1",
        "part",
        work("toy_heldout", "toy_infonce_hopfield", failures=[["x", "bad \x1b[31m\nnews " * 9]]),
        line="z" * 400,
    )
    shown = text(survey(str(tmp_path)), width)
    assert all(len(one) <= width for one in shown.splitlines() if "python -m" not in one)
    for words in ("toy_heldout", "toy_infonce_hopfield", "2 of 5", "1 of 2", "part", "next:"):
        assert words in shown
    assert "\x1b" not in shown


def test_an_empty_root_and_what_is_no_root(tmp_path: Path) -> None:
    found = survey(str(tmp_path))
    assert (found["cells"], found["last_sign_seconds"]) == ([], None)
    assert commands(found)[0].startswith("python -m jobs.embed ")
    assert line(found).endswith("0 shards recorded; no sign of life yet")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UserError, match="is no root: it holds notes"):
        survey(str(tmp_path))


def test_shards_are_listed_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records(tmp_path, "d", "e", 20_000)
    joined(tmp_path, "d", "e", "ref", 20_000)
    asked = list[str]()
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda path, *a, **k: asked.append(str(path)) or real(path, *a, **k))  # type: ignore[func-returns-value]  # None
    found = survey(str(tmp_path))
    assert cell(found)["shards"]["done"] == 20_000
    assert found["calls"]["listings"] < 20
    assert found["calls"]["reads"] < 5
    assert len([path for path in asked if path.endswith(".json") and str(tmp_path) in path]) < 20


def test_a_root_in_a_bucket(tmp_path: Path) -> None:
    records(tmp_path, "d", "e", 3)
    joined(tmp_path, "d", "e", "ref", 3)
    document(tmp_path, "analysis/d/e/metrics.json", {"pairs": 3, "part_hashes": {"gap": "1"}})
    document(tmp_path, "report/index.html", "<html>")
    document(tmp_path, "watch/clip/epoch_1.pt/seen.json", {})
    ran(tmp_path, "embed-1", "running", work(), owner=ELSEWHERE)
    with faulty_store() as store:
        for path in sorted(tmp_path.rglob("*.*")):
            if path.is_file():
                publish_bytes(f"{store.root}/root/{path.relative_to(tmp_path)}", path.read_bytes())
        found = survey(f"{store.root}/root")
        assert cell(found)["shards"]["state"] == "running"
        assert cell(found)["neighbours"][0]["whole"]
        assert cell(found)["reported"]
        assert found["watched"][0]["states"] == {"waiting": 1}
        assert (found["damaged"], found["last_sign_seconds"] is not None) == ([], True)


def test_the_command(tmp_path: Path) -> None:
    records(tmp_path / "root", "d", "e", 3)
    ran(tmp_path / "root", "embed-1", "whole", work(total=3))
    before = sorted(str(path) for path in tmp_path.rglob("*"))

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        given = [sys.executable, "-m", "jobs.status", *words]
        return subprocess.run(
            given, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False
        )

    done = command("root=root", "format=json")
    assert (done.returncode, done.stderr) == (0, "")
    assert cell(json.loads(done.stdout))["shards"]["state"] == "whole"
    shown = command("root=root")
    assert shown.stdout.splitlines()[-1].startswith(
        f"status: {tmp_path}/root: 1 data set, 1 encoder, 3 shards recorded; last sign of life "
    )
    refused = command("root=absent")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"lacuna status: root={tmp_path}/absent is not there\n"
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before  # it writes nothing


def test_verify_takes_no_notice_of_signs_of_life(tmp_path: Path) -> None:
    ran(tmp_path, "embed-1", "running", work())
    assert verify(VerifyJob(root=str(tmp_path))).whole
