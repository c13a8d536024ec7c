"""How far a long computation is, for whoever shows it. Nobody listens unless the caller of the computation has said who does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[float, float, str], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report_progress(done: float, whole: float, what: str = "") -> None:
    """So much of the whole is done, of a step named `what` (blocks, epochs, shards). Cheap: it may be called often."""
    listener = _listener.get()
    if listener is not None:
        listener(done, whole, what)


@contextmanager
def reporting_to(listener: Listener) -> Iterator[None]:
    """Inside this block, in this thread, `report_progress` calls `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
