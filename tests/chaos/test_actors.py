"""Actors that are killed, hang, stall, or meet a shard that no actor survives."""

import os
import signal
from pathlib import Path

import pytest
from chaos import SAME, EndedIn, Meeting, Running, assert_same_table, wait_for
from machines import Machines

from tda.store.layout import Layout
from tda.store.records import recorded


@pytest.fixture(autouse=True)
def _two_nodes(machines: Machines) -> None:
    machines.have((1, 0), (1, 0))


def attempts(root: Path) -> dict[str, int]:
    return {shard: record.attempt for shard, record in recorded(Layout(str(root)), "set", "quick").items()}


def test_killed_actor(running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn) -> None:
    meeting.say("00002", "hold1")
    with running() as run:
        (victim,) = wait_for(lambda: meeting.at_work("00002"))
        os.kill(victim.process, signal.SIGKILL)
        outcome = run.result()
    assert outcome.whole
    assert outcome.line == "set / quick: 24 of 30 pairs embedded, 6 dropped (missing_caption 6), 6 shards (0 done before)"
    assert attempts(root) == {f"{i:05d}": 2 if i == 2 else 1 for i in range(6)}
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
    assert len(meeting.at_work("00001")) == 3
    assert all(attempt == 1 for attempt in attempts(root).values())
    (meeting.folder / "00001.die").unlink()
    with running() as run:
        assert run.result().line.endswith("6 shards (5 done before)")
    assert_same_table(root, clean)
    ended_in(f"exit 1 and {outcome.line.rpartition(';')[2].strip().replace(str(root.parent), '')}; healed, {SAME}")


def test_hung_actors(
    *, running: Running, meeting: Meeting, clean: Path, root: Path, ended_in: EndedIn, capfd: pytest.CaptureFixture[str]
) -> None:
    """One process is stopped, another answers that it stands still; a third is slow, but moves on for longer than either may."""
    limit = 6.0
    meeting.say("00000", "hold", "slow")
    meeting.say("00001", "hold1")
    meeting.say("00004", "hold1", "slow")
    with running(heartbeat_seconds=limit, stalled_seconds=limit) as run:
        (stalled,) = wait_for(lambda: meeting.at_work("00001", 1))
        (stopped,) = wait_for(lambda: meeting.at_work("00004", 1))
        os.kill(stopped.process, signal.SIGSTOP)
        wait_for(lambda: len(meeting.at_work("00004")) == 2)
        meeting.let_go("00000")
        outcome = run.result()
    assert outcome.whole
    assert stalled.process != stopped.process
    assert attempts(root) == {f"{i:05d}": 2 if i in (1, 4) else 1 for i in range(6)}
    told = capfd.readouterr().err
    assert "00001.tar: its work stood still for " in told
    assert f"00004.tar: it has not answered for {limit:g} s" in told
    wait_for(lambda: not any(Path(f"/proc/{work.process}").exists() for work in (stalled, stopped)))
    assert_same_table(root, clean)
    ended_in(SAME)
