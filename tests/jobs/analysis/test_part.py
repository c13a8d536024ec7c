"""What parts share: a reading is made once, and a table is the one measured now, or the one that an earlier run left."""

from typing import Any

import numpy as np
import pytest

from jobs.analysis.part import Measuring, Part
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig


def _measuring(stored: Any) -> Measuring:
    subject: Any = object()
    return Measuring(subject=subject, others={}, parts=["a"], stored=stored, cluster=ClusterConfig())


def _no_table(name: str) -> Any:
    raise AssertionError(f"{name} was read")


def test_what_is_shared_is_made_once_for_a_name() -> None:
    run, made = _measuring(_no_table), list[str]()

    def make(name: str) -> Any:
        return run.once(name, lambda: made.append(name) or len(made))

    assert [make("rows"), make("rows"), make("layout"), make("rows")] == [1, 1, 2, 1]
    assert made == ["rows", "layout"]


def test_two_measurements_share_nothing() -> None:
    first, second = _measuring(_no_table), _measuring(_no_table)
    assert first.once("rows", lambda: 1) == 1
    assert second.once("rows", lambda: 2) == 2
    first.tables["ranks"] = {}
    assert second.tables == {}


def test_a_table_measured_now_comes_before_a_stored_one() -> None:
    old, new = {"row": np.array([1])}, {"row": np.array([2])}
    run = _measuring(lambda name: old if name == "ranks" else _no_table(name))
    assert run.table("ranks") is old
    run.tables["ranks"] = new
    assert run.table("ranks") is new


def test_a_part_says_what_is_not_so_by_default() -> None:
    part, analysis = Part(name="gap", settings=False, finish=lambda _run, _pending: ({}, {})), AnalysisConfig()
    assert part.keys == ("gap",)
    assert not part.seeded(analysis)
    assert (part.needs(analysis), part.cost_only(analysis), part.datasets(analysis)) == ((), (), ())
    assert part.shared(analysis) == {}
    assert part.line({}) is None
    assert Part(name="gap", settings=False, finish=part.finish, fills=("one", "two")).keys == ("one", "two")


def test_a_part_without_its_place_in_the_configuration_is_refused_with_the_step_that_is_missing() -> None:
    def finish(_run: Measuring, _pending: Any) -> Any:
        return {}, {}

    with pytest.raises(ValueError, match=r"^part 'new': add its name to PARTS in tda/config/analysis\.py$"):
        Part(name="new", finish=finish)
    with pytest.raises(ValueError, match=r"^part 'gap' has settings=True, and AnalysisConfig in tda/config/\S+ has no field: give"):
        Part(name="gap", finish=finish)
    with pytest.raises(ValueError, match=r"^part 'umap' has settings=False, and AnalysisConfig in .* has a field: remove it, or change"):
        Part(name="umap", settings=False, finish=finish)
