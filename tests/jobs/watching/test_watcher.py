"""Checkpoints on a bad day: each content is analysed exactly once, or named."""

import os
from pathlib import Path
from typing import Any

import pytest
from watched import Clock, StandIn, look, watcher, whole, write

from jobs.runtime import owner
from jobs.watching import copies, poll
from jobs.watching import ledger as ledger_module
from jobs.watching import watcher as watcher_module
from jobs.watching.runner import InPlace, Task
from jobs.watching.states import is_whole, line, states
from jobs.watching.watcher import Watcher


def by_state(one: Watcher) -> dict[str, str]:
    return {row["label"]: row["state"] for row in states(one)}


def encoders(one: Watcher) -> list[str]:
    return [row["encoder"] for row in states(one) if row["state"] == "succeeded"]


def advance(one: Watcher, seconds: float) -> None:
    clock: Any = one.settings.clock
    assert isinstance(clock, Clock)
    clock.now += seconds


def test_checkpoints_are_analysed_once_each_in_order_of_step(tmp_path: Path) -> None:
    for epoch in (10, 9, 1):
        write(tmp_path, f"epoch_{epoch}.pt", f"{epoch} END".encode())
    write(tmp_path, "epoch_latest.pt", b"moves END")
    runner = StandIn()
    one = watcher(tmp_path, runner)
    look(one)
    assert runner.read == {}  # seen once: it may still grow
    look(one, times=3)
    assert list(runner.read.items()) == [("clip@1", b"1 END"), ("clip@9", b"9 END"), ("clip@10", b"10 END")]
    again = watcher(tmp_path, StandIn())
    look(again, times=3)
    assert again.runner.runs == {}  # type: ignore[attr-defined]
    assert line("clip", states(again)) == "watch clip: 3 checkpoints, 3 analysed"
    assert not list((tmp_path / "root/watch/clip/_pins").iterdir())  # no copy stays


def test_two_checkpoints_of_the_same_content_are_two(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        write(tmp_path, f"epoch_{epoch}.pt", b"frozen END")
    runner = StandIn(slots=3, shared=True, questions=1)
    one = watcher(tmp_path, runner)
    look(one, times=4)
    assert encoders(one) == ["clip@1", "clip@2", "clip@3"]
    assert list(runner.runs.values()) == [1, 1, 1]


def test_a_late_checkpoint_of_a_lower_step_is_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "epoch_5.pt", b"5 END")
    one = watcher(tmp_path, StandIn())
    look(one, times=2)
    write(tmp_path, "epoch_2.pt", b"2 END")
    look(one, times=2)
    assert encoders(one) == ["clip@2", "clip@5"]


def test_a_checkpoint_that_grows_is_left_until_it_is_whole(tmp_path: Path) -> None:
    runner = StandIn()
    one = watcher(tmp_path, runner, once=False)
    for size in range(1, 6):
        write(tmp_path, "epoch_1.pt", b"x" * size)
        look(one)
    assert by_state(one) == {"epoch_1.pt": "waiting"}
    look(one)  # it pauses: two looks find the same, but it does not load
    assert [row["state"] for row in states(one)] == ["failed"]
    write(tmp_path, "epoch_1.pt", b"xxxxxx END")
    look(one, times=2)
    assert runner.read == {"clip@1": b"xxxxxx END"}
    assert by_state(one) == {"epoch_1.pt": "succeeded"}
    assert is_whole(states(one))


def test_a_checkpoint_that_is_written_while_it_is_copied_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "epoch_1.pt", b"first END")
    one = watcher(tmp_path, StandIn())
    look(one)
    real = copies._blocks

    def grows(url: str) -> Any:
        yield from real(url)
        path.write_bytes(b"second, longer END")

    with monkeypatch.context() as patch:
        patch.setattr(copies, "_blocks", grows)
        look(one)
    assert by_state(one) == {"epoch_1.pt": "waiting"}
    look(one, times=2)
    assert one.runner.read == {"clip@1": b"second, longer END"}  # type: ignore[attr-defined]


