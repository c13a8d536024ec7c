"""An analysis that is killed or interrupted: parts and blocks that were done stay, and the end is the same bytes."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chaos import wait_for
from recorded_rows import write_set

PAIRS, QUERIES = 40_000, 20_000
PARTS = "gap,retrieval,spectrum"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    image_ND = rng.standard_normal((PAIRS, 256), dtype=np.float32)
    return image_ND, image_ND + 6 * rng.standard_normal((PAIRS, 256), dtype=np.float32)


def analyze(root: Path) -> "subprocess.Popen[str]":
    words = [f"root={root}", "dataset.name=world", "encoder.name=tiny", f"analysis.parts=[{PARTS}]", "analysis.retrieval.queries=20000"]
    return subprocess.Popen([sys.executable, "-m", "jobs.analyze", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def folder_of(root: Path) -> Path:
    return root / "analysis" / "world" / "tiny"


def blocks_of(root: Path) -> list[Path]:
    return list(folder_of(root).glob("_retrieval_*/ranks-*.parquet"))


def published(root: Path) -> list[str]:
    file = folder_of(root) / "metrics.json"
    return list(json.loads(file.read_text())["part_hashes"]) if file.exists() else []


def results(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder_of(root).iterdir())}


def finish(running: "subprocess.Popen[str]") -> str:
    _, errors = running.communicate(timeout=600)
    assert running.returncode == 0, errors
    return errors


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_run_again_it_ends_in_the_same_bytes(tmp_path: Path, rows: tuple[Any, Any], how: signal.Signals) -> None:
    for name in ("clean", "killed"):
        write_set(tmp_path / name, "world", *rows, shards=3)
    finish(analyze(tmp_path / "clean"))
    root = tmp_path / "killed"
    running = analyze(root)
    wait_for(lambda: len(blocks_of(root)) >= 3 and "gap" in published(root))
    os.kill(running.pid, how)
    _, errors = running.communicate(timeout=120)
    done = len(blocks_of(root))
    assert 3 <= done < 20
    assert published(root) == ["gap"]
    if how == signal.SIGINT:
        assert "interrupted; 1 of 3 parts (gap) and " in errors
        assert " of 20 blocks of retrieval are kept; the same command measures the rest" in errors
    again = finish(analyze(root))
    assert "gap stand and are not measured again; missing: retrieval, spectrum" in again
    found = re.search(r"retrieval: (\d+) of 20 blocks were measured before and are kept", again)
    assert found is not None, again
    assert done <= int(found[1]) < 20, "a worker may end its block after the driver"
    assert results(root) == results(tmp_path / "clean")
