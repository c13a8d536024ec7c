"""Every item ends in a result or a named failure, whatever happens to the actors."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.runtime.actors.dispatch import dispatch
from jobs.runtime.run_progress import RunProgress, current
from tda.errors import LacunaError, ShardError, UserError

pytestmark = pytest.mark.usefixtures("ray_cluster")


class Worker:
    """Echoes the item and the attempt, after it has done what the item says."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def work(self, item: str, attempt: int) -> tuple[str, int]:
        kind = item.partition("-")[0]
        if kind == "killer" or (kind == "kills_once" and attempt == 1):
            os._exit(1)
        if kind == "bad_shard":
            raise ShardError(item, "truncated", "12 bytes")
        if kind == "bug":
            raise KeyError("pixels")
        if kind == "mistake":
            raise UserError("no such checkpoint")
        with (self.folder / item).open("a") as log:
            log.write("x")
        return item, attempt


class Stillborn(Worker):
    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        os._exit(1)


Outcomes = tuple[dict[str, Any], dict[str, LacunaError]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Outcomes]:
    import ray

    def run(items: list[str], *, kind: type[Worker] = Worker, actors: int = 2, max_attempts: int = 3) -> Outcomes:
        results: dict[str, Any] = {}
        failures: dict[str, LacunaError] = {}
        actor = ray.remote(num_cpus=0.1, max_restarts=0, max_task_retries=0)(kind)
        dispatch(
            items,
            make_actor=lambda: actor.remote(str(tmp_path)),
            submit=lambda handle, item, attempt: handle.work.remote(item, attempt),
            on_result=results.__setitem__,
            on_failure=failures.__setitem__,
            actors=actors,
            max_attempts=max_attempts,
        )
        return results, failures

    return run


def test_results_failures_and_losses_in_one_run(run: Callable[..., Outcomes], tmp_path: Path) -> None:
    good = [f"fine-{i}" for i in range(8)]
    progress = RunProgress("embed")
    with current(progress):
        results, failures = run(["kills_once-a", *good[:4], "killer-b", "killer-e", "bad_shard-c", "bug-d", *good[4:]], max_attempts=2)
    lost = [entry for line in progress.log.data("run", str).splitlines() if "actor" in (entry := json.loads(line))]
    assert {"kills_once-a", "killer-b", "killer-e"} <= {entry["shard"] for entry in lost}
    assert len({entry["actor"] for entry in lost}) == len(lost)  # each by Ray's id
    assert all(re.fullmatch("[0-9a-f]{32}", entry["actor"]) and entry["level"] == "error" for entry in lost)
    assert results.keys() == {*good, "kills_once-a"}
    assert results["kills_once-a"] == ("kills_once-a", 2)
    assert {attempt for _, attempt in results.values()} == {1, 2}
    assert failures.keys() == {"killer-b", "killer-e", "bad_shard-c", "bug-d"}
    assert str(failures["killer-b"]).startswith("shard killer-b: lost (2 actors died on it")
    assert str(failures["bad_shard-c"]) == "shard bad_shard-c: truncated (12 bytes)"
    assert str(failures["bug-d"]) == "shard bug-d: unexpected error (KeyError: 'pixels')"
    assert all(1 <= len((tmp_path / item).read_text()) <= 2 for item in good)  # a dying actor can take the last answer with it
    assert not any("\n" in str(error) for error in failures.values())


def test_a_users_mistake_ends_the_run(run: Callable[..., Outcomes]) -> None:
    with pytest.raises(UserError, match=r"^no such checkpoint$"):
        run(["mistake-a", "fine-b"], actors=1)


def test_actors_that_cannot_live_end_the_run(run: Callable[..., Outcomes]) -> None:
    with pytest.raises(LacunaError, match="no actor stays alive: 3 died in a row"):
        run([f"fine-{i}" for i in range(50)], kind=Stillborn, actors=1, max_attempts=1)


def test_nothing_to_do_starts_no_actor() -> None:
    def no_actor() -> None:
        raise AssertionError

    dispatch([], make_actor=no_actor, submit=print, on_result=print, on_failure=print, actors=2)
