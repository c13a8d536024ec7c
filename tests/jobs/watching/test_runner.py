"""Runs in this process: what becomes of each kind of end."""

from typing import Any

import pytest

from jobs.runtime.app import Outcome
from jobs.watching.runner import InPlace, State, Task
from tda.errors import LacunaError, UserError

TASK = Task(label="epoch_1.pt", step=1, key="d-w", attempt=2, encoder="clip@1", url="/copy", sha256="f" * 64)


def raising(error: BaseException) -> Any:
    def work(_task: Task) -> Any:
        raise error

    return work


def test_a_run_has_one_name_for_every_watcher() -> None:
    assert TASK.run_id == "watch-epoch_1.pt-d-w-2"
    assert Task(**TASK.plain()) == TASK


def test_outcomes_become_the_line_and_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    runner = InPlace(lambda task: [Outcome(whole=True, line=f"{task.encoder} embedded"), Outcome(whole=True, line="analysed")])
    assert runner.state(TASK).state is State.LOST  # of another process, or never started
    runner.start(TASK)
    assert (runner.state(TASK).state, runner.state(TASK).line) == (State.SUCCEEDED, "clip@1 embedded; analysed")
    assert capfd.readouterr().err == "clip@1 embedded\nanalysed\n"


def test_what_is_not_whole_has_failed_with_its_own_line() -> None:
    runner = InPlace(lambda _task: [Outcome(whole=True, line="embedded"), Outcome(whole=False, line="1 shard failed")])
    runner.start(TASK)
    assert (runner.state(TASK).state, runner.state(TASK).line) == (State.FAILED, "1 shard failed")


@pytest.mark.parametrize(
    "error", [UserError("its weights\nare not finite"), LacunaError("its weights are not finite"), OSError("its weights are not finite")]
)
def test_expected_errors_are_failures(error: Exception) -> None:
    runner = InPlace(raising(error))
    runner.start(TASK)
    assert (runner.state(TASK).state, runner.state(TASK).line) == (State.FAILED, "its weights are not finite")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
def test_an_end_of_the_command_is_no_failure_and_goes_on(error: BaseException) -> None:
    runner = InPlace(raising(error))
    with pytest.raises(type(error)):
        runner.start(TASK)
    assert runner.state(TASK).state is State.STOPPED
