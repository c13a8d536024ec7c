"""`sweeps/<name>/sweep.json`: every cell of a sweep with its state, values and numbers; later cells of the same name join it.

    schema, name, job, keys, objective, cells: [cell, values, names, overrides, state, root, line | error, seconds, numbers, inputs]

A state is running, whole, part (the job lacks something), failed or interrupted. A cell that was killed stays running.
"""

import math
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from tda.store.documents import document_if_whole
from tda.store.files import exists
from tda.store.paths import RootPaths
from tda.store.update import update_json

SCHEMA = 1
_writing = threading.Lock()


class SweepRecord:
    """The file of one sweep, written as soon as the root exists."""

    def __init__(self, root: str, name: str, head: Mapping[str, Any]) -> None:
        self.root, self.name, self.head = root, name, {"schema": SCHEMA, "name": name, **head}
        self.url = RootPaths(root).sweep(name)
        self._own = dict[str, dict[str, Any]]()

    def cells(self) -> dict[str, dict[str, Any]]:
        """Entry of each cell by its name: of this command, over those of earlier ones."""
        return _by_name(_of_schema(document_if_whole(self.url))) | self._own

    def folder(self, cell: str) -> str:
        """Where a cell has a copy of its entry, `cell.json`, and its results if they have no other place."""
        return RootPaths(self.root).sweep_cell(self.name, cell)

    def put(self, entry: dict[str, Any]) -> None:
        """Add or replace a cell. Cells that others have added meanwhile stay."""
        with _writing:
            self._own[entry["cell"]] = entry
            if exists(self.root):
                update_json(self.url, self._with_own)

    def _with_own(self, now: dict[str, Any] | None) -> dict[str, Any]:
        stored = _of_schema(now or {})
        cells = _by_name(stored) | self._own
        keys = list(dict.fromkeys([*stored.get("keys", []), *self.head["keys"]]))
        return {**self.head, "keys": keys, "cells": [cells[name] for name in sorted(cells, key=_by_values(cells))]}


def _by_name(stored: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["cell"]: entry for entry in stored.get("cells", [])}


def _of_schema(found: dict[str, Any]) -> dict[str, Any]:
    return found if found.get("schema") == SCHEMA else {}


def _by_values(cells: Mapping[str, Mapping[str, Any]]) -> Any:
    def place(name: str) -> Any:
        values = cells[name]["values"].values()
        return [(0, value, "") if _is_number(value) else (1, 0, str(value)) for value in values], name

    return place


def flat(found: Any, prefix: str = "") -> dict[str, float]:
    """The numbers of nested mappings by their dotted path; lists, texts and what is not finite are left out."""
    return dict(_leaves(found, prefix))


def _leaves(found: Any, prefix: str) -> Iterator[tuple[str, float]]:
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    elif _is_number(found):
        yield prefix, found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
