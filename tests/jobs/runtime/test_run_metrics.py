"""What a run has done, as counters and gauges: each addition once, whoever counts, and never at the cost of the run."""

from collections.abc import Sequence
from typing import Any

import pytest

from jobs.runtime import run_metrics
from jobs.runtime.run_metrics import TAGS, RunMetrics
from jobs.runtime.run_progress import RunProgress, current, track
from jobs.training.bars import TrainBars
from tda.encoders.training.loop import Progress
from tda.errors import LacunaError


class Page:
    """The metrics that were made: name -> tags -> value."""

    def __init__(self) -> None:
        self.values: dict[str, dict[tuple[str, ...], float]] = {}

    def __call__(self, kind: str, name: str, description: str, tags: Sequence[str]) -> Any:
        assert description
        assert name not in self.values  # made once
        made = self.values.setdefault(name, {})

        class Metric:
            def inc(self, value: float, given: dict[str, str]) -> None:
                assert kind == "Counter"
                assert value > 0  # Ray refuses less
                made[key(given)] = made.get(key(given), 0) + value

            def set(self, value: float, given: dict[str, str]) -> None:
                assert kind == "Gauge"
                made[key(given)] = value

        def key(given: dict[str, str]) -> tuple[str, ...]:
            assert set(given) == set(tags)
            return tuple(given[tag] for tag in tags)

        return Metric()


def test_each_addition_is_counted_once() -> None:
    progress, page = RunProgress("paper"), Page()
    metrics = RunMetrics(progress, page)
    with current(progress):
        work = track("nearest", "d", ["e"], reference="r", total=10, before=4)
        other = track("nearest", "d", ["e"], reference="s", total=1)  # of the same tags
        metrics.count()
        assert page.values == {
            "lacuna_stage_left": {("paper", "nearest", "d", "e"): 7},
            "lacuna_stage_failed": {("paper", "nearest", "d", "e"): 0},
        }
        work.did("00001", pairs=7)
        other.did("00001", pairs=3)
        work.failed("00002", LacunaError("full"))
        metrics.count()
        metrics.count()
        work.did("00003", pairs=1)
        metrics.count()
    here = ("paper", "nearest", "d", "e")
    assert TAGS == ("job", "stage", "dataset", "encoder")
    assert page.values["lacuna_stage_done_total"] == {here: 3}
    assert page.values["lacuna_stage_pairs_total"] == {here: 11}
    assert page.values["lacuna_stage_seconds_total"][here] == pytest.approx(work.seconds + other.seconds)


def test_work_on_several_encoders_counts_for_each_and_a_training_has_its_loss() -> None:
    progress, page = RunProgress("train"), Page()
    with current(progress):
        arm = track("train", encoders=["a"], total=9)
        track("embed", "d", ["a", "b"], total=2).did("0", pairs=5)
    with TrainBars(steps={"a": 9}, work={"a": arm}) as bars:
        bars.update("a", Progress(step=3, steps=9, loss=1.25, learning_rate=0.5, seconds=1.0))
    RunMetrics(progress, page).count()
    assert page.values["lacuna_stage_pairs_total"] == {("train", "embed", "d", name): 5 for name in "ab"}
    assert page.values["lacuna_stage_done_total"]["train", "train", "", "a"] == 3
    assert page.values["lacuna_stage_left"]["train", "train", "", "a"] == 6
    assert page.values["lacuna_train_loss"] == {("train", "train", "", "a"): 1.25}
    assert page.values["lacuna_train_learning_rate"] == {("train", "train", "", "a"): 0.5}


def test_without_a_ray_nothing_is_exported_and_a_failure_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = RunProgress("ingest")
    with current(progress):
        track("embed", "d", ["e"], total=1).did("0")
    asked = list[str]()
    monkeypatch.setattr(run_metrics, "_connected", lambda: False)
    monkeypatch.setattr(run_metrics, "_joined", lambda: bool(asked.append("joined")))
    for joins in (False, True):
        metrics = RunMetrics(progress, joins=joins)
        metrics.count()
        assert metrics._made == {}
        assert asked == ["joined"] * joins  # a command that joins by itself is never joined from here, beside it

    def broken(*_: Any) -> Any:
        raise RuntimeError("no agent")

    RunMetrics(progress, broken).count()