def test_one_that_is_replaced_under_its_name_is_another_content(tmp_path: Path) -> None:
    write(tmp_path, "epoch_1.pt", b"old END")
    runner = StandIn()
    one = watcher(tmp_path, runner)
    look(one, times=2)
    write(tmp_path, "epoch_1.pt", b"new END")
    look(one, times=2)
    first, second = runner.read
    assert (first, runner.read[second]) == ("clip@1", b"new END")
    assert second.startswith("clip@1+")
    assert sum(runner.runs.values()) == 2
    write(tmp_path, "epoch_1.pt", b"old END")  # the same content again, with another time
    look(one, times=3)
    assert sum(runner.runs.values()) == 2


@pytest.mark.parametrize("copy", [True, False])
def test_one_that_is_deleted_while_it_is_analysed(tmp_path: Path, *, copy: bool) -> None:
    path = write(tmp_path, "epoch_1.pt", b"1 END")
    runner = StandIn()
    runner.before = lambda _task: path.unlink()
    one = watcher(tmp_path, runner, copy=copy)
    look(one, times=2)
    assert by_state(one) == {"epoch_1.pt": "succeeded" if copy else "vanished"}
    assert is_whole(states(one))
    look(one, times=2)
    assert len(one.events) == 1  # type: ignore[attr-defined]


def test_one_that_vanishes_before_it_is_read_is_named_once(tmp_path: Path) -> None:
    path = write(tmp_path, "epoch_1.pt", b"1 END")
    one = watcher(tmp_path, StandIn())
    look(one)
    path.unlink()
    look(one, times=3)
    assert line("clip", states(one)) == "watch clip: 1 checkpoint, 0 analysed, 1 vanished; epoch_1.pt: its file was gone before it was read"
    assert [event["state"] for event in one.events] == ["vanished"]  # type: ignore[attr-defined]
    write(tmp_path, "epoch_1.pt", b"1 END")
    look(one, times=2)
    assert encoders(one) == ["clip@1"]  # it came back


def test_one_that_vanishes_while_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "epoch_1.pt", b"1 END")
    one = watcher(tmp_path, StandIn())
    look(one)
    real = copies._blocks

    def gone(url: str) -> Any:
        path.unlink()
        yield from real(url)

    monkeypatch.setattr(copies, "_blocks", gone)
    look(one)
    assert by_state(one) == {"epoch_1.pt": "vanished"}


def test_one_that_cannot_be_opened_is_named_at_each_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "epoch_1.pt", b"1 END")
    write(tmp_path, "epoch_2.pt", b"2 END")
    one = watcher(tmp_path, StandIn())
    real = copies.Copies.take

    def denied(self: Any, checkpoint: Any) -> Any:
        if checkpoint.step == 1:
            raise PermissionError(13, "Permission denied", checkpoint.url)
        return real(self, checkpoint)

    monkeypatch.setattr(copies.Copies, "take", denied)
    look(one, times=2)
    assert by_state(one) == {"epoch_1.pt": "refused", "epoch_2.pt": "succeeded"}
    assert not is_whole(states(one))
    assert "1 cannot be read; epoch_1.pt: PermissionError" in line("clip", states(one))


def test_a_poisoned_one_is_tried_so_often_and_named_while_others_go_on(tmp_path: Path) -> None:
    write(tmp_path, "epoch_1.pt", b"poison END")
    write(tmp_path, "epoch_2.pt", b"2 END")
    runner = StandIn()
    one = watcher(tmp_path, runner, once=False, max_attempts=3)
    look(one, times=4)
    assert sum(runner.runs.values()) == 2  # the second attempt waits
    for seconds, attempts in ((9, 1), (1, 2), (19, 2), (1, 3), (1000, 3)):
        advance(one, seconds)
        look(one)
        assert sum(count for run, count in runner.runs.items()) - 1 == attempts, seconds
    assert "1 failed; epoch_1.pt: its weights are not finite" in line("clip", states(one))
    assert [(event["step"], event["state"]) for event in one.events] == [(2, "succeeded"), (1, "failed")]  # type: ignore[attr-defined]
    assert not list((tmp_path / "root/watch/clip/_pins").iterdir())


