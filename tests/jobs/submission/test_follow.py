"""A job followed over streams that break and a head that goes away; the cluster is a script of what it answers."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.submission import follow
from jobs.submission.client import NotReachedError, UnknownJobError
from jobs.submission.follow import await_end, ended, status
from tda.errors import LacunaError

TEXT = "".join(f"line {i}\n" for i in range(20))


class Script:
    """A cluster whose job goes through `states`, one a look, the last one kept; an exception is raised. Each stream has its length."""

    url = "http://head"

    def __init__(self, *states: str | Exception, streams: tuple[int, ...] = (), logs: str | Exception = TEXT) -> None:
        self.states, self.streams, self._logs = list(states), list(streams), logs
        self.looks = 0

    def details(self, _: str) -> Any:
        self.looks += 1
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if state == "wait for streams":
            self.states = ["wait for streams", *self.states] if self.streams else self.states
            state = "RUNNING"
        if isinstance(state, Exception):
            raise state
        return SimpleNamespace(status=state, driver_exit_code=0)

    async def tail(self, _: str) -> AsyncIterator[str]:
        length = self.streams.pop(0) if self.streams else 0
        for at in range(0, length, 7):
            yield TEXT[at : min(at + 7, length)]
        raise RuntimeError("WebSocket connection closed unexpectedly")

    def logs(self, _: str) -> str:
        if isinstance(self._logs, Exception):
            raise self._logs
        return self._logs


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "RECONNECT", 0.01)


def test_broken_streams_print_every_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script("PENDING", "RUNNING", "wait for streams", "SUCCEEDED", streams=(30, 10, 75))
    assert status(ended(script, "j", wait_seconds=5, poll_seconds=0.02)) == "SUCCEEDED"  # type: ignore[arg-type]  # it answers as Jobs does
    assert capsys.readouterr().out == TEXT


def test_a_log_whose_node_is_gone_ends_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script("wait for streams", "FAILED", streams=(16,), logs=LacunaError("no agent"))
    assert status(ended(script, "j", wait_seconds=5, poll_seconds=0.02)) == "FAILED"  # type: ignore[arg-type]  # as above
    assert capsys.readouterr().out == TEXT[:16]


def test_the_status_alone_decides_when_a_job_has_ended() -> None:
    for state in ("SUCCEEDED", "FAILED", "STOPPED"):
        script = Script("PENDING", "RUNNING", "RUNNING", state)
        assert status(await_end(script, "j", 5, 0.001)) == state  # type: ignore[arg-type]  # as above
        assert script.looks == 4


def test_a_head_that_is_away_for_a_while_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    away = NotReachedError("no Ray cluster answers at http://head: refused")
    script = Script("RUNNING", away, away, "RUNNING", away, "SUCCEEDED")
    assert status(await_end(script, "j", 5, 0.001)) == "SUCCEEDED"  # type: ignore[arg-type]  # as above
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["lacuna submit: no Ray cluster answers at http://head: refused; trying for 5 s"] * 2


def test_a_lost_head_is_one_line_within_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script("RUNNING", NotReachedError("gone"))
    with pytest.raises(LacunaError) as caught:
        await_end(script, "j", 0.05, 0.01)  # type: ignore[arg-type]  # as above
    assert str(caught.value) == "the head of the cluster is lost: no answer for 0.05 s; the same command attaches to j again"
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_head_that_was_restarted_has_forgotten_the_job() -> None:
    with pytest.raises(LacunaError, match="http://head no longer knows job j: its head was restarted"):
        await_end(Script("RUNNING", UnknownJobError("404")), "j", 5, 0.001)  # type: ignore[arg-type]  # as above
