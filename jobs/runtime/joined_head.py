"""The head of a cluster that was joined: refused tokens by their name, and a lost head as one line instead of Ray's own end.

Without its head a cluster does no work. Ray ends a driver 60 seconds after the head was lost, without a line that names it.
"""

import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST_SECONDS = 45.0  # Ray ends everything after 60
LOOK_EVERY = 1.0  # seconds
EXIT_LOST = 1
_REFUSED = ("InvalidAuthToken", "Unauthenticated")


class TokenRefusedError(RuntimeError):
    """The cluster's token is another one, or this process has none."""


@contextmanager
def refused_tokens() -> Iterator[None]:
    """Raise TokenRefusedError if Ray's connection in this block fails by its token, which it only logs, from C++, once a second."""
    from ray.exceptions import AuthenticationError

    with tempfile.TemporaryFile() as kept:
        try:
            with _stderr_into(kept.fileno()):
                yield
        except AuthenticationError:
            raise TokenRefusedError("it needs a token: set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, with RAY_AUTH_MODE=token") from None
        except (OSError, RuntimeError, ValueError) as error:
            kept.seek(0)
            text = kept.read().decode(errors="replace")
            if any(word in text for word in _REFUSED):
                raise TokenRefusedError("the token of this process (RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH) is not its token") from error
            raise


@contextmanager
def _stderr_into(file: int) -> Iterator[None]:
    """What this process writes to its standard error, from Python or not, goes to `file`."""
    sys.stderr.flush()
    before = os.dup(2)
    os.dup2(file, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)


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
                self._lost(
                    f"lacuna: the head of the cluster at {self.address} is lost: no answer for {self.seconds:g} s; the same command resumes"
                )
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
    sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)
    os._exit(EXIT_LOST)
