"""Commands as they are typed, run in this process: over its Ray, and without the seconds that a process takes to begin."""

import importlib
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Typed:
    """What a command left behind, under the names of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


def typed(job: str, *words: str, cwd: Path | None = None) -> Typed:
    """Run `python -m jobs.<job> <words>` by the `main` that it runs."""
    main = importlib.import_module(f"jobs.{job}").main
    reported, complained = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(reported), redirect_stderr(complained):
        patch.setattr(sys, "argv", [f"jobs.{job}", *words])
        if cwd is not None:
            patch.chdir(cwd)
        status = main()
    return Typed(status, reported.getvalue(), complained.getvalue())
