"""`sweep.json`: cells join those of earlier commands, and only numbers are numbers."""

import json
import multiprocessing
from pathlib import Path
from typing import Any

from jobs.runtime.sweeps.record import SweepRecord, flat
from tda.store.verify.contents import Contents


def entry(cell: str, k: int | str, state: str = "whole") -> dict[str, Any]:
    return {"cell": cell, "values": {"k": k}, "state": state}


def record(root: Path, *keys: str) -> SweepRecord:
    return SweepRecord(str(root), "s", {"job": "analyze", "keys": list(keys), "objective": None})


def test_cells_of_two_commands_join(tmp_path: Path) -> None:
    first, second = record(tmp_path, "k"), record(tmp_path, "k", "seed")
    first.put(entry("b", 10))
    second.put(entry("a", 9))
    first.put(entry("c", "auto"))
    second.put(entry("b", 10, "failed"))
    found = json.loads((tmp_path / "sweeps/s/sweep.json").read_text())
    assert (found["schema"], found["name"], found["job"], found["keys"]) == (1, "s", "analyze", ["k", "seed"])
    assert [(cell["cell"], cell["state"]) for cell in found["cells"]] == [("a", "whole"), ("b", "failed"), ("c", "whole")], "by value"
    assert list(first.cells()) == ["a", "b", "c"]


def put_many(root: Path, first: int) -> None:
    one = record(root, "k")
    for k in range(first, first + 10):
        one.put(entry(f"c{k}", k))


def test_cells_of_commands_at_once_are_all_there_and_verified(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=put_many, args=(tmp_path, first)) for first in (0, 10, 20)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    file = tmp_path / "sweeps/s/sweep.json"
    assert [cell["values"]["k"] for cell in json.loads(file.read_text())["cells"]] == list(range(30))
    assert list(Contents().check(str(tmp_path))) == []
    file.write_text(file.read_text().replace("whole", "wrong", 1))
    assert [line for line in Contents().check(str(tmp_path)) if str(file) in line], "a changed state is named"


def test_no_root_is_made_and_damage_is_begun_anew(tmp_path: Path) -> None:
    gone = record(tmp_path / "gone")
    gone.put(entry("a", 1))
    assert not (tmp_path / "gone").exists()
    assert list(gone.cells()) == ["a"]
    file = tmp_path / "sweeps/s/sweep.json"
    for text in ("{", '{"schema": 9, "cells": [{"cell": "x"}]}', "[]"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        record(tmp_path).put(entry("a", 1))
        assert [cell["cell"] for cell in json.loads(file.read_text())["cells"]] == ["a"]


def test_numbers_by_their_path() -> None:
    found = {"gap": {"value": 1, "name": "x", "nothing": None, "sure": True}, "list": [1, 2], "bad": float("nan"), "top": {"a": {"b": 0.5}}}
    assert flat(found) == {"gap.value": 1, "top.a.b": 0.5}
    assert flat({"a": 1}, "e") == {"e.a": 1}
