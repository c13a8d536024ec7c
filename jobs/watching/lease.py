"""Whether the watcher that holds an attempt is alive: it writes a growing number, and others look whether it grows.

No two clocks are compared: each watcher measures by its own how long a number has stood still.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tda.store.files import publish_json, read_json

BEATS = 4  # a lease


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
