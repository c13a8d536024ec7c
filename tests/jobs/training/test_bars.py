"""Bars of arms that train: one each on a terminal, one line now and then elsewhere."""

import io

import pytest

from jobs.training.bars import TrainBars
from tda.encoders.training.loop import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def progress(step: int) -> Progress:
    return Progress(step=step, steps=9, loss=1.25, learning_rate=1e-3, seconds=1.0)


def test_a_terminal_has_a_bar_for_every_arm() -> None:
    stream = Terminal()
    with TrainBars(steps={"one": 9, "two": 9}, stream=stream) as bars:
        bars.update("one", progress(3))
        bars.note("two: resumed")
    reported = stream.getvalue()
    assert all(word in reported for word in ("one", "two", "3/9", "loss 1.250, learning rate 1.0e-03", "two: resumed"))


def test_without_a_terminal_a_line_holds_all_arms_that_still_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.runtime.progress.LINE_EVERY", -1.0)
    stream = io.StringIO()
    with TrainBars(steps={"one": 9, "two": 9}, stream=stream) as bars:
        bars.update("one", progress(3))
        bars.update("two", progress(9))
        bars.update("two", progress(9))
    assert stream.getvalue().splitlines() == ["one 3/9 loss 1.250, learning rate 1.0e-03"] * 3
