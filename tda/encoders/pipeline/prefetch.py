"""An iterator that prefetches a few items on a thread."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")

_END = object()
_LOOK_UP = 0.1  # seconds after which a blocked thread checks whether its reader has left


@contextmanager
def ahead(items: Iterator[Item], depth: int) -> Iterator[Iterator[Item]]:
    """Inside the block, a thread produces `items` while their reader works; at most `depth` wait, and one more is in progress.

    An error of `items` is raised to the reader in its position. Leaving the block, early or not, ends the thread and closes `items`.
    """
    waiting: queue.Queue[Any] = queue.Queue(maxsize=depth)
    stopped = threading.Event()
    thread = threading.Thread(target=_make, args=(items, waiting, stopped), name="ahead", daemon=True)
    thread.start()
    try:
        yield _taken(waiting)
    finally:
        stopped.set()
        thread.join()


def _make(items: Iterator[Any], waiting: "queue.Queue[Any]", stopped: threading.Event) -> None:
    end: Any = (_END, None)
    try:
        for item in items:
            if not _put(waiting, (None, item), stopped):
                break
    except BaseException as error:  # noqa: BLE001 (raised again in the reader)
        end = (_END, error)
    finally:
        getattr(items, "close", lambda: None)()
        _put(waiting, end, stopped)


def _put(waiting: "queue.Queue[Any]", item: Any, stopped: threading.Event) -> bool:
    while not stopped.is_set():
        try:
            waiting.put(item, timeout=_LOOK_UP)
        except queue.Full:
            continue
        return True
    return False


def _taken(waiting: "queue.Queue[Any]") -> Iterator[Any]:
    while True:
        mark, item = waiting.get()
        if mark is _END:
            if item is not None:
                raise item
            return
        yield item
