"""Items to actors, under loss: the driver owns every retry, because only it knows which item a lost actor held.

Ray's own retries burn out before it has declared a node dead, and its actor pool forgets the item of a dead actor. Here each actor
has a short queue. When it is lost, the item that it was working on is charged an attempt, what stood behind it goes back uncharged,
and another actor takes its place.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tda.errors import LacunaError, ShardError, UserError

Item = TypeVar("Item")


@dataclass(eq=False, kw_only=True)
class Dispatcher(Generic[Item]):
    """Runs items on actors until each has a result or a reason why not.

    make_actor: starts an actor (`max_restarts=0`, `max_task_retries=0`).
    submit: (actor, item, attempt from 1) -> the reference of one result.
    on_result, on_failure: called in this process, in order of completion; the failure is a LacunaError that names the fault.
    actors: how many at once. in_flight: items an actor holds at once, so that it never waits for the next.
    max_attempts: an item that has lost this many actors is given up.
    on_tick: called about once a second while waiting.
    """

    make_actor: Callable[[], Any]
    submit: Callable[[Any, Item, int], Any]
    on_result: Callable[[Item, Any], None]
    on_failure: Callable[[Item, LacunaError], None]
    actors: int
    in_flight: int = 2
    max_attempts: int = 3
    on_tick: Callable[[], None] = lambda: None
    _todo: deque[tuple[Item, int]] = field(default_factory=deque)
    _queues: dict[Any, deque[tuple[Any, Item, int]]] = field(default_factory=dict)  # actor -> (reference, item, attempt), oldest first
    _losses: int = 0  # actors lost since the last result

    def run(self, items: Iterable[Item]) -> None:
        """Raises UserError that a task raised (it would be the same for every item), and LacunaError if no actor stays alive."""
        import ray

        self._todo.extend((item, 1) for item in items)
        try:
            while self._todo or any(self._queues.values()):
                self._fill()
                waiting = [queue[0][0] for queue in self._queues.values() if queue]
                ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
                ready = ready or ray.wait(waiting, num_returns=1, timeout=1.0)[0]
                for actor, queue in list(self._queues.items()):
                    if queue and queue[0][0] in ready:
                        self._collect(actor, queue)
                self.on_tick()
        finally:
            for actor in self._queues:
                ray.kill(actor)

    def _fill(self) -> None:
        """Hand out items while there are items and room."""
        while self._todo:
            item, attempt = self._todo[0]
            actor = self._with_room(alone=attempt > 1)
            if actor is None:
                return
            self._todo.popleft()
            self._queues[actor].append((self.submit(actor, item, attempt), item, attempt))

    def _with_room(self, *, alone: bool) -> Any:
        """The actor with the least to do, a new one if all have something; None if that is still too much.

        An item that has lost an actor works alone: a dying actor can take the answer of the item before with it, so only then is
        it certain whose fault the next loss is.
        """
        if len(self._queues) < self.actors and all(self._queues.values()):
            self._queues[actor := self.make_actor()] = deque()
            return actor
        load = {actor: self.in_flight if queue and queue[0][2] > 1 else len(queue) for actor, queue in self._queues.items()}
        actor = min(load, key=lambda candidate: load[candidate])
        return actor if load[actor] < (1 if alone else self.in_flight) else None

    def _collect(self, actor: Any, queue: deque[tuple[Any, Item, int]]) -> None:
        """Take the oldest result of an actor, or find out that it has none and never will."""
        import ray
        from ray import exceptions

        reference, item, _ = queue[0]
        try:
            result = ray.get(reference)
        except exceptions.RayTaskError as error:
            queue.popleft()
            self._losses = 0
            self._fail(item, error.cause)
        except exceptions.RayError as error:
            self._replace(actor, error)
        else:
            queue.popleft()
            self._losses = 0
            self.on_result(item, result)

    def _fail(self, item: Item, cause: Any) -> None:
        if isinstance(cause, UserError):
            raise cause
        told = cause if isinstance(cause, LacunaError) else ShardError(str(item), "unexpected error", f"{type(cause).__name__}: {cause}")
        self.on_failure(item, told)

    def _replace(self, actor: Any, error: Exception) -> None:
        """Give back what a lost actor held. It is killed too: one that is only out of reach would work on beside its successor."""
        import ray

        ray.kill(actor)
        (_, item, attempt), *behind = self._queues.pop(actor)
        self._todo.extendleft((other, tried) for _, other, tried in reversed(behind))
        reason = _reason(error)
        if attempt < self.max_attempts:
            self._todo.append((item, attempt + 1))
        else:
            self.on_failure(item, ShardError(str(item), "lost", f"{attempt} actors died on it, the last: {reason}"))
        self._losses += 1
        if self._losses > 2 * self.actors * self.max_attempts:
            raise LacunaError(f"no actor stays alive: {self._losses} died in a row, the last: {reason}")


def dispatch(items: Iterable[Item], **options: Any) -> None:
    """Run every item; the options are the fields of `Dispatcher`."""
    Dispatcher[Item](**options).run(items)


def _reason(error: Exception) -> str:
    """The one line of Ray's paragraph that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "cause" in line.lower() or "killed" in line.lower() or "exit" in line.lower()]
    return f"{type(error).__name__}: {(told or lines or [''])[0][:200]}"
