"""The number of cells by recall: the fewest that suffice, on rows of the set and planted ones, and what a join goes on with."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nearest_rows import embedded, joined

from jobs.join import probe_choice
from jobs.join.probe_choice import AUTO, Asked, choose, closest, draw, fewest, keep, kept, line, planted, queries_wanted, recorded_probes
from jobs.join.recall_audit import Audit, settings_of
from jobs.join.reference_actor import JoinPlan
from tda.config.stages import NearestConfig
from tda.geometry.duplicate_recall import interval
from tda.store.commit.records import recorded_rows
from tda.store.paths import RootPaths

CONFIG = NearestConfig(min_recall=0.9, threshold=0.8, seed=3)


@pytest.mark.parametrize("min_recall", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("count", [1, 40, 600])
def test_the_fewest_cells_are_those_of_a_search_through_all_numbers(min_recall: float, count: int) -> None:
    rank_B = np.random.default_rng(count).geometric(0.4, count)
    enough = [p for p in range(1, 100) if interval(int((rank_B <= p).sum()), count)[0] > min_recall]
    assert fewest(rank_B, min_recall) == (enough[0] if enough else None)


def test_a_recall_of_one_is_asked_of_all_cells() -> None:
    assert fewest(np.ones(10_000, int), 1.0) is None
    assert fewest(np.ones(0, int), 0.5) is None


@pytest.mark.parametrize("min_recall", [0.5, 0.9, 0.99, 0.999])
def test_the_queries_are_enough_to_miss_some(min_recall: float) -> None:
    wanted = queries_wanted(min_recall)
    assert interval(wanted - 1, wanted)[0] > min_recall, "one may be missed"
    assert queries_wanted(1.0) == queries_wanted(0.0) == probe_choice.FEWEST


@pytest.mark.parametrize("cosine", [-0.5, 0.0, 0.95, 1.0])
def test_planted_rows_have_their_cosine_and_lie_among_the_rows(cosine: float) -> None:
    rng = np.random.default_rng(0)
    x_QD = rng.standard_normal((50, 4)) @ rng.standard_normal((4, 30))  # in four dimensions of thirty
    found_QD = planted(x_QD.astype(np.float16), cosine, 1)
    x_QD = x_QD.astype(np.float16).astype(float)
    unit_QD = x_QD / np.linalg.norm(x_QD, axis=1, keepdims=True)
    np.testing.assert_allclose((unit_QD * found_QD).sum(axis=1), cosine, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found_QD, axis=1), 1, atol=1e-6)
    outside = found_QD - found_QD @ np.linalg.pinv(unit_QD) @ unit_QD
    assert np.median(np.linalg.norm(outside, axis=1)) < 0.02
    np.testing.assert_array_equal(found_QD, planted(x_QD.astype(np.float16), cosine, 1))
    alone_QD = planted(np.ones((1, 5)), cosine, 1)
    assert alone_QD[0] @ np.ones(5) / 5**0.5 == pytest.approx(cosine, abs=1e-5)


def test_the_closest_of_several_holders() -> None:
    one = {"image": (np.array([0.5, 0.9]), np.array([3, 4])), "text": (np.array([0.1]), np.array([0]))}
    two = {"image": (np.array([0.6, 0.2]), np.array([7, 8]))}
    best = closest([one, two])
    assert [part.tolist() for part in best["image"]] == [[0.6, 0.9], [7, 4]]
    assert [part.tolist() for part in best["text"]] == [[0.1], [0]]


def test_duplicates_of_the_set_count_before_planted_ones() -> None:
    wanted = queries_wanted(CONFIG.min_recall)
    asked = Asked(vectors={}, real=1000)
    cosine_Q = np.concatenate([np.full(100, 0.9), np.full(900, 0.1), np.full(wanted, 0.8)])
    rank_Q = np.concatenate([np.full(100, 1), np.full(900, 50), np.full(wanted, 3)])
    few = choose(dict.fromkeys(("image", "text"), rank_Q), dict.fromkeys(("image", "text"), cosine_Q), asked, CONFIG, cells=99)
    assert (few["probes"], few["image"]["queries"], few["image"]["planted"]) == (3, wanted, wanted - 100)
    assert few["image"]["found"] == wanted, "rows without a duplicate do not count"
    many_Q = np.concatenate([np.full(1000, 0.9), np.full(wanted, 0.8)])
    many = choose({"image": rank_Q, "text": rank_Q}, {"image": many_Q, "text": cosine_Q}, asked, CONFIG, cells=99)
    assert (many["probes"], many["image"]["queries"], many["image"]["planted"]) == (50, 1000, 0)
    assert many["text"]["planted"] == wanted - 100
    assert many["image"]["low"] > CONFIG.min_recall
    assert "50 of 99 cells are searched a row" in line(many, 99)


def test_at_least_so_many_and_all_where_fewer_do_not_suffice() -> None:
    wanted = queries_wanted(CONFIG.min_recall)
    asked, cosines = Asked(vectors={}, real=0), {name: np.full(wanted, 0.8) for name in ("image", "text")}
    ranks = {name: np.full(wanted, 2) for name in cosines}
    assert choose(ranks, cosines, asked, CONFIG, cells=10, least=5)["probes"] == 5
    assert choose(ranks, cosines, asked, CONFIG, cells=2)["probes"] is None
    certain = choose(ranks, cosines, asked, dataclasses.replace(CONFIG, min_recall=1.0), cells=10)
    assert certain["probes"] is None
    assert line(certain, 10) == "every cell is searched: no fewer have a recall above 1"


def test_queries_are_drawn_from_both_sides(plan: JoinPlan) -> None:
    records = recorded_rows(RootPaths(plan.cells.root), "q", "e")
    audit = Audit(plan.cells.root, ("q", "e", "r"), dataclasses.replace(CONFIG, audit_rows=20), records, {})
    asked = draw(plan, audit)
    assert asked.real == 20
    assert {name: x_QD.shape for name, x_QD in asked.vectors.items()} == dict.fromkeys(("image", "text"), (20 + 200, plan.cells.dim))


def test_a_choice_is_known_again_by_its_cells_and_probes(plan: JoinPlan) -> None:
    names = ("q", "e", "r")
    choice: dict[str, Any] = {"probes": 4, "min_recall": 0.9, "threshold": 0.8, "seed": 4, "image": {"queries": 1}, "text": {"queries": 1}}
    settings = {**plan.settings, "layout_hash": plan.cells.content, "probes": 4}
    assert kept(plan.cells.root, names, settings) is None
    keep(plan, choice)
    assert kept(plan.cells.root, names, settings) == {name: value for name, value in choice.items() if name != "probes"}
    assert kept(plan.cells.root, names, {**settings, "probes": 5}) is None
    assert kept(plan.cells.root, names, {**settings, "layout_hash": "other"}) is None


def test_a_join_goes_on_with_its_cells_until_their_recall_does_not_suffice(tmp_path: Path) -> None:
    paths = RootPaths(str(tmp_path))
    embedded(paths, "r", "r-00000", 100)
    rows = {shard: embedded(paths, "q", shard, 30, seed=i) for i, shard in enumerate(("q-0", "q-1"))}
    made = {shard: joined(paths, record, probes=8) for shard, record in rows.items()}
    shared = settings_of(dataclasses.asdict(made["q-0"])) | {"probes": AUTO}
    audit = Audit(str(tmp_path), ("q", "e", "r"), dataclasses.replace(CONFIG, audit_rows=20), rows, shared)
    assert recorded_probes({}, audit) == (AUTO, 1)
    assert recorded_probes({"q-0": made["q-0"]}, audit) == (8, 1)
    assert recorded_probes({**made, "q-1": dataclasses.replace(made["q-1"], probes=9)}, audit) == (AUTO, 1)
    assert recorded_probes(made, dataclasses.replace(audit, settings={**shared, "layout_hash": "other"})) == (AUTO, 1)
    found = dataclasses.replace(audit, settings={**shared, "probes": 8})
    exact = {name: np.ones(20) for name in ("image", "text")}
    found.publish(exact)
    assert recorded_probes(made, audit) == (AUTO, 9), "the audit found too few"
    found.publish(None)
    assert recorded_probes(made, audit) == (8, 1)
