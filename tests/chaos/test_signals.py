"""SIGTERM, SIGINT and kill -9 to the driver of each job, over a Ray that it started: how it ends, and that it resumes.

The jobs build on one another: each finds in the root what those before it made. In the end it holds what undisturbed runs leave.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from bad_shards import good_pairs, write_tar
from chaos import EndedIn, ended, wait_for

ENDS = {signal.SIGKILL: (-9, ""), signal.SIGINT: (130, "interrupted; "), signal.SIGTERM: (143, "stopped by SIGTERM; ")}
pytestmark = pytest.mark.long
LIMIT = 15.0  # seconds in which every process has to be gone
MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 40, "vocab_size": 512, "width": 16, "heads": 2, "layers": 1},
}
SHARDS = ["dataset=files", "dataset.name=t", "dataset.shards={folder}/shards/*.tar", "encoder.config={folder}/model.json"]
STEPS = ["train.steps=4", "train.batch_size=16", "train.warmup_steps=2", "train.checkpoint_every=2", "train.keep=all"]
JOBS = {
    "train": [*SHARDS, *STEPS],
    "embed": [*SHARDS, "encoder=toy_infonce", "embed.batch_size=8", "cluster.actors=1"],
    "ingest": ["dataset.name=a", "encoder.name=e", "source={folder}/rows.npz", "rows_per_shard=40"],
    "nearest": ["dataset.name=a", "reference.name=b", "encoder.name=e"],
    "dedupe": ["dataset.name=a", "reference.name=b", "encoder.name=e", "dedupe.max_drop_fraction=1"],
    "analyze": ["dataset.name=a", "encoder.name=e", "analysis.parts=[gap,alignment]"],
    "export": ["dataset.name=a", "encoder.name=e", "format=parquet", "to={root}/out"],
    "watch": [*SHARDS, "encoder=toy_infonce", "analysis.parts=[gap]", "once=true", "cluster.actors=1"],
    "report": [],
    "verify": [],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """With rows to ingest, and a root that has the reference `b`."""
    folder = tmp_path_factory.mktemp("signals")
    temporary = tempfile.mkdtemp(prefix="s", dir="/tmp")
    (folder / "tmp").symlink_to(temporary)
    row_ND = np.random.default_rng(0).standard_normal((120, 8)).astype("float32")
    row_ND /= np.linalg.norm(row_ND, axis=1, keepdims=True)
    np.savez(folder / "rows.npz", image=row_ND, text=row_ND[::-1].copy())
    (folder / "model.json").write_text(json.dumps(MODEL))
    (folder / "shards").mkdir()
    for i in range(3):
        write_tar(folder / "shards" / f"{i:05d}.tar", good_pairs(12, first=12 * i))
    subprocess.run([sys.executable, "-m", "jobs.ingest", *_reference(folder, "root")], check=True, capture_output=True)
    yield folder
    shutil.rmtree(temporary, ignore_errors=True)


def _reference(folder: Path, root: str) -> list[str]:
    return ["dataset.name=b", "encoder.name=e", f"source={folder}/rows.npz", f"root={folder}/{root}"]


def _words(folder: Path, job: str, root: str) -> list[str]:
    return [*(word.format(folder=folder, root=folder / root) for word in JOBS[job]), f"root={folder}/{root}"]


def _start(folder: Path, job: str, mark: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "held_driver", str(folder / "flag"), job, *_words(folder, job, "root")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_ADDRESS")}
    paths = os.pathsep.join([str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])])
    environment |= {"LACUNA_MARK": mark, "PYTHONPATH": paths, "TMPDIR": str((folder / "tmp").readlink())}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def _with_mark(mark: str) -> list[int]:
    """Processes that were started with the mark in their environment, and have not ended."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"LACUNA_MARK={mark}".encode() in file.read_bytes().split(b"\0") and not ended(int(file.parent.name)):
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("job", JOBS)
def test_a_driver_gets_a_signal(job: str, folder: Path, ended_in: EndedIn) -> None:
    for number, (status, line) in ENDS.items():
        mark = f"{job}-{number.name}"
        (folder / "flag").unlink(missing_ok=True)
        (folder / "hold").touch()
        driver = _start(folder, job, mark)
        wait_for(lambda driver=driver: (folder / "flag").exists() or driver.poll() is not None)
        assert driver.poll() is None, driver.communicate()
        driver.send_signal(number)
        said = time.monotonic()
        _, errors = driver.communicate()
        assert driver.returncode == status, errors
        wait_for(lambda mark=mark, said=said: not _with_mark(mark) or time.monotonic() > said + LIMIT)
        left = [Path(f"/proc/{process}/cmdline").read_text()[:120] for process in _with_mark(mark)]
        assert not left, left
        assert time.monotonic() - said < LIMIT
        if line:
            assert errors.splitlines()[-1].startswith(f"lacuna {job}: {line}"), errors
            assert errors.endswith("; the same command resumes from here\n")
            assert "Traceback" not in errors
            assert not list((folder / "tmp").glob("lacuna-ray-*"))
    (folder / "hold").unlink()
    driver = _start(folder, job, f"{job}-again")
    _, errors = driver.communicate()
    assert driver.returncode == 0, errors
    assert not list((folder / "tmp").glob("lacuna-ray-*"))  # nor those of the one that was killed
    ended_in("143, 130, -9; no process after 15 s; the same command ends whole")


UNDISTURBED = """
import importlib, json, sys
from jobs.runtime.session import shared_ray

with shared_ray():
    for job, words in json.loads(sys.argv[1]):
        sys.argv[1:] = words
        assert importlib.import_module(f"jobs.{job}").main() == 0, job
"""


def test_the_root_holds_what_undisturbed_runs_leave(folder: Path) -> None:
    runs = [("ingest", _reference(folder, "clean")), *((job, _words(folder, job, "clean")) for job in JOBS)]
    done = subprocess.run([sys.executable, "-c", UNDISTURBED, json.dumps(runs)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, wanted = (_results(folder / name) for name in ("root", "clean"))
    assert len(wanted) >= 12, sorted(wanted)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == []


def _results(root: Path) -> dict[str, Any]:
    """Every table, model and number of a root, without the times they took: vectors and weights byte for byte."""
    files: dict[str, Any] = {str(path): path.read_bytes() for path in root.rglob("model.pt")}
    for path in root.rglob("*.parquet"):
        table = pq.read_table(path, partitioning=None).replace_schema_metadata(None)  # which has the digests of checkpoints with times
        files[str(path)] = table.select([name for name in table.column_names if name != "seconds"])
    for path in root.rglob("metrics.json"):
        files[str(path)] = {name: value for name, value in json.loads(path.read_text()).items() if name in ("gap", "alignment", "pairs")}
    return {name.removeprefix(str(root)): content for name, content in files.items()}