def test_once_tries_each_one_time(tmp_path: Path) -> None:
    write(tmp_path, "epoch_1.pt", b"poison END")
    runner = StandIn()
    look(watcher(tmp_path, runner, max_attempts=2), times=5)
    assert sum(runner.runs.values()) == 1
    look(watcher(tmp_path, runner, max_attempts=2), times=5)
    third = watcher(tmp_path, runner, max_attempts=2)
    look(third, times=5)
    assert sum(runner.runs.values()) == 2
    assert by_state(third) == {"epoch_1.pt": "given up"}


class Killed(BaseException):
    """Stands for kill -9: from then on nothing is written."""


def killed_at(monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool) -> None:
    """The watcher dies before, or just after, its write of this number: of the ledger, or of a copy."""
    writes = [0]

    def dying(real: Any) -> Any:
        def write_or_die(*arguments: Any, **options: Any) -> Any:
            writes[0] += 1
            if writes[0] > number or (writes[0] == number and not after):
                raise Killed
            done = real(*arguments, **options)
            if writes[0] == number:
                raise Killed
            return done

        return write_or_die

    monkeypatch.setattr(ledger_module, "publish_json", dying(ledger_module.publish_json))
    monkeypatch.setattr(copies, "give_name", dying(copies.give_name))
    monkeypatch.setattr(copies, "remove", dying(copies.remove))


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("after", [False, True])
# seen, copy, its digest, submitted, name, running, succeeded, removal of the copy, notice, notified
@pytest.mark.parametrize("number", range(1, 11))
def test_a_watcher_killed_between_any_two_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool, deleted: bool
) -> None:
    path = write(tmp_path, "epoch_1.pt", b"1 END")
    runner = StandIn()
    with monkeypatch.context() as patch:
        killed_at(patch, number, after=after)
        killed = watcher(tmp_path, runner)
        with pytest.raises(Killed):
            look(killed, times=3)
    for module in (poll, watcher_module):
        monkeypatch.setattr(module, "is_dead", bool)
        monkeypatch.setattr(module, "is_alive", lambda _holder: False, raising=False)
    if deleted:
        path.unlink()
    second = StandIn()
    again = watcher(tmp_path, second)
    look(again, times=3)
    third = watcher(tmp_path, second)
    look(third, times=2)
    events = [event["encoder"] for one in (killed, again, third) for event in one.events]  # type: ignore[attr-defined]
    again_notified = number == 10 and not after  # killed between the notification and the file that holds that it was made
    assert len(events) == (1 + again_notified if states(again) else 0)
    done = [*runner.read.items(), *second.read.items()]
    assert set(done) <= {("clip@1", b"1 END")}
    if path.exists() or done:
        assert encoders(again) == ["clip@1"]
        assert len(second.runs) == (number < 7 or (number == 7 and not after))
    else:
        rows = states(again)  # gone before a copy was made, or before anything was written: then nobody has seen it
        assert [row["state"] for row in rows] == (["vanished"] if number > 1 or after else [])


@pytest.mark.parametrize("hours", [0, 2])
def test_two_watchers_share_the_work_whatever_their_clocks_say(tmp_path: Path, hours: int) -> None:
    for epoch in range(8):
        path = write(tmp_path, f"epoch_{epoch}.pt", f"{epoch} END".encode())
        skewed = path.stat().st_mtime + (-1) ** epoch * hours * 3600  # trainers have clocks too
        os.utime(path, (skewed, skewed))
    runners = StandIn(questions=1), StandIn(questions=1)
    pair = [watcher(tmp_path, runner) for runner in runners]
    advance(pair[1], hours * 3600)
    for one in pair:
        one.look()
    for _ in range(12):
        for one in pair:
            one.look()
        for one in pair:  # both have the same list in hand
            one.work()
    assert sorted([*runners[0].read, *runners[1].read]) == [f"clip@{epoch}" for epoch in range(8)]
    assert all(runners[0].read), runners[0].read
    assert all(len(runner.runs) > 1 for runner in runners)
    assert encoders(pair[0]) == encoders(pair[1]) == [f"clip@{epoch}" for epoch in range(8)]


