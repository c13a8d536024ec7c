"""The entry point of the commands: exit statuses, and one line for a mistake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.runtime import app
from tda.errors import UserError

COMMAND = """
import sys
from jobs.runtime.app import Outcome, command
from tda.config.jobs import AnalyzeJob
from tda.errors import LacunaError, UserError

def run(job):
    if job.dataset.name == "user": raise UserError("dataset.name=user is\\n not allowed")
    if job.dataset.name == "foreseen": raise LacunaError("the disk is full")
    if job.dataset.name == "bug": job.dataset.nothing
    if job.dataset.name == "interrupted": raise KeyboardInterrupt
    return Outcome(whole=job.dataset.name != "part", line=f"{job.dataset.name} {job.analysis.retrieval.tile}")

sys.exit(command("analyze", AnalyzeJob, run)())
"""


def _run(tmp_path: Path, *overrides: str, sweep: bool = False) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "entry.py"
    script.write_text(COMMAND)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3]), "TMPDIR": str(tmp_path / "tmp")}
    return subprocess.run(
        [sys.executable, str(script), *(["-m"] if sweep else []), "root=r", "encoder.name=e", *overrides],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )


def test_whole_part_and_sweep(tmp_path: Path) -> None:
    whole = _run(tmp_path, "dataset.name=d")
    assert (whole.returncode, whole.stdout) == (0, "d 2048\n")
    programs = json.loads(_run(tmp_path, "dataset.name=d", "--json").stdout.splitlines()[-1])
    assert programs["places"] == [str(tmp_path / "r")]  # the root, of a job that names no other place
    part = _run(tmp_path, "dataset.name=part")
    assert (part.returncode, part.stdout) == (1, "part 2048\n")
    sweep = _run(tmp_path, "dataset.name=d,part", "analysis.retrieval.tile=8,9", sweep=True)
    assert (sweep.returncode, sweep.stdout.split("\n")[:4]) == (1, ["d 8", "d 9", "part 8", "part 9"])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["entry.py", "tmp"]  # nothing else is left behind


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["dataset.nam=d"], "dataset.nam is unknown (did you mean name?); choose one of: name, shards, members, modalities, toy"),
        (["analysis.retrieval.tyle=1"], "analysis.retrieval.tyle is unknown (did you mean tile?); choose one of: tile, max_pairs"),
        (["encodr=x"], "encodr is unknown (did you mean encoder?); choose one of: root, dataset, encoder, encoders, analysis, cluster"),
        (
            ["dataset.name=d", "analysis.retrieval.tile=many"],
            "analysis.retrieval.tile=many is no whole number: give analysis.retrieval.tile=",
        ),
        (["dataset.name=d", "sweep=x"], "sweep takes no preset, for conf/analyze.yaml names no group sweep: set its fields, sweep.FIELD="),
        (["dataset.name=d", "encoder=open_klip"], "encoder=open_klip is unknown; choose one of: "),
        (["dataset.name=d", "analysis.parts=[gap,moon]"], "analysis.parts='moon' is unknown; choose one of: gap, "),
        (["dataset.name=d", "dataset.modalities=[image]"], "names 1 modalities; a pair has 2"),
        ([], "dataset.name is missing: give dataset.name=VALUE"),
        (["dataset.name=user"], "dataset.name=user is not allowed"),
        (["dataset.name=d", "dataset.pairs=5]"], "dataset.pairs=5]"),
        (["dataset.name=d", "dataset.toy={pairs: 5}"], "dataset.toy is null, and so its fields cannot be set"),
        (["dataset.name=d", "dataset.toy.pairs=5"], "a value is null, and so its fields cannot be set"),
        (["dataset.name=d", "dataset.shards=${nothing}"], "dataset.shards: ${nothing} names no setting"),
    ],
)
def test_mistake_is_one_line_and_status_2(tmp_path: Path, overrides: list[str], message: str) -> None:
    done = _run(tmp_path, *overrides)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("lacuna analyze: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_foreseen_failure_is_one_line_and_status_1(tmp_path: Path) -> None:
    done = _run(tmp_path, "dataset.name=foreseen")
    assert (done.returncode, done.stderr) == (1, "lacuna analyze: the disk is full\n")
    assert _run(tmp_path, "dataset.name=interrupted").returncode == 130


def test_a_bug_of_a_job_shows_its_traceback(tmp_path: Path) -> None:
    done = _run(tmp_path, "dataset.name=bug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "AttributeError: 'DatasetConfig' object has no attribute 'nothing'" in done.stderr


def test_a_job_whose_file_lets_hydra_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loud.yaml").write_text("defaults: [loud_schema, _self_]")
    (tmp_path / "calm.yaml").write_text("defaults: [calm_schema, quiet, _self_]")
    monkeypatch.setattr(app.resources, "files", lambda _: tmp_path)
    with pytest.raises(UserError, match=r"^conf/loud\.yaml: add `quiet` to its defaults, or Hydra writes folders of its own"):
        app._require_quiet("loud")
    app._require_quiet("calm")


def test_missing_root(tmp_path: Path) -> None:
    done = _run(tmp_path, "dataset.name=d", "root=???")
    assert (done.returncode, done.stderr) == (2, "lacuna analyze: root is missing: give root=VALUE\n")


def test_a_mistake_is_shown_before_heavy_libraries_load() -> None:
    """Importing every command loads none of them: they cost seconds, which a mistake in a line should not take."""
    commands = sorted(file.stem for file in (Path(__file__).resolve().parents[3] / "jobs").glob("[a-z]*.py"))
    assert "paper" in commands
    heavy = ("torch", "scipy", "sklearn", "numba", "faiss", "matplotlib", "ray")
    code = f"import sys, {', '.join(f'jobs.{name}' for name in commands)}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
