"""The commands that worked on a root, by their `progress.json`: which run now, which ended and how, and what each had to do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.inventory.reading import Reader
from jobs.runtime.owner import is_alive, is_dead

NEWEST = 200  # runs that are read, the newest; a sweep leaves thousands
SILENT = 4  # beats without which a run elsewhere counts as lost


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A run's work on one data set under one encoder."""

    stage: str
    dataset: str
    encoder: str
    reference: str
    total: int
    done: int
    pairs: int
    seconds: float
    running: tuple[str, ...]
    running_count: int
    failures: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. `state`: running, whole, part, failed, interrupted, or lost: it was killed, or its machine is gone."""

    name: str
    job: str
    state: str
    line: str
    changed: float
    host: str
    pid: int
    pieces: tuple[Piece, ...] = field(default=())


def read_runs(reader: Reader, now: float) -> tuple[list[Run], int]:
    """The newest runs, the last one first, and how many others there are that left no sign, or were not read."""
    files = reader.below("runs")
    changed = {name.partition("/")[0]: at for name, at in files.items() if name.count("/") == 1 and name.endswith("/progress.json")}
    folders = {name.partition("/")[0] for name in files if "/" in name}
    newest = sorted(changed, key=lambda name: -changed[name])[:NEWEST]
    runs = []
    for name in newest:
        found = reader.document("runs", name, "progress.json")
        try:
            runs += [_run(name, found, changed[name], now)] if found is not None else []
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reader.name_damaged(f"runs/{name}/progress.json", f"{type(error).__name__}: {error}")
    return runs, len(folders) - len(newest)


def _run(name: str, found: Mapping[str, Any], changed: float, now: float) -> Run:
    owner = dict(found["owner"])
    return Run(
        name=name,
        job=str(found["job"]),
        state=_state(str(found["state"]), owner, now - changed, float(found["every"])),
        line=str(found["line"]),
        changed=changed,
        host=str(owner.get("host", "")),
        pid=int(owner.get("pid", 0)),
        pieces=tuple(piece for work in found["work"] for piece in _pieces(work)),
    )


def _state(state: str, owner: Mapping[str, Any], age: float, every: float) -> str:
    """A process of this machine is looked at; of another it is known how long its file has stood still, by the store's clock."""
    if state != "running" or is_alive(owner):
        return state
    return "lost" if is_dead(owner) or age > SILENT * every else "running"


def _pieces(work: Mapping[str, Any]) -> Iterator[Piece]:
    for encoder in work["encoders"] or [""]:
        yield Piece(
            stage=str(work["stage"]),
            dataset=str(work["dataset"]),
            encoder=str(encoder),
            reference=str(work["reference"]),
            total=int(work["total"]),
            done=int(work["done"]),
            pairs=int(work["pairs"]),
            seconds=float(work["seconds"]),
            running=tuple(map(str, work["running"])),
            running_count=int(work["running_count"]),
            failures={str(shard): str(reason) for shard, reason in work["failures"]},
        )


def pieces_of(runs: list[Run], stage: str, dataset: str, encoder: str) -> list[tuple[Run, Piece]]:
    """The work of this stage on a data set under an encoder, of the last run first."""
    names = (stage, dataset, encoder)
    return [(run, piece) for run in runs for piece in run.pieces if (piece.stage, piece.dataset, piece.encoder) == names]
