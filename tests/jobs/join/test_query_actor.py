"""A query shard asks every reference actor and keeps the best of all; passes wait for the last one; a lost actor is no failure."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from nearest_rows import publish_set

from jobs.join.query_actor import Lost, QueryActor, _publish_found, _read_found, partial_url, pass_name
from jobs.join.reference_actor import FOUND, JoinPlan, ReferenceActor, Unit
from tda.errors import ShardError
from tda.geometry.neighbors import best_match
from tda.store.commit.records import read_record
from tda.store.datasets.cells import Group
from tda.store.datasets.nearest import NearestSet, nearest_recorded
from tda.store.paths import RootPaths
from tda.store.types import VECTORS

pytestmark = pytest.mark.usefixtures("ray_cluster")
SHARDS = (Unit("q-00000"), Unit("q-00001"))


@pytest.fixture
def hold() -> Iterator[Any]:
    """Starts reference actors, one for each list of groups."""
    import ray

    actors: list[Any] = []

    def hold(plan: JoinPlan, shares: Sequence[list[Group]]) -> list[Any]:
        mine = [ray.remote(num_cpus=0.01)(ReferenceActor).remote(plan) for _ in shares]
        actors.extend(mine)
        ray.get([actor.load.remote(groups) for actor, groups in zip(mine, shares, strict=True)])
        return mine

    yield hold
    for actor in actors:
        ray.kill(actor)


def shares(plan: JoinPlan) -> list[list[Group]]:
    """The groups dealt to two actors."""
    return [list(plan.groups[::2]), list(plan.groups[1::2])]


def require_brute_force(plan: JoinPlan, drawn: dict[str, Any]) -> None:
    found = NearestSet(plan.cells.root, "q", "e", "r")
    for modality in VECTORS:
        cosine_NK, index_NK = best_match(drawn[f"q{modality[0]}"], drawn[f"r{modality[0]}"], k=3)
        top = found.table([f"{modality}_topk"])[0].to_pylist()
        np.testing.assert_array_equal([[one["cosine"] for one in row] for row in top], cosine_NK.astype(np.float32))
        assert [[one["ordinal"] for one in row] for row in top] == (index_NK % 250).tolist()
        assert [[one["shard"] for one in row] for row in top] == [[f"r-{i // 250:05d}" for i in row] for row in index_NK]


def test_the_best_of_all_actors_is_brute_force_in_one_pass_and_in_two(plan: JoinPlan, drawn: dict[str, Any], hold: Any) -> None:
    holders = hold(plan, shares(plan))
    whole = QueryActor(plan, holders, VECTORS, [pass_name(plan, plan.groups)], last=True)
    assert [whole.join(unit, 2) for unit in SHARDS] == [50, 40]
    require_brute_force(plan, drawn)
    records = nearest_recorded(RootPaths(plan.cells.root), "q", "e", "r")
    assert {record.attempt for record in records.values()} == {2}
    for path in Path(plan.cells.root, "nearest/q/e/r").rglob("*.*"):
        path.unlink()
    names = [pass_name(plan, share) for share in shares(plan)]
    assert len({*names, pass_name(plan, plan.groups)}) == 3
    first = QueryActor(plan, holders[:1], VECTORS, names[:1], last=False)
    assert [first.join(unit, 1) for unit in SHARDS] == [0, 0]
    assert nearest_recorded(RootPaths(plan.cells.root), "q", "e", "r") == {}, "a pass publishes no result"
    last = QueryActor(plan, holders[1:], VECTORS, names, last=True)
    assert [last.join(unit, 1) for unit in SHARDS] == [50, 40]
    require_brute_force(plan, drawn)
    assert not list(Path(plan.cells.root, "nearest/q/e/r/_partial").rglob("*.parquet")), "what was merged is removed"


def test_a_pass_that_is_done_is_not_searched_again_until_the_rows_change(plan: JoinPlan, drawn: dict[str, Any], hold: Any) -> None:
    name = pass_name(plan, plan.groups[:1])
    QueryActor(plan, hold(plan, [list(plan.groups[:1])]), ["image"], [name], last=False).join(SHARDS[0], 1)
    sha256 = str(read_record(RootPaths(plan.cells.root), "q", "e", "q-00000").output["sha256"])
    assert Path(partial_url(plan, name, SHARDS[0], sha256)).exists()
    nobody = QueryActor(plan, [], ["image"], [name], last=False)
    assert nobody.join(SHARDS[0], 1) == 0, "no actor is asked"
    publish_set(plan.cells.root, "q", drawn["qi"][::-1], drawn["qt"], 50)
    with pytest.raises(ZeroDivisionError):
        nobody.join(SHARDS[0], 1)


def test_the_sample_is_answered_exactly_where_the_join_probes(plan: JoinPlan, drawn: dict[str, Any], hold: Any) -> None:
    probing = dataclasses.replace(plan, probes=1)
    sample = Unit("_audit", (("q-00000", (1, 12)), ("q-00001", (0, 39))))
    joiner = QueryActor(probing, hold(probing, shares(plan)), VECTORS, ["p"], last=True)
    found = joiner.join(sample, 1)
    for modality in VECTORS:
        exact_S, _ = best_match(drawn[f"q{modality[0]}"][[1, 12, 50, 89]], drawn[f"r{modality[0]}"])
        np.testing.assert_allclose(found[modality], np.ravel(exact_S), atol=1e-12)
    assert nearest_recorded(RootPaths(plan.cells.root), "q", "e", "r") == {}


def test_an_actor_that_does_not_answer_is_lost_and_nothing_is_published(plan: JoinPlan, hold: Any) -> None:
    import ray

    holders = hold(plan, shares(plan))
    ray.kill(holders[1])
    found = [QueryActor(plan, holders, VECTORS, ["p"], last=True).join(unit, 1) for unit in SHARDS]
    assert all(isinstance(one, Lost) and "Actor" in one.reason for one in found), found
    assert nearest_recorded(RootPaths(plan.cells.root), "q", "e", "r") == {}


def test_a_shard_that_cannot_be_read_is_an_error_of_that_shard(plan: JoinPlan, hold: Any) -> None:
    Path(plan.cells.root, "embeddings/q/e/q-00001.parquet").unlink()
    joiner = QueryActor(plan, hold(plan, shares(plan)), VECTORS, ["p"], last=True)
    with pytest.raises(ShardError, match=r"shard q-00001: missing"):
        joiner.join(SHARDS[1], 1)
    assert joiner.join(SHARDS[0], 1) == 50


def test_a_pass_in_which_a_modality_has_no_match_is_read_back(tmp_path: Path) -> None:
    some = pa.table({"query": [0, 1], "cosine": [0.5, 0.25], "position": [7, 8], "ordinal": [7, 8], "key": ["a", "b"]}, schema=FOUND)
    url = str(tmp_path / "found.parquet")
    _publish_found(url, [{"image": some, "text": FOUND.empty_table()}, {"text": some}, {"text": FOUND.empty_table()}])
    found = _read_found(url)
    assert {name: table.to_pylist() for name, table in found.items()} == {"image": some.to_pylist(), "text": some.to_pylist()}
    _publish_found(url, [{"image": FOUND.empty_table(), "text": FOUND.empty_table()}])
    assert [len(table) for table in _read_found(url).values()] == [0, 0]
