"""Functions as Ray tasks: results in order, a bounded number at a time, errors as they were raised."""

import gc
import time
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import pytest

from jobs.runtime import tasks
from jobs.runtime.showing.display import tracked
from jobs.runtime.showing.track import PREFIX
from jobs.runtime.tasks import FAN, merged, ordered, result, start, uncollected
from tda.config.cluster import ClusterConfig
from tda.errors import ShardError
from tda.progress import report_progress

CLUSTER = ClusterConfig(actors=2, cpus_per_actor=0.1)


def double(number: int) -> int:
    return 2 * number


def both(number: int) -> tuple[int, int]:
    return number, -number


def text_of(number: int) -> str:
    return str(number)


def bracket(one: str, two: str) -> str:
    return f"({one} {two})"


def refuse(_number: int) -> int:
    raise ShardError("00007", "is cut short")


def stumble(_number: int) -> int:
    raise KeyError("a bug")


@pytest.mark.usefixtures("ray_cluster")
def test_a_task_takes_references_and_returns_one_or_several() -> None:
    first = start(double, 3, cluster=CLUSTER)
    assert result(start(double, first, cluster=CLUSTER)) == 12
    assert [result(one) for one in start(both, 5, cluster=CLUSTER, returns=2)] == [5, -5]


@pytest.mark.usefixtures("ray_cluster")
def test_an_error_of_ours_is_raised_as_it_is_and_a_bug_as_rays() -> None:
    import ray

    with pytest.raises(ShardError) as caught:
        result(start(refuse, 1, cluster=CLUSTER))
    assert type(caught.value) is ShardError
    assert "00007" in str(caught.value)
    with pytest.raises(ray.exceptions.RayTaskError, match="a bug"):
        result(start(stumble, 1, cluster=CLUSTER))


@pytest.mark.usefixtures("ray_cluster")
def test_results_come_in_the_order_of_the_calls_and_calls_are_drawn_as_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, taken = list[int](), list[int]()
    monkeypatch.setattr(tasks, "slots", lambda _cluster: (2, 0.0))

    def calls() -> Iterator[tuple[int]]:
        for number in range(20):
            drawn.append(number)
            yield (number,)

    for value in ordered(double, calls(), CLUSTER):
        taken.append(value)
        assert len(drawn) - len(taken) <= 2 * 2, "a bounded number at a time"
    assert taken == [2 * number for number in range(20)]
    assert list(ordered(double, [], CLUSTER)) == []


def test_nothing_is_collected_inside_and_the_state_before_comes_back() -> None:
    seen = list[bool]()
    with pytest.raises(KeyError), uncollected():
        raise KeyError(seen.append(gc.isenabled()))
    assert (seen, gc.isenabled()) == ([False], True)
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def count_slowly(until: str) -> int:
    for done in range(1, 500):
        report_progress(done, 500, "epochs")
        if Path(until).exists():
            break
        time.sleep(0.05)
    return done


@pytest.mark.usefixtures("ray_cluster")
def test_a_running_task_shows_how_far_it_is_and_leaves_nothing_behind(tmp_path: Path) -> None:
    from ray.experimental import internal_kv

    with tracked("umap") as track:
        pending = start(count_slowly, str(tmp_path / "end"), cluster=CLUSTER)
        while track.unit != "epochs":
            track.poll()
            time.sleep(0.05)
        assert 0 < track.done < track.whole == 500
        (tmp_path / "end").touch()
        assert result(pending) < 500
        track.poll()
        assert (track.done, track.whole) == (1, 1)
    assert internal_kv._internal_kv_list(PREFIX) == []


@pytest.mark.usefixtures("ray_cluster")
def test_calls_in_order_count_towards_the_whole() -> None:
    with tracked("gap") as track:
        assert list(ordered(double, ((number,) for number in range(5)), CLUSTER, whole=9)) == [0, 2, 4, 6, 8]
        track.poll()
        assert (track.done, track.whole, track.unit) == (5, 9, "tasks")


@pytest.mark.usefixtures("ray_cluster")
def test_merging_is_no_task_of_the_display() -> None:
    with tracked("merging") as track:
        assert merged(text_of, ((number,) for number in range(FAN + 2)), bracket, CLUSTER, whole=FAN + 2).count("(") == FAN + 1
        track.poll()
        assert (track.done, track.whole) == (FAN + 2, FAN + 2)


def by_hand(texts: list[str]) -> str:
    """The tree of `merged`, written anew: runs of FAN from left to right, then runs of these."""
    while len(texts) > 1:
        runs = [texts[start : start + FAN] for start in range(0, len(texts), FAN)]
        texts = [reduce(bracket, run) for run in runs]
    return texts[0]


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("count", [1, 2, FAN, FAN + 1, FAN * FAN, FAN * FAN + FAN + 1])
def test_results_merge_in_order_by_a_tree_that_depends_on_their_number_alone(count: int) -> None:
    found = [merged(text_of, ((number,) for number in range(count)), bracket, ClusterConfig(actors=n, cpus_per_actor=0.1)) for n in (1, 3)]
    assert found[0] == found[1] == by_hand([str(number) for number in range(count)])
    if count <= FAN:
        assert found[0] == reduce(bracket, map(str, range(count))), "few results merge one after the other"


@pytest.mark.usefixtures("ray_cluster")
def test_an_error_ends_a_merge_before_all_calls_are_drawn() -> None:
    drawn = list[int]()

    def calls() -> Iterator[tuple[int]]:
        for number in range(100):
            drawn.append(number)
            yield (number,)

    with pytest.raises(ShardError, match="00007"):
        merged(refuse, calls(), bracket, CLUSTER)
    assert len(drawn) < 10
    with pytest.raises(ValueError, match="nothing to merge"):
        merged(text_of, [], bracket, CLUSTER)
