"""SIGTERM and Ctrl-C end a job with one line, exit status 143 or 130, and no process left.

The first signal raises KeyboardInterrupt in the main thread, the one exception that Ray passes on from its own loops. A thread sees the
signal too: a job that has not ended after `GRACE` seconds, as in a long call of compiled code, is ended by it. So does a second Ctrl-C.
"""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from jobs.runtime.command_line.output import end_process, print_error

GRACE = 10.0  # seconds; Kubernetes and Slurm kill after 30
STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143}
_KEPT = {
    "embed": "recorded shards are kept",
    "ingest": "recorded shards are kept",
    "nearest": "recorded shards are kept",
    "train": "the last checkpoint of each arm is kept",
    "paper": "finished stages, recorded shards and the last checkpoints are kept",
    "plan": "nothing was changed",
    "watch": "checkpoints that are whole and recorded shards are kept",
    "verify": "nothing but old temporary files was changed",
}
_OTHER = "results of earlier runs are kept"


@dataclass
class _Signal:
    """Of the job that runs: the first signal it got, and whether the main thread was interrupted."""

    first: int | None = None
    raised: bool = False
    handled: bool = False  # by the handler below


_signal = _Signal()
_progress: list[Callable[[], str]] = []  # of the bars that are shown, the innermost last
_instead: list[str] = []  # a job's own last line
_running: list["Stop"] = []  # the job that runs, the innermost last


class Stop:
    """The end of one job: the line is printed once, by the main thread or by the one that watches."""

    def __init__(self, job: str) -> None:
        self.job, self._printed = job, threading.Lock()
        self._ended, (self._read, self._write) = threading.Event(), socket.socketpair()
        self._write.setblocking(False)
        self._thread = threading.Thread(target=self._watch, name="lacuna-stop", daemon=True)

    @property
    def status(self) -> int:
        """The exit status of the signal that was received; Ctrl-C's where none was."""
        return STATUSES[signal.Signals(_signal.first or signal.SIGINT)]

    def complain(self, kept: str = "", why: str = "") -> int:
        """Print the line, unless it was; returns the exit status.

        `kept`: the job's own words on what is kept, and how it goes on. `why`: the reason, if it is no signal.
        """
        if self._printed.acquire(blocking=False):
            print_error(self.job, self._line(kept, why))
        return self.status

    def _line(self, kept: str, why: str) -> str:
        if _instead:
            return _instead[-1]
        how = why or ("interrupted" if self.status == STATUSES[signal.SIGINT] else "stopped by SIGTERM")
        reached = "".join(f"{' '.join(one().split())}; " for one in _progress[-1:])
        if kept:
            return f"{how}; {reached}{kept}"
        return f"{how}; {reached}{_KEPT.get(self.job, _OTHER)}; the same command resumes from here"

    def start(self) -> int:
        """Start to watch; returns the file descriptor that the interpreter writes the number of each signal to."""
        self._thread.start()
        return self._write.fileno()

    def end(self) -> None:
        self._ended.set()
        self._write.close()  # ends the thread's read
        self._thread.join(1.0)
        self._read.close()

    def _watch(self) -> None:
        first = self._next()
        if first is None:
            return
        timer = threading.Timer(GRACE, self._exit)
        timer.daemon = True
        timer.start()
        while (number := self._next()) is not None:
            if number == signal.SIGINT and not self._ended.is_set():
                self._exit()
        timer.cancel()

    def _next(self) -> int | None:
        """The next of our signals; None at the end of the job."""
        while True:
            try:
                number = self._read.recv(1)
            except OSError:
                return None
            if not number:
                return None
            if number[0] in STATUSES:
                _signal.first = _signal.first or number[0]
                return number[0]

    def _exit(self) -> None:
        """End the process; a Ray that was started here ends with it."""
        end_process(self.job, self.complain())


@contextmanager
def stoppable(job: str) -> Iterator[Stop]:
    """Inside this block signals end the job. `Stop.complain` prints its line. Outside of the main thread signals stay as they are."""
    stop = Stop(job)
    _signal.first, _signal.raised = None, False
    _progress.clear()
    _instead.clear()
    _running.append(stop)
    try:
        with _handled(stop):
            yield stop
    finally:
        _running.remove(stop)


@contextmanager
def _handled(stop: Stop) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STATUSES}
    wakeup = signal.set_wakeup_fd(stop.start(), warn_on_full_buffer=False)
    _signal.handled = True
    listen()
    try:
        yield
    finally:
        _signal.handled = False
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        stop.end()


def listen() -> None:
    """Inside `stoppable`, set the handlers; again after a library has replaced them, as Ray does. An ignored Ctrl-C stays ignored."""
    if _signal.handled and threading.current_thread() is threading.main_thread():
        for number in STATUSES:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _interrupt)


def end_now(why: str, status: int) -> NoReturn:
    """End this process from any thread, with one line: `why`, and what is kept. For a job whose own end would wait for what is lost."""
    if not _running:
        print_error("job", why)
        end_process("job", status)
    _running[-1].complain(why=why)
    end_process(_running[-1].job, status)


def received() -> bool:
    """Whether the job that runs was asked to end."""
    return _signal.first is not None


def _interrupt(number: int, _frame: FrameType | None) -> None:
    """The first signal interrupts; later ones do not disturb the end."""
    _signal.first = _signal.first or number
    if not _signal.raised:
        _signal.raised = True
        raise KeyboardInterrupt


@contextmanager
def reached(line: Callable[[], str]) -> Iterator[None]:
    """A job that is stopped inside this block adds `line()` to its last line."""
    _progress.append(line)
    yield
    _progress.remove(line)  # not after an exception: the last line is still to come


@contextmanager
def ends_with(line: str) -> Iterator[None]:
    """A job that is stopped inside this block has this last line."""
    _instead.append(line)
    yield
    _instead.remove(line)  # as above
