"""What a command prints: the line of each result, the line of each error, and, with --json, a last line for programs."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import NoReturn

STATES = {0: "whole", 1: "not whole", 2: "refused", 130: "stopped", 143: "stopped"}


@dataclass
class Printed:
    """Of the command that runs."""

    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    places: dict[str, None] = field(default_factory=dict)


_printed = Printed()
_programs = False  # whether the command that runs ends with a line for programs


def begin(*, programs: bool = False) -> None:
    """Forget what an earlier command of this process printed. `programs`: the command ends with a line for programs."""
    global _printed, _programs
    _printed, _programs = Printed(), programs


def note_result(numbers: Mapping[str, float], places: Iterable[str]) -> None:
    """Add numbers, by dotted path, and places to the last line for programs."""
    _printed.numbers.update(numbers)
    _printed.places.update(dict.fromkeys(places))


def print_result(line: str) -> None:
    """Print the line of a result. A reader that has gone away changes nothing about the work."""
    _printed.lines.append(line)
    unless_closed(lambda: print(line, flush=True))


def print_error(job: str, message: str) -> None:
    """Print `message` as one line on standard error."""
    _printed.errors.append(line := " ".join(message.split()))
    with suppress(OSError, ValueError):  # nobody reads it any more
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        print(f"lacuna {job}: {line}", file=sys.stderr, flush=True)


def print_for_programs(job: str, status: int) -> None:
    """Print a JSON object, where it was asked for: job, state, status, lines, errors, numbers, places."""
    if not _programs:
        return
    found = {"job": job, "state": STATES.get(status, "not whole"), "status": status, **asdict(_printed), "places": list(_printed.places)}
    unless_closed(lambda: print(json.dumps(found), flush=True))


def end_process(job: str, status: int) -> NoReturn:
    """End this process at once, from any thread; the last line for programs is still printed."""
    print_for_programs(job, status)
    os._exit(status)


def unless_closed(write: Callable[[], None]) -> None:
    """Write to standard output. Once its reader is gone, as with `| head`, all further output is dropped, also that of Python's own end."""
    try:
        write()
    except BrokenPipeError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
