"""Nodes that come late, join, die, run out of memory, or have no room for objects. Actors are bound to nodes by GPUs that exist in name."""

from pathlib import Path

import pytest
from chaos import SAME, EndedIn, Meeting, Running, assert_same_table, wait_for
from machines import STORE, Machines

from tda.errors import UserError
from tda.store.layout import Layout
from tda.store.records import recorded


def test_no_node_for_too_long(machines: Machines, running: Running, root: Path, ended_in: EndedIn) -> None:
    with running(gpus_per_actor=7, wait_seconds=1) as run, pytest.raises(UserError) as caught:
        run.result()
    assert str(caught.value).startswith("cluster.cpus_per_actor=1 and gpus_per_actor=7 do not fit a cluster of ")
    assert machines.address
    assert not list(root.rglob("*.parquet"))
    ended_in(f"exit 2 and {caught.value}")


def test_no_node_yet(
    *, machines: Machines, running: Running, clean: Path, root: Path, capfd: pytest.CaptureFixture[str], ended_in: EndedIn
) -> None:
    told = ""
    machines.have((1, 0), (1, 0))
    with running(gpus_per_actor=1, cpus_per_actor=0.5) as run:
        while "waiting for a node, up to 600 s more" not in told:
            told += wait_for(lambda: capfd.readouterr().err)
        assert "do not fit a cluster of 2 CPUs and 0 GPUs on 3 nodes" in told
        machines.add(1, gpus=1)
        assert run.result().whole
    assert_same_table(root, clean)
    ended_in(f"a message, then {SAME}")


def test_node_added_half_way(*, machines: Machines, running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn) -> None:
    machines.have((1, 1))
    for shard in ("00000", "00002", "00003"):  # the first actor holds 00000 and 00001
        meeting.say(shard, "hold")
    with running(gpus_per_actor=1, cpus_per_actor=0.5) as run:
        (first,) = wait_for(lambda: meeting.at_work("00000"))
        added = machines.add(2, gpus=2)
        second, third = wait_for(lambda: (found := meeting.at_work("00002") + meeting.at_work("00003"))[1:] and found)
        meeting.let_go()
        assert run.result().whole
    assert second.node == third.node == added.node_id != first.node
    assert len({work.process for work in (first, second, third)}) == 3
    assert_same_table(root, clean)
    ended_in(f"three actors where there was one, {SAME}")


def test_killed_raylet(*, machines: Machines, running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn) -> None:
    machines.have((1, 1), (1, 1))
    meeting.say("00000", "hold1")
    meeting.say("00001", "hold1")
    with running(gpus_per_actor=1) as run:
        (victim,) = wait_for(lambda: meeting.at_work("00000"))
        (survivor,) = wait_for(lambda: meeting.at_work("00001"))
        machines.kill(machines.node(victim.node))
        wait_for(lambda: not Path(f"/proc/{victim.process}").exists())
        meeting.let_go()
        assert run.result().whole
    assert {work.process for shard in range(2, 6) for work in meeting.at_work(f"{shard:05d}")} == {survivor.process}
    assert recorded(Layout(str(root)), "set", "quick")["00000"].attempt == 2
    assert_same_table(root, clean)
    ended_in(SAME)


def test_killed_raylet_and_a_replacement(
    *, machines: Machines, running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn
) -> None:
    machines.have((1, 1))
    meeting.say("00002", "hold1")
    with running(gpus_per_actor=1) as run:
        (victim,) = wait_for(lambda: meeting.at_work("00002"))
        machines.kill(machines.node(victim.node))
        replacement = machines.add(1, gpus=1)
        assert run.result().whole
    assert meeting.at_work("00002", 2)[0].node == replacement.node_id
    assert {work.node for work in meeting.at_work("00005")} == {replacement.node_id}
    assert_same_table(root, clean)
    ended_in(SAME)


def test_out_of_memory(*, machines: Machines, running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn) -> None:
    """On one node Ray's monitor kills whatever works; it is taken away after the first kill."""
    machines.have((1, 1))
    full = machines.add(1, gpus=1, env_vars={"RAY_memory_usage_threshold": "0", "RAY_memory_monitor_refresh_ms": "100"})
    meeting.say("00000", "hold1")
    meeting.say("00001", "hold1")
    with running(gpus_per_actor=1, max_attempts=9) as run:
        both = wait_for(lambda: (found := meeting.at_work("00000") + meeting.at_work("00001"))[1:] and found)
        (victim,) = [work for work in both if work.node == full.node_id]
        wait_for(lambda: not Path(f"/proc/{victim.process}").exists())
        machines.kill(full)
        meeting.let_go()
        assert run.result().whole
    assert_same_table(root, clean)
    ended_in(SAME)


def test_object_store_full(*, machines: Machines, running: Running, clean: Path, root: Path, ended_in: EndedIn) -> None:
    import ray

    machines.have((1, 0), (1, 0))
    held = [ray.put(bytes(STORE // 10)) for _ in range(9)]
    with running() as run:
        assert run.result().whole
    assert len(held) == 9
    assert_same_table(root, clean)
    ended_in(SAME)
