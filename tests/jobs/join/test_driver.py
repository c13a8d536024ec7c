"""Cells and probes of a join, how many reference actors it starts, and what each of them holds."""

import dataclasses

import pytest

from jobs.join.driver import assign, cells_of, group_bytes, probes_of, useful_actors
from jobs.join.reference_actor import JoinPlan, Unit
from tda.config.stages import NearestConfig
from tda.errors import UserError
from tda.store.datasets.cells import CellPlan, Group

ROOMY = 10**12
GROUPS = tuple(
    Group(modality=modality, name=f"{i:06d}", rows=50_000, repeats=0, cells=50) for modality in ("image", "text") for i in range(4)
)


@pytest.fixture
def plan() -> JoinPlan:
    """200,000 rows in 200 cells."""
    cells = CellPlan(
        root="root",
        reference="r",
        encoder="e",
        reference_hash="0",
        shards=(("s", 200_000),),
        dim=512,
        dtype="float16",
        cells=200,
        bound=4000,
        group_rows=50_000,
        seed=0,
    )
    return JoinPlan(cells=cells, groups=GROUPS, dataset="q", probes=None, k=1, threads=1, device="cpu", settings={})


@pytest.mark.parametrize(
    ("queries", "probes", "actors"),
    [(100, None, 1), (10_000, None, 16), (10_000, 2, 1), (100_000, 2, 2), (100_000, 500, 16)],
)
def test_an_actor_is_started_where_it_has_work(plan: JoinPlan, queries: int, probes: int | None, actors: int) -> None:
    assert useful_actors(dataclasses.replace(plan, probes=probes), [Unit("s")], queries, 16, ROOMY) == actors


def test_the_audit_is_work_too(plan: JoinPlan) -> None:
    probing = dataclasses.replace(plan, probes=2)
    assert useful_actors(probing, [Unit("_audit", rows=(("s", tuple(range(2000))),)), Unit("s")], 100, 16, ROOMY) == 4


def test_what_one_actor_cannot_hold_is_shared_out(plan: JoinPlan) -> None:
    group = group_bytes(plan, GROUPS[0])
    assert useful_actors(plan, [Unit("s")], 100, 16, 2 * group) == 4
    passes = assign(plan, 4, 2 * group)
    assert len(passes) == 1
    assert sorted(held.url for groups in passes[0] for held in groups) == sorted(group.url for group in GROUPS)
    assert useful_actors(plan, [Unit("s")], 100, 3, 2 * group) == 3  # the rest takes another pass
    assert len(assign(plan, 3, 2 * group)) == 2
    assert useful_actors(plan, [Unit("s")], 100, 16, int(1.7 * group)) == 8, "a group is not shared out"
    with pytest.raises(UserError, match=r"nearest\.memory_bytes=\d+ holds no group of cells .* lower nearest\.group_bytes"):
        assign(plan, 4, group - 1)


@pytest.mark.parametrize(("given", "rows", "cells"), [(None, 40_000, 400), (None, 2, 2), (7, 40_000, 7), (7, 5, 5)])
def test_cells_are_chosen_by_the_rows_and_are_no_more_than_these(given: int | None, rows: int, cells: int) -> None:
    assert cells_of(NearestConfig(cells=given), rows) == cells


@pytest.mark.parametrize(
    ("probes", "rows", "cells", "searched"),
    [(8, 200_000, 894, 8), (None, 200_000, 894, None), (8, 99_999, 632, None), (8, 200_000, 8, None), (7, 200_000, 8, 7)],
)
def test_a_search_of_all_cells_is_exact(probes: int | None, rows: int, cells: int, searched: int | None) -> None:
    assert probes_of(NearestConfig(probes=probes), rows, cells) == searched
