"""Models in training, watched checkpoints, sweeps and the report of a root."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from jobs.inventory.reading import Reader
from jobs.inventory.runs import Run, pieces_of
from jobs.watching.ledger import Entry

STEP = re.compile(r"step_(\d+)\.json")
SHOWN = 20  # faults that are listed with their reasons


def read_models(reader: Reader, runs: list[Run]) -> list[dict[str, Any]]:
    """The models of `jobs.train`: whole, or the last step that is kept."""
    found = []
    for encoder in reader.folders("models"):
        files = reader.files("models", encoder)
        steps = [int(match[1]) for name in files if (match := STEP.fullmatch(name))]
        work = pieces_of(runs, "train", "", encoder)
        live = [piece for run, piece in work if run.state == "running"]
        state = "whole" if "model.json" in files else "running" if live else "part"
        found.append(
            {
                "encoder": encoder,
                "state": state,
                "step": max([*steps, *(piece.done for piece in live)], default=None),
                "of": work[0][1].total if work else None,
                "changed": max(files.values(), default=0.0),
            }
        )
    return found


def read_watched(reader: Reader) -> list[dict[str, Any]]:
    """Watched training runs: their checkpoints by state, from the names of the ledger's files; reasons from `checkpoints.json`."""
    found = []
    for name in reader.folders("watch"):
        files = reader.below("watch", name)
        rows = _rows(reader, name) if "checkpoints.json" in files else {}
        states = _checkpoint_states(files, rows)
        faults = [{"checkpoint": label, "state": state, "reason": rows.get(label, {}).get("reason", "")} for label, state in states.items()]
        wanted = ("failed", "given up", "refused", "vanished")
        found.append(
            {
                "name": name,
                "checkpoints": len(states),
                "states": dict(Counter(states.values())),
                "faults": [fault for fault in faults if fault["state"] in wanted][:SHOWN],
                "changed": max(files.values(), default=0.0),
            }
        )
    return found


def _rows(reader: Reader, name: str) -> dict[str, dict[str, Any]]:
    found = (reader.document("watch", name, "checkpoints.json") or {}).get("checkpoints")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    return {str(row.get("label")): row for row in rows}


def _checkpoint_states(files: Mapping[str, float], rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """State of each checkpoint: of the entry in its folder that changed last."""
    entries = dict[str, dict[str, dict[str, float]]]()  # checkpoint -> key -> its files
    for path, at in files.items():
        label, _, rest = path.partition("/")
        if rest and label[0] != "_":
            key, _, file = rest.rpartition("/")
            entries.setdefault(label, {}).setdefault(key, {})[file] = at
    return {label: _checkpoint_state(keys, str(rows.get(label, {}).get("state", ""))) for label, keys in sorted(entries.items())}


def _checkpoint_state(keys: Mapping[str, Mapping[str, float]], published: str) -> str:
    work = {key: names for key, names in keys.items() if key}
    if not work:
        return "vanished" if "vanished.json" in keys.get("", {}) else published or "waiting"
    last = max(work, key=lambda key: max(work[key].values()))
    state = Entry(frozenset(work[last])).state
    return published if state == "failed" and published == "given up" else state


def read_sweeps(reader: Reader) -> list[dict[str, Any]]:
    """Sweeps: their cells by state, and those that are not whole by their values."""
    found = []
    for name in reader.folders("sweeps"):
        sweep = reader.document("sweeps", name, "sweep.json")
        cells = sweep.get("cells") if sweep else None
        cells = [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []
        if sweep is not None:
            states = Counter(str(cell.get("state")) for cell in cells)
            faults = [{"values": cell.get("values"), "state": cell.get("state"), "error": cell.get("error")} for cell in cells]
            wanted = [fault for fault in faults if fault["state"] != "whole"][:SHOWN]
            found.append({"name": name, "job": sweep.get("job"), "cells": len(cells), "states": dict(states), "not_whole": wanted})
    return found


def read_report(reader: Reader) -> float:
    """When the report was written; 0 if it was not."""
    return reader.files("report").get("index.html", 0.0)


def newest(times: Iterable[float]) -> float:
    return max(times, default=0.0)
