"""The cells of one command with `-m`: run one after the other or side by side, recorded in `sweep.json`, and listed in a closing table."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from omegaconf import DictConfig, OmegaConf

from jobs.runtime.run_record import without_secrets_in_words
from jobs.runtime.session import ray_session, sharing
from jobs.runtime.sweeps.cells import Cell, cell_of, default_name, swept_keys, working_on
from jobs.runtime.sweeps.record import SweepRecord
from jobs.runtime.sweeps.table import closing_lines
from tda.config.sweeps import MultirunConfig
from tda.errors import LacunaError
from tda.store.documents import sealed
from tda.store.files import exists, publish_json

WHOLE, PART, FAILED, RUNNING, INTERRUPTED = "whole", "part", "failed", "running", "interrupted"
running: ContextVar["Sweep | None"] = ContextVar("sweep", default=None)


@dataclass(kw_only=True)
class Attempt:
    """What became of a job: its exit status, its last line or its error, its numbers."""

    status: int
    line: str = ""
    error: str = ""
    numbers: dict[str, float] = field(default_factory=dict)


@contextmanager
def in_sweep(sweep: "Sweep | None") -> Iterator[None]:
    """The launcher hands its cells to this sweep inside the block."""
    token = running.set(sweep)
    try:
        yield
    finally:
        running.reset(token)


Composed = tuple[Sequence[str], DictConfig]  # the overrides of a cell, and its configuration
Run = Callable[[DictConfig, Cell], Attempt]
Inputs = Callable[[DictConfig, Cell], str | None]


class Sweep:
    """One command with `-m`. `run` runs the job of a cell; `inputs` identifies what it reads, None where only the job itself knows."""

    def __init__(self, job: str, words: Sequence[str], run: Run, inputs: Inputs) -> None:
        self.job, self.words, self.run, self.inputs = job, words, run, inputs
        self.entries = dict[str, dict[str, Any]]()  # of this command, by cell
        self.order = dict[str, None]()  # names of the cells, as they were asked for
        self.kept = 0  # whole before this command
        self.statuses = list[int]()
        self.record: SweepRecord | None = None
        self._settings = MultirunConfig()
        self._keys = list[str]()

    def launch(self, batch: Sequence[Composed], params: Sequence[str] = ()) -> list[float | None]:
        """Run the cells of a batch; returns the objective of each, in order, None where there is none."""
        cells = [self._cell(overrides, config, params) for overrides, config in batch]
        todo = [(cell, config) for cell, (_, config) in zip(cells, batch, strict=True) if not self._stands(cell, config)]
        if self._settings.parallel > 1 and len(todo) > 1:
            self._side_by_side(todo)
        else:
            for cell, config in todo:
                self._run(cell, config)
        return [self._objective(cell) for cell in cells]

    @property
    def whole(self) -> int:
        return sum(entry["state"] == WHOLE for entry in self.entries.values())

    def lines(self) -> list[str]:
        """The closing table, and how many cells are whole."""
        return closing_lines(
            [self.entries[name] for name in self.order if name in self.entries], self._keys, self._settings.objective, self.kept
        )

    def _cell(self, overrides: Sequence[str], config: DictConfig, params: Sequence[str]) -> Cell:
        settings: Any = OmegaConf.to_object(config.sweep)
        self._settings = settings
        keys = swept_keys([*params, *self.words])
        cell = cell_of(self.job, config, overrides, keys, settings.name)
        self._keys = list(dict.fromkeys([*self._keys, *cell.values]))
        self.order[cell.name] = None
        if self.record is None:
            name = settings.name or default_name(self.job, list(cell.values))
            self.record = SweepRecord(str(config.root), name, {"job": self.job, "keys": self._keys, "objective": settings.objective})
        return cell

    def _stands(self, cell: Cell, config: DictConfig) -> bool:
        """Whether the cell is whole from an earlier command, with the same inputs."""
        assert self.record is not None
        entry = self.entries.get(cell.name) or self.record.cells().get(cell.name)
        if entry is None or entry["state"] != WHOLE or (inputs := self._inputs(cell, config)) is None or entry["inputs"] != inputs:
            return False
        self.kept += cell.name not in self.entries
        self.entries[cell.name] = entry
        return True

    def _inputs(self, cell: Cell, config: DictConfig) -> str | None:
        try:
            return self.inputs(config, cell)
        except (LacunaError, OSError):  # nothing to read: the job will say so
            return None

    def _side_by_side(self, todo: Sequence[tuple[Cell, DictConfig]]) -> None:
        """The first cell of each data set and encoder goes first, for the others to take over what it found."""
        leaders = {str(cell.names): cell.name for cell, _ in reversed(todo)}.values()
        phases = [[one for one in todo if (one[0].name in leaders) == first] for first in (True, False)]
        with ExitStack() as stack:
            if "cluster" in todo[0][1]:
                cluster: Any = OmegaConf.to_object(todo[0][1].cluster)
                stack.enter_context(ray_session(cluster))
            stack.enter_context(sharing(min(self._settings.parallel, len(todo))))
            for phase in phases:
                self._in_threads(phase)

    def _in_threads(self, todo: Sequence[tuple[Cell, DictConfig]]) -> None:
        waiting, errors = list(reversed(todo)), list[BaseException]()

        def work() -> None:
            while waiting and not errors:
                cell, config = waiting.pop()
                try:
                    self._run(cell, config)
                except BaseException as error:  # noqa: BLE001 (raised again where the command waits)
                    errors.append(error)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(self._settings.parallel, len(todo)))]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                threads[0].join(0.1) if threads[0].is_alive() else time.sleep(0.1)
        except BaseException:
            waiting.clear()
            for entry in [one for one in self.entries.values() if one["state"] == RUNNING]:
                self._put(entry | {"state": INTERRUPTED})
            raise
        if errors:
            raise errors[0]

    def _run(self, cell: Cell, config: DictConfig) -> None:
        entry = {
            "cell": cell.name,
            "values": dict(cell.values),
            "names": dict(cell.names),
            "overrides": [without_secrets_in_words(word) for word in cell.overrides],
            "root": None if cell.root == str(config.root) else cell.root,
            "inputs": None,
        }
        self._put(entry | {"state": RUNNING})
        began = time.monotonic()
        try:
            with working_on(cell):
                done = self.run(config, cell)
        except BaseException:
            self._put(entry | {"state": INTERRUPTED})
            raise
        entry |= self._result(done) | {"seconds": round(time.monotonic() - began, 3), "inputs": self._inputs(cell, config)}
        self._put(entry)
        self.statuses.append(done.status if entry["state"] != FAILED else done.status or 1)
        assert self.record is not None
        if entry["state"] == WHOLE and exists(str(config.root)):
            publish_json(f"{self.record.folder(cell.name)}/cell.json", sealed({"schema": 1, **entry}))

    def _result(self, done: Attempt) -> dict[str, Any]:
        objective = self._settings.objective
        if not done.error and objective is not None and objective not in done.numbers:
            near = get_close_matches(objective, done.numbers, n=3, cutoff=0.3)
            hint = f"; there are {', '.join(near)}" if near else ""
            done.error = f"sweep.objective={objective} is no number of this cell{hint}"
        if done.error:
            return {"state": FAILED, "error": " ".join(done.error.split()), "numbers": done.numbers}
        return {"state": PART if done.status else WHOLE, "line": done.line, "numbers": done.numbers}

    def _put(self, entry: dict[str, Any]) -> None:
        assert self.record is not None
        self.entries[entry["cell"]] = entry
        self.record.put(entry)

    def _objective(self, cell: Cell) -> float | None:
        objective = self._settings.objective
        entry = self.entries[cell.name]
        return None if objective is None or entry["state"] != WHOLE else entry.get("numbers", {}).get(objective)
