"""How many actors there are: as many as have work and as the cluster has room for, and what happens while there are none."""

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.runtime.actors import pool
from jobs.runtime.actors.heartbeat import Watch
from jobs.runtime.actors.pool import ActorPool
from tda.errors import LacunaError

pytestmark = pytest.mark.usefixtures("ray_cluster")


class Idle:
    """Holds nothing and does nothing."""


class Dead:
    def __init__(self) -> None:
        raise ValueError


class Setting:
    """A roster whose room the test sets, and the lines that it reported."""

    def __init__(self, kind: type, *, cpus: float = 0.01, watch: Watch | None = None, wait_seconds: float = 60) -> None:
        import ray

        self.room, self.lines = 1, list[str]()
        actor = ray.remote(num_cpus=cpus, max_restarts=0)(kind)
        self.roster = ActorPool(
            make_actor=actor.remote, size=lambda: self.room, watch=watch, wait_seconds=wait_seconds, report=self.lines.append
        )


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(pool, "COUNT_EVERY", -1.0)
    made: list[Setting] = []

    def make(kind: type = Idle, **options: Any) -> Setting:
        made.append(Setting(kind, **options))
        return made[-1]

    yield make
    for one in made:
        for member in list(one.roster.members):
            one.roster.dismiss(member)


def wait_and_admit(roster: ActorPool) -> list[Any]:
    import ray

    references = roster.references()
    return roster.admit(ray.wait(references, num_returns=len(references), timeout=60)[0])


@pytest.mark.parametrize(("room", "items", "actors"), [(3, 9, 3), (3, 2, 2), (0, 5, 1), (4, 0, 0)])
def test_no_more_actors_than_items_or_room_and_one_without_room(make: Any, room: int, items: int, actors: int) -> None:
    one = make(cpus=1000)
    one.room = room
    one.roster.fit(items)
    one.roster.fit(items)
    assert len(one.roster.members) == actors
    assert one.roster.target == max(1, room)


def test_an_actor_is_admitted_once_its_process_answers(make: Any) -> None:
    one = make()
    one.roster.fit(1)
    assert len(one.roster.pending()) == 1
    assert one.roster.admit([]) == []
    assert len(one.roster.pending()) == 1
    assert wait_and_admit(one.roster) == []
    assert (len(one.roster.pending()), one.roster.references()) == (0, []), "an admitted actor without work is not waited for"


def test_an_actor_that_cannot_start_is_returned_with_its_error(make: Any) -> None:
    one = make(Dead)
    one.roster.fit(1)
    ((member, error),) = wait_and_admit(one.roster)
    assert "Actor" in type(error).__name__
    assert member in one.roster.pending()


def test_pending_actors_are_called_off_where_room_is_lost(make: Any) -> None:
    one = make(cpus=1000)
    one.room = 3
    one.roster.fit(9)
    one.room = 1
    one.roster.fit(9)
    assert len(one.roster.members) == 1
    assert one.lines == ["the cluster now holds 1 actors, before it held 3"]


def test_work_is_waited_for_oldest_first(make: Any) -> None:
    import ray

    one = make()
    one.roster.fit(1)
    wait_and_admit(one.roster)
    (member,) = one.roster.members
    references = [ray.put(i) for i in range(2)]
    member.queue.extend((reference, "item", 1) for reference in references)
    assert one.roster.references() == references[:1]
    assert member.load == 2
    one.roster.fit(1)
    assert len(one.roster.members) == 1, "there is room for one"
    one.room = 2
    one.roster.fit(1)
    assert len(one.roster.members) == 2, "the first is at work"


def test_a_run_without_actors_reports_its_wait_and_ends(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(pool.time, "monotonic", lambda: now[0])
    one = make(cpus=1000, wait_seconds=50)
    one.room = 0
    one.roster.fit(1)
    assert one.lines == ["waiting for an actor to start, up to 50 s more: no node has room for one"]
    now[0] += 40
    one.room = 2
    one.roster.fit(1)
    assert one.lines[1:] == ["waiting for an actor to start, up to 10 s more: the cluster has room for 2"]
    now[0] += 11
    with pytest.raises(LacunaError, match=r"^no actor has started for 50 s \(cluster.wait_seconds\): the cluster has room for 2$"):
        one.roster.fit(1)


def test_only_an_actor_at_work_can_hang(make: Any) -> None:
    import ray

    one = make(watch=Watch(ask=lambda _: ray.put(99.0), stalled_seconds=0.01))
    one.roster.fit(1)
    wait_and_admit(one.roster)
    assert one.roster.hung() == []
    (member,) = one.roster.members
    member.queue.append((ray.put(0), "item", 1))
    found = [one.roster.hung() for _ in range(3)]
    assert (member, "its work stood still for 99 s") in [fault for faults in found for fault in faults]
