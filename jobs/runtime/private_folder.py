"""The private folder of a Ray that is started here: mode 0700, removed with it.

A small process waits for the end of the driver, kill -9 included. Then it kills what is left of this Ray, which it knows by a mark in the
environment or an open log, and removes the folder: Ray's agent would stay for a minute, a worker until its task ends. The owner also
holds a lock on the folder, which the kernel releases: the next start finds folders that nobody has removed.
"""

import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tda.errors import UserError

PREFIX = "lacuna-ray-"
SOCKET_BYTES = 107 if os.uname().sysname == "Linux" else 103  # the longest path of a Unix socket
BELOW = len("/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store")  # what Ray adds


MARK = "LACUNA_RAY_FOLDER"
WAIT = 10.0  # seconds for the process that removes
REAPER = """
import os, shutil, signal, sys, time
sys.stdin.read()  # ends with the driver
mark = f"{sys.argv[1]}={sys.argv[2]}".encode()
spared = {os.getpid(), int(sys.argv[3])}  # the owner may still have a log of its Ray open

def belongs(process):
    with open(f"{process}/environ", "rb") as environment:  # a process that has set its title has overwritten some of it
        if mark in environment.read().split(b"\\0"):
            return True
    with open(f"{process}/cmdline", "rb") as words:  # open files are looked at only where it may be one of Ray's: they are many
        if b"ray" not in words.read().lower():
            return False
    for file in os.scandir(f"{process}/fd"):
        try:
            if os.readlink(file.path).startswith(f"{sys.argv[2]}/"):
                return True
        except OSError:
            pass
    return False

def marked():
    for process in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
        try:
            if int(process) not in spared and belongs(f"/proc/{process}"):
                yield int(process)
        except OSError:
            pass

for _ in range(50):
    for process in (left := list(marked())):
        try:
            os.kill(process, signal.SIGKILL)
        except OSError:
            pass
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    if not left and not os.path.exists(sys.argv[2]):
        break
    time.sleep(0.1)
"""


class PrivateFolder:
    """A new folder, locked; `remove` removes it, after what is left of the Ray in it."""

    def __init__(self) -> None:
        base = _base()
        sweep(base)
        self.path, self._lock = _locked_folder(base)
        command = [sys.executable, "-I", "-S", "-c", REAPER, MARK, self.path, str(os.getpid())]
        self._reaper = subprocess.Popen(command, stdin=subprocess.PIPE, cwd="/", start_new_session=True)  # noqa: S603 (constant)

    @contextmanager
    def marked(self) -> Iterator[None]:
        """Processes that are started inside the block belong to this Ray."""
        before = os.environ.get(MARK)
        os.environ[MARK] = self.path
        try:
            yield
        finally:
            os.environ.pop(MARK)
            if before is not None:
                os.environ[MARK] = before

    def remove(self) -> None:
        """Remove the folder, after Ray was shut down."""
        with suppress(OSError, subprocess.TimeoutExpired):
            self._reaper.communicate(timeout=WAIT)
        with suppress(OSError):
            os.close(self._lock)


def sweep(base: str) -> None:
    """Remove this user's folders whose owners are dead."""
    for path in _mine(base):
        with suppress(OSError):
            lock = _lock(path)
            try:
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _mine(base: str) -> Iterator[str]:
    for entry in Path(base).glob(f"{PREFIX}*"):
        with suppress(OSError):
            found = entry.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                yield str(entry)


def _base() -> str:
    """The first temporary folder whose name is short enough for Ray's sockets. Raises UserError if none is."""
    longest = SOCKET_BYTES - BELOW - len(f"/{PREFIX}12345678")
    candidates = [tempfile.gettempdir(), os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp"]  # noqa: S108 (the folder in it is private)
    for folder in filter(None, candidates):
        if len(os.fsencode(folder)) <= longest and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise UserError(f"TMPDIR={candidates[0]} is longer than {longest} bytes or cannot be written: Ray's sockets need a shorter one")


def _locked_folder(base: str) -> tuple[str, int]:
    """A folder that no sweep has taken between its making and its lock."""
    while True:
        path = tempfile.mkdtemp(prefix=PREFIX, dir=base)
        try:
            lock = _lock(path)
        except OSError:
            continue
        if Path(path).exists():
            return path, lock
        os.close(lock)


def _lock(path: str) -> int:
    """Raises OSError where another process has the lock, or the folder is gone."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
