"""The actors of a run: as many as the cluster has room for, each with its short queue of items.

An actor gets work once it is ready: its process has answered. So no item waits for an actor that no node has room for.
Nodes that join are used; pending actors that no node has room for are cancelled. The actors of a dead node count as lost.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jobs.runtime.actors.heartbeat import Heartbeat, Watch
from tda.errors import LacunaError

COUNT_EVERY = 2.0  # seconds between two looks at the cluster
REPORT_EVERY = 30.0  # seconds between two lines about the same wait


@dataclass(eq=False)
class Member:
    """An actor. `queue` holds its items, oldest first: (reference of the result, item, attempt)."""

    handle: Any
    started: Any  # a reference that is ready when its process is
    heartbeat: Heartbeat | None
    ready: bool = False
    queue: deque[tuple[Any, Any, int]] = field(default_factory=deque)

    @property
    def load(self) -> int:
        return len(self.queue)

    @property
    def name(self) -> str:
        """Ray's id of the actor."""
        return str(getattr(self.handle, "_actor_id", None) and self.handle._actor_id.hex())  # noqa: SLF001 (Ray has no other way)


@dataclass(eq=False, kw_only=True)
class ActorPool:
    """Starts, watches and ends actors. `size` returns how many there may be now; `report` receives lines for the user."""

    make_actor: Callable[[], Any]
    size: Callable[[], int]
    watch: Watch | None
    wait_seconds: float
    report: Callable[[str], None]
    members: list[Member] = field(default_factory=list)
    target: int = 1  # actors wanted, at least one
    _size: int = 0
    _counted: float = float("-inf")
    _alone_since: float | None = None  # no actor has been ready since then
    _reported: float = 0.0

    def ready(self) -> list[Member]:
        return [member for member in self.members if member.ready]

    def pending(self) -> list[Member]:
        return [member for member in self.members if not member.ready]

    def fit(self, items: int) -> None:
        """Start actors for `items` that wait, as far as the cluster has room; cancel pending ones that it has no room for.

        At least one is requested: an autoscaler starts a node for requested actors only.
        Raises LacunaError where no actor has been ready for `wait_seconds`.
        """
        self.target = target = max(1, self._count())
        idle = sum(not member.queue for member in self.members)  # the pending among them
        for _ in range(min(target - len(self.members), items - idle)):
            self._start()
        for member in self.pending()[: max(0, len(self.members) - target)]:
            self.dismiss(member)
        self._check_wait()

    def references(self) -> list[Any]:
        """What to wait for: the start of each pending actor, and the oldest result of each ready one."""
        return [member.queue[0][0] if member.ready else member.started for member in self.members if member.queue or not member.ready]

    def admit(self, ready: list[Any]) -> list[tuple[Member, Exception]]:
        """Mark pending actors in `ready` as ready; returns those that died while starting, with the error."""
        import ray
        from ray.exceptions import RayError

        dead: list[tuple[Member, Exception]] = []
        for member in self.pending():
            if member.started in ready:
                try:
                    ray.get(member.started)
                except RayError as error:
                    dead.append((member, error))
                else:
                    member.ready = True
        return dead

    def hung(self) -> list[tuple[Member, str]]:
        """Actors at work that count as hung, and why."""
        watched = [(member, member.heartbeat) for member in self.ready() if member.queue and member.heartbeat]
        faults = [(member, heartbeat.fault(member.handle)) for member, heartbeat in watched]
        return [(member, fault) for member, fault in faults if fault is not None]

    def dismiss(self, member: Member) -> None:
        """End an actor. One thought dead is killed too: if it is only unreachable, it would work on beside its successor."""
        import ray

        self.members.remove(member)
        ray.kill(member.handle)
        self._counted = float("-inf")  # count again at once: its node may be gone too

    def _start(self) -> None:
        handle = self.make_actor()
        heartbeat = None if self.watch is None else Heartbeat(self.watch)
        self.members.append(Member(handle, handle.__ray_ready__.remote(), heartbeat))

    def _count(self) -> int:
        if time.monotonic() - self._counted > COUNT_EVERY:
            before, self._size, self._counted = self._size, self.size(), time.monotonic()
            if before and self._size and self._size != before:
                self.report(f"the cluster now holds {self._size} actors, before it held {before}")
        return self._size

    def _check_wait(self) -> None:
        now = time.monotonic()
        if self.ready() or not self.members:
            self._alone_since = None
            return
        if self._alone_since is None:
            self._alone_since, self._reported = now, now if self._size else float("-inf")
        if now - self._alone_since > self.wait_seconds:
            raise LacunaError(f"no actor has started for {self.wait_seconds:g} s (cluster.wait_seconds): {self._room()}")
        if now - self._reported > REPORT_EVERY:
            self._reported = now
            left = self.wait_seconds - (now - self._alone_since)
            self.report(f"waiting for an actor to start, up to {left:.0f} s more: {self._room()}")

    def _room(self) -> str:
        return f"the cluster has room for {self._size}" if self._size else "no node has room for one"
