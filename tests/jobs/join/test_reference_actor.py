"""What a reference actor finds in the cells that it holds, against brute force over the same rows."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from jobs.join.reference_actor import JoinPlan, ReferenceActor, Unit
from tda.errors import ShardError

SHARD = Unit("q-00000")


def unit64(x_ND: Any) -> Any:
    wide_ND = x_ND.astype(np.float64)
    return wide_ND / np.linalg.norm(wide_ND, axis=1, keepdims=True)


def by_query(table: Any, n: int) -> list[list[tuple[float, int]]]:
    """(cosine, position) of each query's matches, best first."""
    found: list[list[tuple[float, int]]] = [[] for _ in range(n)]
    for one in table.to_pylist():
        found[one["query"]].append((one["cosine"], one["position"]))
    return [sorted(row, key=lambda match: (-match[0], match[1])) for row in found]


def require_best(table: Any, queries_ND: Any, rows_MD: Any, positions_M: Any, k: int) -> None:
    """The matches are the `k` best of the rows at these positions."""
    cosine_NM = unit64(queries_ND) @ unit64(rows_MD[positions_M]).T
    for cosine_M, matches in zip(cosine_NM, by_query(table, len(queries_ND)), strict=True):
        best_K = np.sort(cosine_M)[::-1][:k]
        np.testing.assert_allclose([cosine for cosine, _ in matches[:k]], best_K, atol=1e-6)
        at = dict(zip(positions_M.tolist(), cosine_M, strict=True))
        np.testing.assert_allclose([at[position] for _, position in matches[:k]], best_K, atol=1e-6)


def test_the_whole_reference_is_brute_force(plan: JoinPlan, drawn: dict[str, Any]) -> None:
    holder = ReferenceActor(plan)
    distinct = sum(group.rows for group in plan.groups)
    assert holder.load(list(plan.groups)) == distinct
    found = holder.match(SHARD, holder.route(SHARD, ["image", "text"]))
    for modality, key in (("image", "i"), ("text", "t")):
        require_best(found[modality], drawn[f"q{key}"][:50], drawn[f"r{key}"], np.arange(600), 3)
        ordinals, positions = (found[modality][name].to_numpy() for name in ("ordinal", "position"))
        np.testing.assert_array_equal(ordinals, positions % 250)


def test_repeats_of_a_row_are_matches_too(plan: JoinPlan, drawn: dict[str, Any]) -> None:
    """`clustered` repeats its first eighth from the middle on: queries 10 to 19 repeat the first text rows."""
    holder = ReferenceActor(plan)
    holder.load(list(plan.groups))
    matches = by_query(holder.match(SHARD, {})["text"], 50)
    for query in range(10, 20):
        same = np.flatnonzero((drawn["rt"] == drawn["qt"][query]).all(axis=1)).tolist()
        assert len(same) == 2
        assert [position for _, position in matches[query][:2]] == same


def test_other_groups_take_the_place_of_those_held(plan: JoinPlan, drawn: dict[str, Any]) -> None:
    first, *rest = (group for group in plan.groups if group.modality == "image")
    holder = ReferenceActor(plan)
    assert holder.load([first]) == first.rows
    held = holder._held["image"]
    assert holder.load([first]) == first.rows
    assert holder._held["image"] is held, "what is held is not read again"
    assert holder.load(rest) == sum(group.rows for group in rest)
    found = holder.match(SHARD, {})
    assert list(found) == ["image"]
    positions_M = np.sort(holder._held["image"].identity["position"])
    assert len(positions_M) == sum(group.rows + group.repeats for group in rest)
    require_best(found["image"], drawn["qi"][:50], drawn["ri"], positions_M, 3)


def test_probes_search_the_closest_cells_alone(plan: JoinPlan) -> None:
    probing = dataclasses.replace(plan, probes=2, k=1)
    holder = ReferenceActor(probing)
    holder.load([group for group in plan.groups if group.modality == "image"])
    routes = holder.route(SHARD, ["image"])
    cells = len(holder._centroid_table("image"))
    assert routes["image"].shape == (50, 2)
    assert (routes["image"] >= 0).all()
    assert (routes["image"] < cells).all()
    bounds, identity = holder._held["image"].table.bounds, holder._held["image"].identity["position"]
    for one in holder.match(SHARD, routes)["image"].to_pylist():
        at = int(np.flatnonzero(identity == one["position"])[0])
        cell = np.searchsorted(np.asarray(bounds), at, side="right") - 1
        assert np.flatnonzero(holder._held["image"].local_C == cell)[0] in routes["image"][one["query"]]
    every = ReferenceActor(dataclasses.replace(plan, probes=cells))
    assert every.route(SHARD, ["image"]) == {}, "all cells: no choice to make"


def test_a_sample_is_searched_exactly(plan: JoinPlan, drawn: dict[str, Any]) -> None:
    sample = Unit("_audit", (("q-00000", (3, 40)), ("q-00001", (5,))))
    probing = ReferenceActor(dataclasses.replace(plan, probes=1))
    assert sample.is_audit
    assert probing.route(sample, ["image", "text"]) == {}
    np.testing.assert_array_equal(sample.read(plan, "text"), drawn["qt"][[3, 40, 55]])
    probing.load(list(plan.groups))
    require_best(probing.match(sample, {})["image"], drawn["qi"][[3, 40, 55]], drawn["ri"], np.arange(600), 3)


def test_a_shard_that_is_not_there_is_named(plan: JoinPlan) -> None:
    holder = ReferenceActor(plan)
    holder.load(list(plan.groups[:1]))
    with pytest.raises(ShardError, match="q-00009"):
        holder.match(Unit("q-00009"), {})
