"""Roots for `jobs.status`: records, documents and the signs of runs as files, without their bytes."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.runtime.owner import owner

GONE = {**owner(), "started": "1"}  # this machine, a process that has ended
ELSEWHERE = {**owner(), "machine": "elsewhere", "host": "node7"}


def records(root: Path, dataset: str, encoder: str, count: int) -> None:
    folder = root / "embeddings" / dataset / encoder / "_records"
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (folder / f"{i:05d}.json").write_text("{}")


def document(root: Path, name: str, content: Mapping[str, Any] | str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def joined(root: Path, dataset: str, encoder: str, reference: str, count: int, *, audited: bool = True) -> None:
    for i in range(count):
        document(root, f"nearest/{dataset}/{encoder}/{reference}/_records/{i:05d}.json", "{}")
    if audited:
        document(root, f"nearest/{dataset}/{encoder}/{reference}/audit.json", "{}")


def work(dataset: str = "d", encoder: str = "e", **fields: Any) -> dict[str, Any]:
    plain = {
        "stage": "embed",
        "dataset": dataset,
        "encoders": [encoder],
        "reference": "",
        "total": 5,
        "before": 0,
        "done": 2,
        "pairs": 200,
        "seconds": 4.0,
        "running": [],
        "running_count": 0,
        "failed": 0,
        "failures": [],
    }
    return plain | fields


def ran(root: Path, run: str, state: str, *pieces: Mapping[str, Any], age: float = 0, **fields: Any) -> Path:
    """The sign of a run; `age`: seconds since it was written."""
    job = run.partition("-")[0]
    plain = {"schema": 1, "run": run, "job": job, "state": state, "line": "", "every": 15.0, "owner": owner(), "work": list(pieces)}
    path = document(root, f"runs/{run}/progress.json", plain | fields)
    now = path.stat().st_mtime
    os.utime(path, (now - age, now - age))
    if not (path.parent / "config.yaml").exists():
        (path.parent / "config.yaml").write_text(
            f"job: {job}\noverrides:\n- dataset.name='d'\n- dataset.shards='/data/{{0..4}}.tar'\n- root=here\n"
        )
    return path
