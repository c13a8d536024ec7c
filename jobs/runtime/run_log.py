"""The log of a run: `<root>/runs/<run id>/log.jsonl`, a JSON object a line: time, level, run, job, message, shard, actor (by Ray's id).

Every line that the command prints on standard error goes there, and what has no line: start, failed shards, result, tracebacks. It is
written with the run's progress, also on failure, and holds `MOST` lines: the first ones and the last. The log of the run before is
`log.previous.jsonl`. With `log=json` on the command line, standard error itself has these lines.
"""

import io
import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

FIRST, LAST = 500, 4500  # lines that are kept
LONGEST = 4000  # characters of a message


class RunLog:
    """The lines of one run. Any thread may add to it."""

    def __init__(self, job: str) -> None:
        self.job, self.changed = job, False
        self._first, self._last, self._count = list[dict[str, Any]](), deque[dict[str, Any]](maxlen=LAST), 0
        self._adding = threading.Lock()

    def add(self, message: str, level: str = "info", **fields: str) -> None:
        entry = record(self.job, message, level, **fields)
        with self._adding:
            self._count, self.changed = self._count + 1, True
            (self._first if len(self._first) < FIRST else self._last).append(entry)

    def data(self, run: str, hide: Callable[[str], str]) -> bytes:
        """The file: without secrets, and with one line for those that were left out."""
        with self._adding:
            self.changed = False
            left_out = self._count - len(self._first) - len(self._last)
            between = [record(self.job, f"{left_out} lines are left out here")] if left_out else []
            entries = [*self._first, *between, *self._last]
        lines = [json.dumps({**entry, "run": run, "message": hide(entry["message"])}) for entry in entries]
        return "".join(f"{line}\n" for line in lines).encode()


def record(job: str, message: str, level: str = "info", **fields: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"time": now, "level": level, "job": job, **fields, "message": message[:LONGEST]}


class _Lines(io.TextIOBase):
    """Standard error that hands each whole line on; with `as_json` it prints a JSON object for each."""

    def __init__(self, stream: TextIO, job: str, sink: Callable[[str], None], *, as_json: bool) -> None:
        self._stream, self._job, self._sink, self._json = stream, job, sink, as_json
        self._part = threading.local()

    def write(self, text: str) -> int:
        *whole, rest = (getattr(self._part, "text", "") + text).split("\n")
        self._part.text = rest
        for line in whole:
            self._take(line)
        if not self._json:
            self._stream.write(text)
        return len(text)

    def _take(self, line: str) -> None:
        if not line.strip():
            return
        if not self.isatty():  # bars on a terminal are no log
            self._sink(line)
        if self._json:
            level = "error" if line.startswith("lacuna ") else "info"
            self._stream.write(json.dumps(record(self._job, line, level)) + "\n")
            self._stream.flush()

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return not self._json and self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property of every text stream
        return self._stream.encoding


@contextmanager
def logged_errors(job: str, sink: Callable[[str], None]) -> Iterator[None]:
    """Inside this block each line on standard error is given to `sink` too. The word `log=json` is taken from the command line."""
    before, words = sys.stderr, sys.argv[1:]
    as_json = "log=json" in words
    sys.argv[1:] = [word for word in words if word not in ("log=json", "log=text")]
    lines: Any = _Lines(before, job, sink, as_json=as_json)
    sys.stderr = lines
    try:
        yield
    finally:
        sys.stderr = before
