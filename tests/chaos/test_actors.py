"""Actors that are killed, hang, stall, or meet a shard that no actor survives."""

import os
import signal
from pathlib import Path

import pytest
from chaos import SAME, EndedIn, Meeting, Running, assert_same_table, ended, wait_for
from machines import Machines


@pytest.fixture(autouse=True)
def _two_nodes(machines: Machines) -> None:
    machines.have((1, 0), (1, 0))


def test_killed_actor(running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn) -> None:
    meeting.say("00002", "hold")
    with running() as run:
        (victim,) = wait_for(lambda: meeting.at_work("00002"))
        os.kill(victim.process, signal.SIGKILL)
        _, successor = wait_for(lambda: (found := meeting.at_work("00002"))[1:] and found)
        meeting.let_go()
        outcome = run.result()
    assert outcome.whole
    assert outcome.line == "set / quick: 24 of 30 pairs embedded, 6 dropped (missing_caption 6), 6 shards (0 done before)"
    assert successor.process != victim.process
    assert_same_table(root, clean)
    ended_in(SAME)


def test_shard_that_kills_every_actor(running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn) -> None:
    meeting.say("00001", "die")
    with running() as run:
        outcome = run.result()
    assert not outcome.whole
    assert outcome.line.startswith("set / quick: 20 of 25 pairs embedded, 5 dropped (missing_caption 5), 5 shards (0 done before)")
    assert "; 1 shard failed: " in outcome.line
    assert outcome.line.endswith("/00001.tar (lost)")
    assert len(meeting.at_work("00001")) >= 3
    assert len({work.process for work in meeting.at_work("00001")}) == len(meeting.at_work("00001"))
    (meeting.folder / "00001.die").unlink()
    with running() as run:
        assert run.result().line.endswith("6 shards (5 done before)")
    assert_same_table(root, clean)
    ended_in(f"exit 1 and 1 shard failed: 00001.tar (lost); healed, {SAME}")


@pytest.mark.long
def test_hung_actors(
    *, running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn, capfd: pytest.CaptureFixture[str]
) -> None:
    """One process is stopped, another answers that it stands still; a third is slow, but moves on for longer than either may."""
    limit = 6.0
    meeting.say("00000", "hold", "slow")
    meeting.say("00003", "hold")
    meeting.say("00005", "hold", "slow")
    with running(heartbeat_seconds=limit, stalled_seconds=limit, max_attempts=9) as run:
        slow, stalled = (wait_for(lambda shard=shard: meeting.at_work(shard))[0] for shard in ("00000", "00003"))
        assert slow.process != stalled.process
        wait_for(lambda: ended(stalled.process))
        meeting.let_go("00003")
        stopped = wait_for(lambda: meeting.at_work("00005"))[0]
        os.kill(stopped.process, signal.SIGSTOP)
        wait_for(lambda: ended(stopped.process))
        meeting.let_go()
        outcome = run.result()
    assert outcome.whole
    reported = capfd.readouterr().err
    assert "its work stood still for " in reported
    assert f"it has not answered for {limit:g} s" in reported
    assert len(meeting.at_work("00000")) == 1, "slow is not hung"
    assert_same_table(root, clean)
    ended_in(SAME)
