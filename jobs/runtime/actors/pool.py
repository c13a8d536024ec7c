"""The actors of a run: as many as the cluster has room for, each with its short queue of items.

An actor gets work when its process has answered for the first time, so that no item waits behind an actor that no node has room for.
Nodes that join are used, and actors that were asked for and that no node holds any more are called off. Those of a node that died are
lost like any other.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jobs.runtime.actors.heartbeat import Heartbeat, Watch
from tda.errors import LacunaError

COUNT_EVERY = 2.0  # seconds between two looks at the cluster
TELL_EVERY = 30.0  # seconds between two lines about the same wait


@dataclass(eq=False)
class Member:
    """An actor. `queue` holds what it was given: (reference of the result, item, attempt), oldest first."""

    handle: Any
    birth: Any  # a reference that is ready when its process is
    heartbeat: Heartbeat | None
    born: bool = False
    queue: deque[tuple[Any, Any, int]] = field(default_factory=deque)

    @property
    def load(self) -> int:
        return len(self.queue)


@dataclass(eq=False, kw_only=True)
class Roster:
    """Hires, watches and dismisses. `size` is how many actors there may be now; `tell` is given lines for the user."""

    make_actor: Callable[[], Any]
    size: Callable[[], int]
    watch: Watch | None
    wait_seconds: float
    tell: Callable[[str], None]
    members: list[Member] = field(default_factory=list)
    target: int = 1  # actors wanted, at least one
    _size: int = 0
    _counted: float = float("-inf")
    _alone_since: float | None = None  # no actor has lived since then
    _told: float = 0.0

    def born(self) -> list[Member]:
        return [member for member in self.members if member.born]

    def pending(self) -> list[Member]:
        return [member for member in self.members if not member.born]

    def fit(self, items: int) -> None:
        """Hire for `items` that wait, as far as the cluster has room; call off what it has no room for.

        Never fewer than one actor: an autoscaler starts a node for what is asked for, not for what may be wanted.
        Raises LacunaError where no actor has lived for `wait_seconds`.
        """
        self.target = target = max(1, self._count())
        idle = sum(not member.queue for member in self.members)  # the pending among them
        for _ in range(min(target - len(self.members), items - idle)):
            self._hire()
        for member in self.pending()[: max(0, len(self.members) - target)]:
            self.dismiss(member)
        self._mind_the_wait()

    def references(self) -> list[Any]:
        """What there is to wait for: births, and the oldest result of each actor."""
        return [member.queue[0][0] if member.born else member.birth for member in self.members if member.queue or not member.born]

    def admit(self, ready: list[Any]) -> list[tuple[Member, Exception]]:
        """Let the new-born in; returns those that died at birth, and of what."""
        import ray
        from ray.exceptions import RayError

        dead: list[tuple[Member, Exception]] = []
        for member in self.pending():
            if member.birth in ready:
                try:
                    ray.get(member.birth)
                except RayError as error:
                    dead.append((member, error))
                else:
                    member.born = True
        return dead

    def hung(self) -> list[tuple[Member, str]]:
        """Those at work that are to be given up although nobody knows them to be dead, and why."""
        watched = [(member, member.heartbeat) for member in self.born() if member.queue and member.heartbeat]
        faults = [(member, heartbeat.fault(member.handle)) for member, heartbeat in watched]
        return [(member, fault) for member, fault in faults if fault is not None]

    def dismiss(self, member: Member) -> None:
        """An actor that is thought dead is killed too: one that is only out of reach would work on beside its successor."""
        import ray

        self.members.remove(member)
        ray.kill(member.handle)
        self._counted = float("-inf")  # the next look is a fresh one: its node may be gone with it

    def _hire(self) -> None:
        handle = self.make_actor()
        heartbeat = None if self.watch is None else Heartbeat(self.watch)
        self.members.append(Member(handle, handle.__ray_ready__.remote(), heartbeat))

    def _count(self) -> int:
        if time.monotonic() - self._counted > COUNT_EVERY:
            before, self._size, self._counted = self._size, self.size(), time.monotonic()
            if before and self._size and self._size != before:
                self.tell(f"the cluster now holds {self._size} actors, before it held {before}")
        return self._size

    def _mind_the_wait(self) -> None:
        now = time.monotonic()
        if self.born() or not self.members:
            self._alone_since = None
            return
        if self._alone_since is None:
            self._alone_since, self._told = now, now if self._size else float("-inf")
        if now - self._alone_since > self.wait_seconds:
            raise LacunaError(f"no actor has started for {self.wait_seconds:g} s (cluster.wait_seconds): {self._room()}")
        if now - self._told > TELL_EVERY:
            self._told = now
            left = self.wait_seconds - (now - self._alone_since)
            self.tell(f"waiting for an actor to start, up to {left:.0f} s more: {self._room()}")

    def _room(self) -> str:
        return f"the cluster has room for {self._size}" if self._size else "no node has room for one"
