"""Rows of shards that were placed before a kill stay, the others follow, and the end is the bytes of an unbroken run."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chaos import wait_for
from recorded_rows import write_set

PAIRS, SHARDS = 60_000, 60

pytestmark = pytest.mark.long


def analyze(root: Path) -> "subprocess.Popen[str]":
    words = [f"root={root}", "dataset.name=world", "encoder.name=tiny", "analysis.parts=[placement]", "analysis.umap.max_pairs=3000"]
    return subprocess.Popen([sys.executable, "-m", "jobs.analyze", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def placed(root: Path) -> dict[str, Path]:
    folder = root / "analysis" / "world" / "tiny" / "rows"
    return {path.name: path for path in sorted(folder.glob("*.parquet"))} if folder.is_dir() else {}


def recorded(root: Path) -> list[str]:
    return [path.stem for path in (root / "analysis" / "world" / "tiny" / "rows" / "_records").glob("*.json")]


def finish(running: "subprocess.Popen[str]") -> None:
    _, errors = running.communicate(timeout=600)
    assert running.returncode == 0, errors


def drawn() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    centre_CD = rng.standard_normal((40, 64))
    base_ND = centre_CD[rng.integers(40, size=PAIRS)]
    image_ND, text_ND = (base_ND + 0.3 * rng.standard_normal((PAIRS, 64)) + shift for shift in (0.3, -0.3))
    return image_ND, text_ND


def test_killed_while_rows_are_placed(tmp_path: Path) -> None:
    rows = drawn()
    for name in ("clean", "killed"):
        write_set(tmp_path / name, "world", *rows, shards=SHARDS)
    finish(analyze(tmp_path / "clean"))
    root = tmp_path / "killed"
    running = analyze(root)
    wait_for(lambda: len(recorded(root)) >= 3)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate(timeout=120)
    wait_for(lambda: _still(root))
    done = {name: path.stat().st_mtime_ns for name, path in placed(root).items() if path.stem in recorded(root)}
    assert 3 <= len(done) < SHARDS
    finish(analyze(root))
    after = placed(root)
    assert {name: after[name].stat().st_mtime_ns for name in done} == done, "what was placed is not placed again"
    assert {name: path.read_bytes() for name, path in after.items()} == {
        name: path.read_bytes() for name, path in placed(tmp_path / "clean").items()
    }


_seen: list[int] = []


def _still(root: Path) -> bool:
    """Whether the workers of the killed driver have ended: nothing more is recorded between several looks."""
    _seen.append(len(recorded(root)))
    return len(_seen) > 150 and len(set(_seen[-150:])) == 1