def _held_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Watcher, Path]:
    """A watcher beside one that has begun epoch_1.pt on another machine and then was silent; and the file of its beats."""
    write(tmp_path, "epoch_1.pt", b"1 END")
    with monkeypatch.context() as patch:
        killed_at(patch, 6, after=True)
        patch.setattr(owner, "_machine", lambda: "elsewhere")
        with pytest.raises(Killed):
            look(watcher(tmp_path, StandIn()), times=3)
    (beat,) = (tmp_path / "root/watch/clip/epoch_1.pt").glob("*/1.beat.json")
    return watcher(tmp_path, StandIn(), once=False, lease_seconds=60), beat


def test_a_lease_is_measured_by_the_watchers_own_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, beat = _held_by_another(tmp_path, monkeypatch)
    os.utime(beat, (beat.stat().st_mtime - 7200, beat.stat().st_mtime - 7200))  # the other's clock is two hours behind
    look(one, times=2)
    assert (by_state(one), one.undecided()) == ({"epoch_1.pt": "running"}, True)
    for number in (100, 101, 102):  # it lives: however long it takes, it is left alone
        advance(one, 50)
        beat.write_text(f'{{"beat": {number}}}')
        look(one)
    assert (by_state(one), one.undecided()) == ({"epoch_1.pt": "running"}, False)
    advance(one, 59)
    look(one)
    assert by_state(one) == {"epoch_1.pt": "running"}
    advance(one, 1)
    look(one, times=2)
    assert by_state(one) == {"epoch_1.pt": "succeeded"}
    assert states(one)[0]["attempts"] == 2


@pytest.mark.long
def test_a_thousand_at_once_are_submitted_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _file: None)  # of 16,000 small files
    for epoch in range(1000):
        write(tmp_path, f"epoch_{epoch}.pt", f"{epoch} END".encode())
    runner = StandIn(slots=7, shared=True, questions=2)
    one = watcher(tmp_path, runner, copy=False)
    look(one)
    one.look()
    while len(runner.runs) < 1000 or one.mine:
        one.work()
    assert runner.most == 7
    assert set(runner.runs.values()) == {1}
    assert line("clip", states(one)) == "watch clip: 1000 checkpoints, 1000 analysed"


def test_runs_that_live_on_are_found_by_the_next_watcher(tmp_path: Path) -> None:
    write(tmp_path, "epoch_1.pt", b"1 END")
    cluster = StandIn(slots=2, shared=True, questions=5)
    look(watcher(tmp_path, cluster), times=2)
    again = watcher(tmp_path, cluster)
    look(again, times=8)
    assert list(cluster.runs.values()) == [1]
    assert encoders(again) == ["clip@1"]


def test_two_watchers_of_one_run_notify_once(tmp_path: Path) -> None:
    write(tmp_path, "epoch_1.pt", b"1 END")
    write(tmp_path, "epoch_2.pt", b"poison END")
    cluster = StandIn(slots=2, shared=True, questions=2)
    pair = [watcher(tmp_path, cluster, once=False, max_attempts=1) for _ in range(2)]
    look(*pair, times=8)
    events = [(event["encoder"], event["state"]) for one in pair for event in one.events]  # type: ignore[attr-defined]
    assert sorted(events) == [("clip@1", "succeeded"), ("clip@2", "failed")]


def test_ends_of_earlier_versions_are_not_announced_again(tmp_path: Path) -> None:
    write(tmp_path, "epoch_1.pt", b"1 END")
    look(watcher(tmp_path, StandIn()), times=2)
    for path in (tmp_path / "root/watch").rglob("1.*"):
        if path.name.endswith(("notice.json", "notified.json")):
            path.unlink()
        elif path.name == "1.submitted.json":
            path.write_text(path.read_text().replace('"notices": true', '"notices": false'))
    again = watcher(tmp_path, StandIn())
    look(again, times=2)
    assert again.events == []  # type: ignore[attr-defined]


