"""Follows a job until it has ended: its log as it grows, and its end from its status alone.

The stream of a log can end while the job runs, and a head can be away for a while. Both are tried again. What was printed is not printed
again, as a stream begins at the beginning of the log.
"""

import asyncio
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from jobs.submission.client import Jobs, NotReachedError, UnknownJobError
from tda.errors import LacunaError

ENDED = frozenset(("SUCCEEDED", "FAILED", "STOPPED"))
RECONNECT = 1.0  # seconds between two streams
LAST_LINES = 5.0  # seconds that a stream has to end after its job


class Log:
    """The log of a job, printed once."""

    def __init__(self, jobs: Jobs, job_id: str) -> None:
        self.jobs, self.job_id = jobs, job_id
        self._printed = 0  # characters
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Print what the stream left out. A log whose node is gone ends where it was."""
        self._ended.set()
        self._thread.join(LAST_LINES)
        if not self._thread.is_alive():
            with suppress(LacunaError):
                self._show(0, self.jobs.logs(self.job_id))

    def _run(self) -> None:
        while True:
            with suppress(Exception):  # of any layer of the connection: the status decides, not the log
                asyncio.run(self._stream())
            if self._ended.wait(RECONNECT):
                return

    async def _stream(self) -> None:
        seen = 0
        async for piece in self.jobs.tail(self.job_id):
            self._show(seen, piece)
            seen += len(piece)

    def _show(self, start: int, piece: str) -> None:
        """Print what of `piece`, which begins at character `start` of the log, is new."""
        fresh = piece[max(0, self._printed - start) :]
        if fresh:
            print(fresh, end="", flush=True)
            self._printed = start + len(piece)


def ended(jobs: Jobs, job_id: str, wait_seconds: float, poll_seconds: float) -> Any:
    """Print the log of a job until it ends, and return its details.

    Raises LacunaError if the cluster does not answer for `wait_seconds`, or no longer knows the job.
    """
    log = Log(jobs, job_id)
    found = await_end(jobs, job_id, wait_seconds, poll_seconds)
    log.finish()
    return found


def await_end(jobs: Jobs, job_id: str, wait_seconds: float, poll_seconds: float) -> Any:
    """The details of a job that has ended."""
    lost: float | None = None  # since when
    while True:
        try:
            found = jobs.details(job_id)
        except NotReachedError as error:
            lost = _still_lost(lost, error, job_id, wait_seconds)
        except UnknownJobError:
            raise LacunaError(f"{jobs.url} no longer knows job {job_id}: its head was restarted; the same command submits again") from None
        else:
            lost = None
            if status(found) in ENDED:
                return found
        time.sleep(poll_seconds)


def _still_lost(since: float | None, error: NotReachedError, job_id: str, wait_seconds: float) -> float:
    now = time.monotonic()
    if since is None:
        print(f"lacuna submit: {error}; trying for {wait_seconds:g} s", file=sys.stderr, flush=True)
        since = now
    if now - since >= wait_seconds:
        raise LacunaError(f"the head of the cluster is lost: no answer for {wait_seconds:g} s; the same command attaches to {job_id} again")
    return since


def status(details: Any) -> str:
    """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
    return str(getattr(details.status, "value", details.status))
