"""Whether work moves on, reported by the one who does it. What is made of the answers: tests/chaos/test_actors.py."""

import time

import pytest

from jobs.runtime.actors.heartbeat import Beating, Watch


def test_only_work_can_stand_still() -> None:
    actor = Beating()
    time.sleep(0.02)
    assert actor.still_for() == 0.0
    with actor.at_work():
        time.sleep(0.02)
        assert actor.still_for() >= 0.02
        before = actor.still_for()
        actor.moved_on()
        assert actor.still_for() < before
    assert actor.still_for() == 0.0


def test_as_long_as_one_of_several_is_at_work() -> None:
    actor = Beating()
    with actor.at_work():
        with actor.at_work():
            pass
        time.sleep(0.01)
        assert actor.still_for() >= 0.01


def test_work_that_fails_is_no_work_any_more() -> None:
    actor = Beating()
    with pytest.raises(ValueError), actor.at_work():
        raise ValueError
    assert actor.still_for() == 0.0


def test_questions_are_asked_four_times_before_the_shortest_limit() -> None:
    assert Watch(silent_seconds=8, stalled_seconds=20).every == 2
    assert Watch(silent_seconds=None, stalled_seconds=2).every == 0.5
    assert Watch(silent_seconds=3600).every == 10
