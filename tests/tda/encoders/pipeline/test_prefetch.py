"""An iterator on a thread of its own: in order, bounded, with its errors, and ended when nobody reads on."""

import threading
import time
from collections.abc import Iterator

import pytest

from tda.encoders.pipeline.prefetch import ahead


def test_items_come_in_order_and_errors_at_their_place() -> None:
    def three_then_an_error() -> Iterator[int]:
        yield from (1, 2, 3)
        raise ValueError("late")

    taken = []
    with pytest.raises(ValueError, match="late"), ahead(three_then_an_error(), 2) as items:
        taken.extend(iter(lambda: next(items), None))
    assert taken == [1, 2, 3]


def test_it_runs_ahead_by_no_more_than_it_may() -> None:
    made: list[int] = []

    def noted() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    with ahead(noted(), 2) as items:
        wait_for(lambda: len(made) >= 3)
        time.sleep(0.05)
        assert len(made) == 3  # two wait, one is in hand
        assert next(items) == 0
        wait_for(lambda: len(made) == 4)


def test_a_reader_that_leaves_ends_it() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    with ahead(endless(), 1) as items:
        next(items)
    assert closed.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


def wait_for(what: object) -> None:
    end = time.monotonic() + 60
    while not what():  # type: ignore[operator]  # a predicate
        assert time.monotonic() < end
        time.sleep(0.001)
