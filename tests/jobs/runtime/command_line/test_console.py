"""The console script: every job as a sub-command, and nothing of the working directory is run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.runtime.command_line.console import main, names

REPOSITORY = Path(__file__).resolve().parents[4]
LACUNA = [sys.executable, "-P", "-m", "jobs.runtime.command_line.console"]


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder with modules of the names that Python and Hydra look for."""
    for name in ("jobs/__init__", "jobs/report", "hydra_plugins/evil/__init__", "conf/__init__"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").write_text("print('RUN')\n")
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("command", [[*LACUNA, "report"], [sys.executable, "-P", "-m", "jobs.report"]])
def test_nothing_of_the_working_directory_is_run(trap: Path, command: list[str]) -> None:
    done = run(trap, *command, "root=none", "--json")
    assert done.returncode == 2
    found = json.loads(done.stdout)  # the one line of output
    assert (found["job"], found["state"], found["status"]) == ("report", "refused", 2)
    assert found["errors"] == [done.stderr.strip().removeprefix("lacuna report: ")]


def test_every_job_is_listed_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    found = {words[0]: words[1] for words in lines if words[0] in names()}
    assert set(found) == set(names()) >= {"embed", "nearest", "dedupe", "analyze", "report", "train", "verify"}


def test_an_unknown_job(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embedd"]) == 2
    assert capsys.readouterr().err.startswith("lacuna: embedd is unknown; choose one of: analyze, dedupe, diversity, embed, ")


def test_the_words_after_the_job_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.report.main", lambda: 7 if sys.argv == ["lacuna report", "root=r"] else 1)
    monkeypatch.setattr("sys.argv", ["lacuna", "report", "root=r"])
    assert main() == 7


def test_completion_names_jobs_and_options(tmp_path: Path) -> None:
    script = run(tmp_path, *LACUNA, "completion").stdout
    ask = f"""lacuna() {{ {" ".join(LACUNA)} "$@"; }}
{script}
COMP_WORDS=(lacuna ver); COMP_CWORD=1; _lacuna; echo "${{COMPREPLY[*]}}"
COMP_WORDS=(lacuna verify min); COMP_CWORD=2; _lacuna 2> /dev/null; echo "${{COMPREPLY[*]}}"
"""
    assert run(tmp_path, "bash", "-c", ask).stdout.split() == ["verify", "min_age_seconds="]


@pytest.mark.parametrize("words", [[], ["completion"], ["embed", "--help"]])
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, words: list[str]) -> None:
    done = run(tmp_path, "bash", "-c", f"{' '.join([*LACUNA, *words])} | true; echo ${{PIPESTATUS[0]}}")
    assert (done.stdout, done.stderr) == ("0\n", "")
