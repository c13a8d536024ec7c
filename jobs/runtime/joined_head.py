"""The head of a cluster that was joined: a lost one is one line, instead of Ray's own end.

Without its head a cluster does no work. Ray ends a driver 60 seconds after the head was lost, without a line that names it.
"""

import socket
import threading
import time
from collections.abc import Callable

from jobs.runtime.command_line.stopping import end_now

MOST_SECONDS = 45.0  # Ray ends everything after 60
LOOK_EVERY = 1.0  # seconds
EXIT_LOST = 1


class HeadWatch:
    """Looks whether the head at `address` (HOST:PORT) accepts connections, and calls `lost` with a line when it has not for too long."""

    def __init__(self, address: str, wait_seconds: float, lost: Callable[[str], None] | None = None) -> None:
        self.address, self.seconds, self._lost = address, min(wait_seconds, MOST_SECONDS), lost or _end
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="head-watch")
        self._thread.start()

    def end(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        seen = time.monotonic()
        while not self._ended.wait(LOOK_EVERY):
            if accepts(self.address):
                seen = time.monotonic()
            elif time.monotonic() - seen >= self.seconds:
                self._lost(f"the head of the cluster at {self.address} is lost: no answer for {self.seconds:g} s")
                return


def accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def _end(line: str) -> None:
    """Nothing of Ray answers any more, its shutdown included."""
    end_now(line, EXIT_LOST)