def test_two_watchers_killed_between_notice_and_notification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "epoch_1.pt", b"1 END")
    for number in (9, 1):  # the first has done all but that, the second takes over nothing else
        with monkeypatch.context() as patch:
            killed_at(patch, number, after=True)
            patch.setattr(watcher_module, "is_dead", bool)
            killed = watcher(tmp_path, StandIn())
            with pytest.raises(Killed):
                look(killed, times=3)
            assert killed.events == []  # type: ignore[attr-defined]
    held = watcher(tmp_path, StandIn())  # while the second may live, nobody else notifies
    look(held, times=3)
    assert held.events == []  # type: ignore[attr-defined]
    monkeypatch.setattr(watcher_module, "is_alive", lambda _holder: False)
    third = watcher(tmp_path, StandIn(), once=False, lease_seconds=60)
    for seconds in (0, 59, 1, 60):  # a machine that is gone: after a lease, by this watcher's own clock
        advance(third, seconds)
        look(third)
    assert [(event["step"], event["state"]) for event in third.events] == [(1, "succeeded")]  # type: ignore[attr-defined]
    names = {path.name for path in (tmp_path / "root/watch").rglob("1.succeeded.*")}
    assert names == {f"1.succeeded.{name}.json" for name in ("notice", "2.notice", "3.notice", "notified")}


def test_a_notice_of_an_earlier_version_is_a_notification(tmp_path: Path) -> None:
    write(tmp_path, "epoch_1.pt", b"1 END")
    look(watcher(tmp_path, StandIn()), times=2)
    (notice,) = (tmp_path / "root/watch").rglob("1.succeeded.notice.json")
    notice.write_text("{}")
    notice.with_name("1.succeeded.notified.json").unlink()
    again = watcher(tmp_path, StandIn(), once=False)
    look(again, times=2)
    assert again.events == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(3, 8))  # submitted, name, running, succeeded, notice
def test_a_watcher_of_jobs_elsewhere_killed_around_its_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool
) -> None:
    write(tmp_path, "epoch_1.pt", b"1 END")
    cluster = StandIn(slots=2, shared=True, questions=2)
    with monkeypatch.context() as patch:
        killed_at(patch, number, after=after)
        killed = watcher(tmp_path, cluster, copy=False, once=False)
        with pytest.raises(Killed):
            look(killed, times=8)
    for module in (poll, watcher_module):
        monkeypatch.setattr(module, "is_dead", bool)
    again = watcher(tmp_path, cluster, copy=False, once=False, backoff_seconds=0)
    look(again, times=8)
    assert encoders(again) == ["clip@1"]
    assert list(cluster.runs.values()) == [1]  # no content is submitted twice, whichever write was the last
    assert [event["encoder"] for one in (killed, again) for event in one.events] == ["clip@1"]  # type: ignore[attr-defined]


def test_a_cluster_that_was_lost_with_a_run_gets_it_again(tmp_path: Path) -> None:
    write(tmp_path, "epoch_1.pt", b"1 END")
    look(watcher(tmp_path, StandIn(shared=True, questions=5)), times=2)
    fresh = StandIn(shared=True)
    again = watcher(tmp_path, fresh, once=False, backoff_seconds=0)
    look(again, times=3)
    assert encoders(again) == ["clip@1"]
    assert list(fresh.runs.values()) == [1]


def test_an_interrupted_run_is_no_failure(tmp_path: Path) -> None:
    write(tmp_path, "epoch_1.pt", b"1 END")

    def interrupted(_task: Task) -> Any:
        raise KeyboardInterrupt

    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            look(watcher(tmp_path, InPlace(interrupted)), times=2)
    last = watcher(tmp_path, StandIn())
    look(last, times=2)
    assert by_state(last) == {"epoch_1.pt": "succeeded"}
    assert whole is last.settings.check
