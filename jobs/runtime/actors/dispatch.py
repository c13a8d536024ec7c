"""Items to actors, under loss: the driver owns every retry, because only it knows which item a lost actor held.

Ray's own retries burn out before it has declared a node dead, and its actor pool forgets the item of a dead actor. Here each actor
has a short queue. When it is lost, the oldest item is charged an attempt, what stood behind it goes back uncharged, and another actor
takes its place. The pool starts and ends actors; the heartbeat decides whether one hangs.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from jobs.runtime.actors.heartbeat import Watch
from jobs.runtime.actors.pool import ActorPool, Member
from jobs.runtime.run_progress import log_line
from tda.errors import LacunaError, ShardError, UserError

Item = TypeVar("Item")


@dataclass(eq=False, kw_only=True)
class Dispatcher(Generic[Item]):
    """Runs items on actors until each has a result or a reason why not.

    make_actor: starts an actor (`max_restarts=0`, `max_task_retries=0`).
    submit: (actor, item, attempt from 1) -> the reference of one result.
    on_result, on_failure: called in this process, in order of completion; the failure is a LacunaError that names the fault.
    actors: how many at once, or a function that says how many the cluster has room for now (0: none yet).
    in_flight: items an actor holds at once, so that it never waits for the next.
    max_attempts: an item that has lost this many actors, the last of them alone, is given up.
    watch: when an actor counts as hung; without it, never.
    wait_seconds: how long the run waits while not one actor lives.
    on_tick: called about once a second while waiting. report: receives a line when actors are lost, hung, missing, or more than before.
    """

    make_actor: Callable[[], Any]
    submit: Callable[[Any, Item, int], Any]
    on_result: Callable[[Item, Any], None]
    on_failure: Callable[[Item, LacunaError], None]
    actors: int | Callable[[], int]
    in_flight: int = 2
    max_attempts: int = 3
    watch: Watch | None = None
    wait_seconds: float = 600
    on_tick: Callable[[], None] = lambda: None
    report: Callable[[str], None] = lambda _: None
    _todo: deque[tuple[Item, int]] = field(default_factory=deque)
    _losses: int = 0  # actors lost since the last result

    def __post_init__(self) -> None:
        actors = self.actors
        size = actors if callable(actors) else lambda: actors
        self._pool = ActorPool(make_actor=self.make_actor, size=size, watch=self.watch, wait_seconds=self.wait_seconds, report=self.report)

    def run(self, items: Iterable[Item]) -> None:
        """Raises UserError that a task raised (it would be the same for every item), and LacunaError if no actor starts or stays alive."""
        self._todo.extend((item, 1) for item in items)
        try:
            while self._todo or any(member.queue for member in self._pool.members):
                self._pool.fit(len(self._todo))
                self._fill()
                self._serve(_ready(self._pool.references()))
                self.on_tick()
        finally:
            for member in list(self._pool.members):
                self._pool.dismiss(member)

    def _serve(self, ready: list[Any]) -> None:
        """Collect results that are ready, and replace lost and hung actors."""
        for member, error in self._pool.admit(ready):
            self._replace(member, _reason(error))
        for member in self._pool.ready():
            if member.queue and member.queue[0][0] in ready:
                self._collect(member)
        for member, fault in self._pool.hung():
            self._replace(member, fault)

    def _fill(self) -> None:
        """Hand out items while there are items and room."""
        while self._todo:
            item, attempt = self._todo[0]
            member = self._with_room(alone=attempt > 1)
            if member is None:
                return
            self._todo.popleft()
            member.queue.append((self.submit(member.handle, item, attempt), item, attempt))

    def _with_room(self, *, alone: bool) -> Member | None:
        """The actor with the least to do; None if that is still too much, or if all items left are meant for pending actors.

        An item that has lost an actor works alone: a dying actor takes the answer of the item before with it, or the work on the item
        behind, so only then is it certain whose fault the next loss is.
        """
        member = min(self._pool.ready(), key=self._load, default=None)
        if member is None or (member.queue and len(self._todo) <= len(self._pool.pending())):
            return None
        return member if self._load(member) < (1 if alone else self.in_flight) else None

    def _load(self, member: Member) -> int:
        return self.in_flight if member.queue and member.queue[0][2] > 1 else member.load

    def _collect(self, member: Member) -> None:
        """Take the oldest result of an actor, or find out that it has none and never will."""
        import ray
        from ray import exceptions

        reference, item, _ = member.queue[0]
        try:
            result = ray.get(reference)
        except exceptions.RayTaskError as error:
            member.queue.popleft()
            self._losses = 0
            self._fail(item, error.cause)
        except exceptions.RayError as error:
            self._replace(member, _reason(error))
        else:
            member.queue.popleft()
            self._losses = 0
            self.on_result(item, result)

    def _fail(self, item: Item, cause: Any) -> None:
        if isinstance(cause, UserError):
            raise cause
        reported = (
            cause if isinstance(cause, LacunaError) else ShardError(str(item), "unexpected error", f"{type(cause).__name__}: {cause}")
        )
        self.on_failure(item, reported)

    def _replace(self, member: Member, reason: str) -> None:
        """Put the items of a lost actor back; the next round starts another actor."""
        self._pool.dismiss(member)
        behind = list(member.queue)[1:]
        self._todo.extendleft((item, attempt) for _, item, attempt in reversed(behind))
        if member.queue:
            _, item, attempt = member.queue[0]
            self.report(f"an actor is lost, at attempt {attempt} of {self.max_attempts} on {item}: {reason}")
            log_line(f"lost at attempt {attempt}: {reason}", "error", shard=str(item), actor=member.name)
            if attempt < self.max_attempts or behind:
                self._todo.append((item, attempt + 1))
            else:
                self.on_failure(item, ShardError(str(item), "lost", f"{attempt} actors died on it, the last: {reason}"))
        else:
            self.report(f"an actor did not start: {reason}")
            log_line(f"did not start: {reason}", "error", actor=member.name)
        self._losses += 1
        if self._losses > 2 * self._pool.target * self.max_attempts:
            raise LacunaError(f"no actor stays alive: {self._losses} died in a row, the last: {reason}")


def dispatch(items: Iterable[Item], **options: Any) -> None:
    """Run every item; the options are the fields of `Dispatcher`."""
    Dispatcher[Item](**options).run(items)


def _ready(waiting: list[Any]) -> list[Any]:
    """Those that are there, all of them, or the next one to come within a second."""
    import ray

    if not waiting:
        return []
    ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
    return ready or ray.wait(waiting, num_returns=1, timeout=1.0)[0]


def _reason(error: Exception) -> str:
    """The one line of Ray's paragraph that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    reported = [line for line in lines if "cause" in line.lower() or "killed" in line.lower() or "exit" in line.lower()]
    if "creation task" in lines[0]:
        reported = lines[-1:]  # a traceback follows
    return f"{type(error).__name__}: {(reported or lines)[0][:200]}"
