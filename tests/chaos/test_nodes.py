"""Nodes that come late, join, die, run out of memory, or have no room for objects. Actors are bound to nodes by GPUs that exist in name."""

from pathlib import Path

import pytest
from chaos import SAME, EndedIn, Meeting, Running, assert_same_table, ended, wait_for
from machines import STORE, Machines

from tda.errors import UserError

APART = ("00000", "00003")  # two actors, each with two shards in hand, take these up apart


def test_no_node_for_too_long(machines: Machines, running: Running, root: Path, ended_in: EndedIn) -> None:
    """An actor does not lie across two nodes."""
    machines.have((1, 0), (1, 0))
    with running(cpus_per_actor=2, wait_seconds=1) as run, pytest.raises(UserError) as caught:
        run.result()
    assert str(caught.value) == "cluster.cpus_per_actor=2 and gpus_per_actor=0 do not fit a cluster of 2 CPUs and 0 GPUs on 3 nodes"
    assert not list(root.rglob("*.parquet"))
    ended_in(f"exit 2 and {caught.value}")


def test_no_node_yet(
    *, machines: Machines, running: Running, clean: Path, root: Path, capfd: pytest.CaptureFixture[str], ended_in: EndedIn
) -> None:
    reported = ""
    machines.have((1, 0), (1, 0))
    with running(gpus_per_actor=1, cpus_per_actor=0.5) as run:
        while "waiting for a node, up to 600 s more" not in reported:
            reported += wait_for(lambda: capfd.readouterr().err)
        assert "do not fit a cluster of 2 CPUs and 0 GPUs on 3 nodes" in reported
        machines.add(1, gpus=1)
        assert run.result().whole
    assert_same_table(root, clean)
    ended_in(f"a message, then {SAME}")


def test_node_added_half_way(*, machines: Machines, running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn) -> None:
    machines.have((1, 1))
    for shard in range(6):  # two are in the first actor's hands
        meeting.say(f"{shard:05d}", "hold")
    with running(gpus_per_actor=1, cpus_per_actor=0.5) as run:
        (first,) = wait_for(lambda: meeting.at_work("00000"))
        added = machines.add(2, gpus=2)
        wait_for(lambda: len({work.process for work in meeting.at_work("*")}) == 3)
        nodes = {work.process: work.node for work in meeting.at_work("*")}
        meeting.let_go()
        assert run.result().whole
    assert sorted(nodes.values()) == sorted([first.node, added.node_id, added.node_id])
    assert_same_table(root, clean)
    ended_in(f"three actors where there was one, {SAME}")


def test_killed_raylet(*, machines: Machines, running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn) -> None:
    machines.have((1, 1), (1, 1))
    for shard in APART:
        meeting.say(shard, "hold")
    with running(gpus_per_actor=1) as run:
        (victim,), (survivor,) = (wait_for(lambda shard=shard: meeting.at_work(shard)) for shard in APART)
        machines.kill(machines.node(victim.node))
        wait_for(lambda: ended(victim.process))
        meeting.let_go()
        assert run.result().whole
    assert meeting.at_work("00000")[-1].process == survivor.process
    assert_same_table(root, clean)
    ended_in(SAME)


def test_killed_raylet_and_a_replacement(
    *, machines: Machines, running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn
) -> None:
    machines.have((1, 1))
    meeting.say("00002", "hold")
    with running(gpus_per_actor=1) as run:
        (victim,) = wait_for(lambda: meeting.at_work("00002"))
        machines.kill(machines.node(victim.node))
        replacement = machines.add(1, gpus=1)
        successor = wait_for(lambda: meeting.at_work("00002")[1:])[0]
        meeting.let_go()
        assert run.result().whole
    assert successor.node == replacement.node_id
    assert_same_table(root, clean)
    ended_in(SAME)


def test_out_of_memory(
    *, machines: Machines, running: Running, meeting: Meeting, clean: Path, root: Path, capfd: pytest.CaptureFixture[str], ended_in: EndedIn
) -> None:
    """On one node Ray's monitor finds the memory full, whatever is used, and kills every actor; the node is taken away after the first."""
    machines.have((1, 1))
    full = machines.add(1, gpus=1, env_vars={"RAY_memory_usage_threshold": "0", "RAY_memory_monitor_refresh_ms": "100"})
    for i in range(6):
        meeting.say(f"{i:05d}", "hold")
    reported = ""
    with running(gpus_per_actor=1, max_attempts=9) as run:
        while "OutOfMemoryError" not in reported:
            reported += wait_for(lambda: capfd.readouterr().err)
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
