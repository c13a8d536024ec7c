"""Whether an actor whose process lives still makes progress: the question, and the actor's side of the answer.

Slow is not hung: a shard may take hours, as long as its pairs move on. Hung is a process that does not answer at all (stopped, or on a
machine that is gone but not yet known to be), or one that answers that nothing has moved for long (a read that stalls, a device that
does not come back). A separate thread answers, so that the answer does not wait for the work.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

GROUP = "heartbeat"


class Beating:
    """Base class of an actor. It works inside `at_work`, and calls `moved_on` at every step of progress.

    Several threads may be at work. They may wait for each other, so that as long as one of them moves on, the actor does.
    """

    def __init__(self) -> None:
        self._moved = time.monotonic()
        self._at_work: set[object] = set()  # adding to and taking from a set is one step to other threads

    @contextmanager
    def at_work(self) -> Iterator[None]:
        token = object()
        self.moved_on()
        self._at_work.add(token)
        try:
            yield
        finally:
            self._at_work.discard(token)
            self.moved_on()

    def moved_on(self) -> None:
        self._moved = time.monotonic()

    def still_for(self) -> float:
        """Seconds since the work last moved on; 0 while there is none."""
        return time.monotonic() - self._moved if self._at_work else 0.0


def beating_actor(kind: type[Beating], **options: Any) -> Any:
    """The Ray actor class of `kind`, never restarted by Ray, with a thread for the answer."""
    import ray

    options |= {"max_restarts": 0, "max_task_retries": 0, "concurrency_groups": {GROUP: 1}}
    return ray.remote(**options)(kind)


def ask(actor: Any) -> Any:
    """The reference of the actor's answer."""
    return actor.still_for.options(concurrency_group=GROUP).remote()


@dataclass(frozen=True, kw_only=True)
class Watch:
    """When an actor whose process lives counts as hung. `None` is never.

    ask: actor -> the reference of the seconds for which its work has stood still.
    silent_seconds: it has not answered for so long. stalled_seconds: it has answered that its work stood still for longer.
    """

    ask: Callable[[Any], Any] = ask
    silent_seconds: float | None = None
    stalled_seconds: float | None = None

    @property
    def every(self) -> float:
        """Seconds between an answer and the next question."""
        return min(10.0, *(limit / 4 for limit in (self.silent_seconds, self.stalled_seconds) if limit is not None))


@dataclass
class Heartbeat:
    """The questions to one actor."""

    watch: Watch
    asked: float = 0.0  # time.monotonic of the last question
    answer: Any = None  # the reference that is waited for

    def fault(self, actor: Any) -> str | None:
        """Why the actor is to be given up, or None. Asks again where it is time to; does not wait."""
        import ray
        from ray.exceptions import RayError

        now = time.monotonic()
        if self.answer is None:
            if now - self.asked >= self.watch.every:
                self.asked, self.answer = now, self.watch.ask(actor)
            return None
        if not ray.wait([self.answer], timeout=0)[0]:
            limit = self.watch.silent_seconds
            return f"it has not answered for {limit:g} s" if limit is not None and now - self.asked > limit else None
        answer, self.answer = self.answer, None
        try:
            still = float(ray.get(answer))
        except RayError:  # it is dead, or its answer is lost: the result of its item shows which
            return None
        limit = self.watch.stalled_seconds
        return f"its work stood still for {still:.0f} s" if limit is not None and still > limit else None
