"""Whether the watcher that holds an attempt is alive: it writes a growing number, and others look whether it grows.

No two clocks are compared: each watcher measures by its own how long a number has stood still.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tda.store.files import publish_json, read_json

BEATS = 4  # a lease


def owner() -> dict[str, Any]:
    """This process, as others can recognise it: by its machine, id and start."""
    return {
        "machine": _machine(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "id": uuid.uuid4().hex,
    }


def is_dead(holder: dict[str, Any]) -> bool:
    """Whether it ran on this machine and has ended. False where that cannot be known."""
    machine = _machine()
    if not machine or holder.get("machine") != machine:
        return False
    return _started(int(holder.get("pid", 0))) != holder.get("started")


def _machine() -> str:
    """Identifies the running system and its space of process ids; empty where it is not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


@contextmanager
def beating(url: str, lease_seconds: float) -> Iterator[None]:
    """Write a growing number to `url` inside the block."""
    ended = threading.Event()

    def beat() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            with suppress(Exception):  # a store that fails for a moment: the next beat is soon
                publish_json(url, {"beat": number})
            ended.wait(lease_seconds / BEATS)

    thread = threading.Thread(target=beat, daemon=True, name="watch-lease")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class Leases:
    """The leases of other watchers, by the address of their numbers."""

    def __init__(self, lease_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self._clock = lease_seconds, clock
        self._seen: dict[str, tuple[Any, float, bool]] = {}  # last number, since when, whether it ever grew

    def lost(self, url: str) -> bool:
        """Whether the number has stood still for a lease."""
        try:
            number = read_json(url).get("beat")
        except (FileNotFoundError, ValueError, AttributeError):
            number = None
        before = self._seen.get(url)
        if before is None or before[0] != number:
            self._seen[url] = (number, self._clock(), before is not None)
            return False
        return self._clock() - before[1] >= self.seconds

    def alive(self, url: str) -> bool:
        """Whether it was seen to grow, and not lost since."""
        found = self._seen.get(url)
        return found is not None and found[2] and self._clock() - found[1] < self.seconds
