"""All that `jobs.status` shows, as one document of plain values: `survey`."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jobs.inventory.cells import find_cells, read_cell
from jobs.inventory.next_steps import next_steps
from jobs.inventory.others import newest, read_models, read_report, read_sweeps, read_watched
from jobs.inventory.reading import Reader
from jobs.inventory.runs import Run, read_runs
from tda.store.top_folders import top_folders

SCHEMA = 1
THREADS = 16  # hide the latency of a store
SHOWN_RUNS = 20


def survey(root: str) -> dict[str, Any]:
    """What is in a root. Raises UserError where there is none.

    Calls: one listing for each folder of (data set, encoder), of its records, and of its closest rows of a reference, and one reading for
    each small document. No shard and no record is read.
    """
    now, reader, tops = time.time(), Reader(root), top_folders(root)
    runs, unread = read_runs(reader, now) if "runs" in tops else ([], 0)
    reported = read_report(reader) if "report" in tops else 0.0
    with ThreadPoolExecutor(THREADS) as pool:
        cells = list(pool.map(lambda names: read_cell(reader, tops, runs, names, reported), find_cells(reader, tops)))
    models = read_models(reader, runs) if "models" in tops else []
    watched = read_watched(reader) if "watch" in tops else []
    sweeps = read_sweeps(reader) if "sweeps" in tops else []
    changed = newest([reported, *(one["changed"] for one in [*cells, *models, *watched]), *(run.changed for run in runs)])
    found = {
        "schema": SCHEMA,
        "root": root,
        "last_sign_seconds": _age(changed, now),
        "cells": cells,
        "models": models,
        "watched": watched,
        "sweeps": sweeps,
        "report": {"written": bool(reported), "age_seconds": _age(reported, now)},
        "runs": [_plain(run, now) for run in _shown(runs)],
        "runs_without_sign": unread,
        "damaged": sorted(reader.damaged),
    }
    steps = next_steps(reader, found, runs)
    return _aged(found, now) | {"next": steps, "calls": {"listings": reader.listings + 1, "reads": reader.reads}}


def _shown(runs: Sequence[Run]) -> list[Run]:
    """Those that run, then the last ones."""
    return sorted(runs, key=lambda run: run.state != "running")[:SHOWN_RUNS]


def _plain(run: Run, now: float) -> dict[str, Any]:
    shown = {"run": run.name, "job": run.job, "state": run.state, "line": run.line, "host": run.host, "pid": run.pid}
    return shown | {"last_sign_seconds": _age(run.changed, now)}


def _age(changed: float, now: float) -> int | None:
    """Seconds since a change; 0 for one in the future, by a clock that is ahead of this one."""
    return max(0, round(now - changed)) if changed else None


def _aged(found: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Ages in place of times."""

    def aged(row: dict[str, Any]) -> dict[str, Any]:
        return {**{key: value for key, value in row.items() if key != "changed"}, "last_sign_seconds": _age(row["changed"], now)}

    made = {key: [aged(row) for row in found[key]] for key in ("cells", "models", "watched")}
    for cell in made["cells"]:
        cell["analysed"] = cell["analysed"] and {key: value for key, value in cell["analysed"].items() if key != "changed"}
    return {**found, **made}
