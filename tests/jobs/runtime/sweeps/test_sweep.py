"""Sweeps as a user runs them: killed and repeated, with a bad cell, side by side, and by Optuna."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from repeated_rows import gone, plant_world
from typed import Typed, typed

from jobs import dedupe
from jobs.runtime.session import sharing, slots
from jobs.runtime.sweeps.cells import current_cell

REPOSITORY = Path(__file__).resolve().parents[4]
GRID = ["encoder.name=e,f", "dedupe.threshold=0.9,0.95,0.98"]
DROPPED = {0.9: {2, 11, 13, 17, 19, 23}, 0.95: {2, 11, 13, 17, 23}, 0.98: {2, 13, 17, 23}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, encoder in enumerate(("e", "f")):
        plant_world(tmp_path, encoder=encoder, seed=9 * seed)
    return tmp_path


def words(root: Path, *more: str) -> list[str]:
    return ["-m", f"root={root}", "dataset.name=d", "reference.name=r", *more]


def sweep(root: Path, *more: str) -> Typed:
    return typed("dedupe", *words(root, *more))


def recorded(root: Path, name: str = "dedupe-encoder-threshold") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "sweeps" / name / "sweep.json").read_text())
    return found


def states(root: Path, name: str = "dedupe-encoder-threshold") -> dict[tuple[Any, ...], str]:
    return {tuple(cell["values"].values()): cell["state"] for cell in recorded(root, name)["cells"]}


def ran(done: Typed) -> list[str]:
    """Lines of the cells that were run, which stand before the table."""
    lines = done.stdout.splitlines()
    return lines[: next(number for number, line in enumerate(lines) if line.startswith(("encoder.name ", "dedupe.")))]


def stamps(root: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in (root / "dedupe").rglob("kept.parquet")}


@pytest.mark.long
@pytest.mark.parametrize("parallel", [1, 2])
def test_a_sweep_killed_half_way_runs_only_the_missing_cells(root: Path, parallel: int) -> None:
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests" / "support")])
    command = [sys.executable, str(REPOSITORY / "tests/support/killed_dedupe.py"), "4", *words(root, *GRID, f"sweep.parallel={parallel}")]
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False, cwd=root)
    assert killed.returncode == -9, killed.stderr
    whole = {values for values, state in states(root).items() if state == "whole"}
    assert len(whole) in ((3,) if parallel == 1 else (2, 3))
    before = stamps(root)
    repeated = sweep(root, *GRID, f"sweep.parallel={parallel}")
    assert repeated.returncode == 0, repeated.stderr
    assert len(ran(repeated)) == 6 - len(whole)
    assert repeated.stdout.splitlines()[-1] == f"6 of 6 whole ({len(whole)} from before)"
    assert before.items() <= stamps(root).items(), "what is whole is left as it is"
    assert set(states(root).values()) == {"whole"}
    for encoder in ("e", "f"):
        assert {t: gone(root, reference=f"r@image-{t}", encoder=encoder) for t in DROPPED} == DROPPED
    assert not (root / "dedupe/d/e/r/summary.json").exists(), "no cell becomes the main result"
    assert ran(sweep(root, *GRID)) == []


@pytest.mark.parametrize("parallel", [1, 2])
def test_one_bad_cell_is_named_and_stops_no_other(root: Path, parallel: int) -> None:
    done = sweep(root, "encoder.name=e,f", "dedupe.threshold=0.9,0.95,7", f"sweep.parallel={parallel}")
    assert done.returncode == 1
    bad = "dedupe.threshold=7.0 is out of range; it must be from -1 to 1"
    named = [f"encoder.name={encoder} dedupe.threshold=7.0" for encoder in "ef"]
    assert sorted(done.stderr.splitlines()) == [f"lacuna dedupe: {one}: {bad}" for one in named]
    assert done.stdout.splitlines()[-1] == f"4 of 6 whole; failed: {', '.join(named)}"
    assert {values: state for values, state in states(root).items() if state != "whole"} == {("e", 7.0): "failed", ("f", 7.0): "failed"}
    assert {cell.get("error") for cell in recorded(root)["cells"]} == {None, bad}


def test_a_bug_of_one_cell_stops_no_other(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decide = dedupe._decide

    def broken(job: Any, inputs: Any) -> Any:
        return 1 / 0 if job.dedupe.threshold == 0.95 else decide(job, inputs)

    with monkeypatch.context() as patch:
        patch.setattr(dedupe, "_decide", broken)
        done = sweep(root, "encoder.name=e", "dedupe.threshold=0.9,0.95,0.98")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stdout.splitlines()[-1] == "2 of 3 whole; failed: dedupe.threshold=0.95"
    assert len(ran(sweep(root, "encoder.name=e", "dedupe.threshold=0.9,0.95,0.98"))) == 1, "a repeat runs what has failed"


def test_grown_values_join_and_new_rows_are_run_again(root: Path) -> None:
    assert sweep(root, "encoder.name=e", "dedupe.threshold=0.9,0.95").returncode == 0
    grown = sweep(root, "encoder.name=e", "dedupe.threshold=0.9,0.95,0.98")
    assert len(ran(grown)) == 1
    found = recorded(root, "dedupe-threshold")
    assert [cell["values"]["dedupe.threshold"] for cell in found["cells"]] == [0.9, 0.95, 0.98]
    assert [cell["numbers"]["rows_kept"] for cell in found["cells"]] == [34, 35, 36]
    for cell in found["cells"]:
        own = json.loads((root / "sweeps/dedupe-threshold" / cell["cell"] / "cell.json").read_text())
        assert own["numbers"] == cell["numbers"]
    plant_world(root, encoder="e", seed=3)
    assert len(ran(sweep(root, "encoder.name=e", "dedupe.threshold=0.9,0.95"))) == 2


def test_one_value_is_a_sweep_of_one_cell(root: Path) -> None:
    assert typed("dedupe", *words(root, "encoder.name=e")[1:]).returncode == 0
    main = (root / "dedupe/d/e/r/summary.json").read_bytes()
    done = sweep(root, "encoder.name=e", "dedupe.threshold=0.5", "sweep.name=mine")
    assert done.stdout.splitlines()[-1] == "1 of 1 whole"
    assert states(root, "mine") == {(0.5,): "whole"}
    assert (root / "dedupe/d/e/r/summary.json").read_bytes() == main


def test_zipped_values_are_cells_of_a_row_each(root: Path) -> None:
    assert sweep(root, "encoder.name=e,f", "dedupe.threshold=0.9,0.98", "sweep.zip=[encoder.name,dedupe.threshold]").returncode == 0
    assert set(states(root)) == {("e", 0.9), ("f", 0.98)}


def test_mistakes_of_the_command_are_one_line_and_run_nothing(root: Path) -> None:
    for more, message in (
        (["dedupe.treshold=1,2"], "dedupe.treshold is unknown (did you mean threshold?)"),
        (["sweep.parallel=0"], "sweep.parallel=0 is too small; it must be at least 1"),
        (["sweep.name=a/b", "dedupe.threshold=0.9"], "sweep.name='a/b' cannot name a file"),
    ):
        done = sweep(root, "encoder.name=e", *more)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
        assert message in done.stderr
    assert not (root / "sweeps").exists()
    refused = sweep(root, "encoder.name=e", "dedupe.threshold=7")
    assert refused.returncode == 2, "every cell is a mistake"


def test_an_unknown_objective_names_those_that_are_near(root: Path) -> None:
    done = sweep(root, "encoder.name=e", "dedupe.threshold=0.9", "sweep.objective=row_kept")
    assert done.returncode == 1
    assert (
        "sweep.objective=row_kept is no number of this cell; there are rows_kept"
        in done.stdout + recorded(root, "dedupe-threshold")["cells"][0]["error"]
    )
    found = sweep(root, "encoder.name=e", "dedupe.threshold=0.9,0.98", "sweep.objective=rows_kept")
    assert found.stdout.splitlines()[-4:-1] == [
        "dedupe.threshold  state  rows_kept",
        "0.9               whole  34",
        "0.98              whole  36",
    ]


def test_cells_side_by_side_know_their_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, meet, decide = list[Any](), threading.Barrier(2), dedupe._decide

    def met(job: Any, inputs: Any) -> Any:
        meet.wait(60)  # both are at work at once
        seen.append((current_cell().values["dedupe.threshold"], job.dedupe.threshold))
        return decide(job, inputs)

    monkeypatch.setattr(dedupe, "_decide", met)
    assert sweep(root, "encoder.name=e,f", "dedupe.threshold=0.9,0.98", "sweep.parallel=2").returncode == 0
    assert len(seen) == 4
    assert all(values == own for values, own in seen)


def test_an_interrupt_is_recorded_and_resumed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dedupe, "_decide", interrupted)
        done = sweep(root, "encoder.name=e", "dedupe.threshold=0.9,0.98")
    assert done.returncode == 130
    assert states(root, "dedupe-threshold") == {(0.9,): "interrupted"}
    assert len(ran(sweep(root, "encoder.name=e", "dedupe.threshold=0.9,0.98"))) == 2


def test_the_optuna_sweeper_optimises_a_number_of_the_cells(root: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="hydra-optuna-sweeper is an extra of the tests")
    options = ["hydra.sweeper.n_trials=6", "hydra.sweeper.direction=maximize", "hydra.sweeper.sampler.seed=1", "sweep.objective=rows_kept"]
    done = sweep(root, "encoder.name=e", "hydra/sweeper=optuna", "dedupe.threshold=interval(0.85,0.999)", *options)
    assert done.returncode == 0, done.stderr
    cells = recorded(root, "dedupe-threshold")["cells"]
    assert len(cells) == 6
    kept = [cell["numbers"]["rows_kept"] for cell in cells]
    assert kept == sorted(kept), "cells are in the order of their thresholds"
    failing = sweep(root, "encoder.name=e", "hydra/sweeper=optuna", "dedupe.threshold=choice(7,8)", *options)
    assert failing.returncode == 2, "no best among cells of which none is whole"


@pytest.mark.usefixtures("ray_cluster")
def test_a_shared_cluster_is_divided_fairly() -> None:
    from tda.config.cluster import ClusterConfig

    whole = slots(ClusterConfig())[0]
    with sharing(2):
        assert slots(ClusterConfig())[0] == max(1, whole // 2)
        assert slots(ClusterConfig(actors=64))[0] == max(1, whole // 2), "no more than its part"
        assert slots(ClusterConfig(actors=1))[0] == 1
    assert slots(ClusterConfig(actors=64))[0] == 64
