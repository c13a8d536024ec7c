"""The join on real actors: brute force to the last bit on any number of them, in any number of passes, through losses."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nearest_rows import clustered, publish_set, scale_first_row

import jobs.join.driver
from jobs.join.reference_actor import Found, ReferenceActor, Unit
from jobs.nearest import run
from jobs.runtime.app import Outcome
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import NearestJob
from tda.config.models import EncoderConfig
from tda.config.stages import NearestConfig
from tda.errors import ShardError, UserError
from tda.geometry.neighbors import best_match
from tda.store import EmbeddingSet
from tda.store.datasets.nearest import NearestSet
from tda.store.paths import RootPaths

DIM = 64  # from which on bfloat16 is used, where the processor has it


def join(root: Path | str, actors: int = 1, reference: str = "r", **nearest: Any) -> Outcome:
    return run(
        NearestJob(
            root=str(root),
            dataset=DatasetConfig(name="q"),
            reference=DatasetConfig(name=reference),
            encoder=EncoderConfig(name="e"),
            nearest=NearestConfig(**{"group_bytes": 6000, **nearest}),
            cluster=ClusterConfig(actors=actors, cpus_per_actor=0.1),
        )
    )


@pytest.fixture(scope="module")
def drawn() -> dict[str, Any]:
    """Rows by data set and modality; among the queries are rows of the reference."""
    rows = {name: clustered(n, DIM, seed) for seed, (name, n) in enumerate({"ri": 1500, "rt": 1500, "qi": 250, "qt": 250}.items())}
    rows["qi"][:40], rows["qt"][40:60] = rows["ri"][700:740], rows["rt"][:20]
    return rows


@pytest.fixture
def root(tmp_path: Path, drawn: dict[str, Any]) -> Path:
    publish_set(str(tmp_path), "r", drawn["ri"], drawn["rt"], 400)
    publish_set(str(tmp_path), "q", drawn["qi"], drawn["qt"], 90)
    return tmp_path


def outputs(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "nearest/q/e/r").glob("*.parquet"))}


def require_brute_force(root: Path, drawn: dict[str, Any], k: int) -> None:
    import faiss

    found, reference = NearestSet(str(root), "q", "e", "r"), EmbeddingSet(str(root), "r", "e").table(["shard", "ordinal", "key"])
    for modality in ("image", "text"):
        queries, rows = drawn[f"q{modality[0]}"], drawn[f"r{modality[0]}"]
        cosine_NK, index_NK = best_match(queries, rows, k=k)
        np.testing.assert_array_equal(found.cosines(modality), cosine_NK.reshape(-1, k)[:, 0].astype(np.float32))
        wanted = reference.take(index_NK.reshape(-1, k)[:, 0])
        for name in ("shard", "ordinal", "key"):
            assert found.matches(modality)[name].to_pylist() == wanted[name].to_pylist()
        if k > 1:
            top = found.table([f"{modality}_topk"])[0].to_pylist()
            assert [[one["ordinal"] for one in row] for row in top] == reference["ordinal"].to_numpy()[index_NK].tolist()
            np.testing.assert_array_equal([[one["cosine"] for one in row] for row in top], cosine_NK.astype(np.float32))
        unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries.astype(np.float32), rows.astype(np.float32))]
        np.testing.assert_allclose(found.cosines(modality), faiss.knn(*unit, 1, metric=faiss.METRIC_INNER_PRODUCT)[0][:, 0], atol=1e-5)


@pytest.mark.usefixtures("ray_cluster")
def test_exact_is_brute_force_on_one_actor_in_one_pass_and_in_three_and_on_five(root: Path, drawn: dict[str, Any]) -> None:
    made = []
    for actors, memory, passes in ((1, 10**9, 1), (1, 210_000, 3), (5, 50_000, 3)):  # at least
        shutil.rmtree(root / "nearest/q", ignore_errors=True)
        ended = _Passes()
        outcome = ended.watch(lambda: join(root, actors, probes=None, k=3, memory_bytes=memory))  # noqa: B023 (called at once)
        assert outcome.whole, outcome.line
        assert outcome.places == [str(root / "nearest/q/e/r")]
        assert passes <= ended.count <= 2 * passes - 1
        made.append(outputs(root))
        assert not (root / "nearest/q/e/r/_partial").exists()
    require_brute_force(root, drawn, k=3)
    assert all(one == made[0] for one in made)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    assert "(3 done before)" in join(root, 1, probes=None, k=3).line
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == before


class _Passes:
    """Counts the passes of a join."""

    count = 0

    def watch(self, work: Callable[[], Outcome]) -> Outcome:
        original = jobs.join.driver.assign

        def counted(*given: Any) -> Any:
            passes = original(*given)
            self.count = len(passes)
            return passes

        jobs.join.driver.assign = counted
        try:
            return work()
        finally:
            jobs.join.driver.assign = original


@pytest.mark.usefixtures("ray_cluster")
def test_probes_are_audited_and_a_reference_actor_killed_half_way_changes_nothing(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed = {"probes": 2, "exact_below": 0, "cells": 40, "audit_rows": 200, "min_recall": 0.5}
    outcome = join(root, 2, **probed)
    assert outcome.whole, outcome.line
    calm, reported = outputs(root), json.loads((root / "nearest/q/e/r/audit.json").read_text())
    at = {one["threshold"]: one for one in reported["image"]}
    assert at.keys() == {0.9, 0.95, 0.98}
    assert at[0.98]["low"] <= at[0.98]["recall"] <= at[0.98]["high"]
    assert (reported["rows"], reported["exact"], reported["probes"]) == (200, False, 2)
    assert "recall of duplicates at 0.95: image" in outcome.line
    # the same audit, held to more than this join can do
    refused = join(root, 1, **{**probed, "min_recall": 1.0, "thresholds": [], "threshold": 0.2, "probes": 1})
    assert not refused.whole
    assert "below nearest.min_recall=1: raise nearest.probes=1" in refused.line
    mark = tmp_path_factory.mktemp("mark") / "died"
    shutil.rmtree(root / "nearest/q")
    monkeypatch.setattr(jobs.join.driver, "ReferenceActor", _mortal(mark))
    outcome = join(root, 2, **probed)
    assert mark.exists()
    assert outcome.whole, outcome.line
    assert outputs(root) == calm
    assert json.loads((root / "nearest/q/e/r/audit.json").read_text()) == reported


@pytest.mark.usefixtures("ray_cluster")
def test_cells_are_chosen_by_recall_and_a_join_that_was_begun_goes_on_with_them(root: Path) -> None:
    auto = {"exact_below": 0, "cells": 40, "audit_rows": 200, "min_recall": 0.6}
    made = list[Any]()
    for actors, memory in ((1, 10**9), (3, 60_000)):
        shutil.rmtree(root / "nearest/q", ignore_errors=True)
        outcome = join(root, actors, memory_bytes=memory, **auto)
        assert outcome.whole, outcome.line
        made.append((outputs(root), json.loads((root / "nearest/q/e/r/audit.json").read_text())))
    assert made[0] == made[1], "whatever the actors and passes"
    reported = made[0][1]
    assert 1 <= reported["probes"] < 40
    assert f"{reported['probes']} cells a row, median" in outcome.line
    for modality in ("image", "text"):
        chosen = reported["chosen"][modality]
        assert chosen["low"] > 0.6
        assert chosen["found"] <= chosen["queries"]
    (root / "nearest/q/e/r/_records/q-00001.json").unlink()
    (root / "nearest/q/e/r/audit.json").unlink()
    assert "(2 done before)" in join(root, 1, **auto).line
    assert (outputs(root), json.loads((root / "nearest/q/e/r/audit.json").read_text())) == made[0]
    shutil.rmtree(root / "nearest/q")
    strict = {**auto, "min_recall": 1.0, "thresholds": [], "threshold": 0.2}
    assert not join(root, 1, **strict, probes=1).whole
    outcome = join(root, 1, **strict)
    assert outcome.whole, "more cells than those with which the audit found too few: here all"
    assert NearestSet(str(root), "q", "e", "r").probes is None


def _mortal(mark: Path) -> type[ReferenceActor]:
    """Reference actors of which the first to match for the third time dies of it, leaving the mark."""

    class Mortal(ReferenceActor):
        matches = 0

        def match(self, unit: Unit, routes: Any) -> Found:
            self.matches += 1
            if self.matches == 3 and not mark.exists():
                mark.touch()
                os._exit(1)
            return super().match(unit, routes)

    return Mortal


@pytest.mark.usefixtures("ray_cluster")
def test_several_encoders_are_joined_one_after_the_other(root: Path, drawn: dict[str, Any]) -> None:
    publish_set(str(root), "r", drawn["rt"], drawn["ri"], 400, encoder="f")
    publish_set(str(root), "q", drawn["qt"], drawn["qi"], 90, encoder="f")
    sides = {"dataset": DatasetConfig(name="q"), "reference": DatasetConfig(name="r")}
    settings = {"nearest": NearestConfig(probes=None), "cluster": ClusterConfig(actors=1, cpus_per_actor=0.1)}
    both = NearestJob(root=str(root), encoders=["e", "f"], **sides, **settings)
    done = run(both)
    assert done.whole
    one, other = done.line.split("; q in r / f: ")
    assert one.startswith("q in r / e: 250 rows, 3 shards (0 done before)")
    assert other.startswith("250 rows, 3 shards (0 done before)")
    assert {name.partition(".")[0] for name in done.numbers} == {"e", "f"}
    require_brute_force(root, drawn, k=1)
    first, second = (NearestSet(str(root), "q", name, "r") for name in ("e", "f"))
    np.testing.assert_array_equal(first.cosines("image"), second.cosines("text"))  # the same rows, their columns exchanged
    assert "(3 done before)" in run(both).line
    for names, reported in (
        (["e", "e"], r"names e twice"),
        (["e", "g"], r"no embeddings of dataset.name=q by encoder.name=g"),
        ([""], "missing"),
    ):
        with pytest.raises(UserError, match=reported):
            run(NearestJob(root=str(root), encoders=names, **sides, **settings))


def test_a_changed_reference_is_grouped_anew_and_changed_queries_are_joined_again(root: Path, drawn: dict[str, Any]) -> None:
    assert join(root).whole
    layouts = set((root / "nearest/_layouts/r/e").iterdir())
    publish_set(str(root), "q", drawn["qi"][::-1], drawn["qt"], 90)
    with pytest.raises(ShardError, match="stale"):
        NearestSet(str(root), "q", "e", "r")
    assert "(0 done before)" in join(root).line
    assert set((root / "nearest/_layouts/r/e").iterdir()) == layouts
    publish_set(str(root), "r", drawn["ri"][:1200], drawn["rt"][300:], 400)
    Path(RootPaths(str(root)).record("r", "e", "r-00003")).unlink()
    with pytest.raises(UserError, match="the join of q used"):
        NearestSet(str(root), "q", "e", "r")
    assert join(root).whole
    assert len(set((root / "nearest/_layouts/r/e").iterdir())) == 2
    require_brute_force(root, {**drawn, "qi": drawn["qi"][::-1], "ri": drawn["ri"][:1200], "rt": drawn["rt"][300:]}, k=1)


@pytest.mark.usefixtures("ray_cluster")
def test_a_reference_of_rows_that_mean_nothing_is_refused_by_name(root: Path) -> None:
    scale_first_row(root, "r", "r-00000", 3)
    with pytest.raises(ShardError, match=r"shard r-00000: not_normalised \(norm 3 in the image row of ordinal 0, 1 such rows\)"):
        join(root)


@pytest.mark.usefixtures("ray_cluster")
def test_a_query_shard_that_cannot_be_used_is_named_and_the_others_are_joined(root: Path) -> None:
    scale_first_row(root, "q", "q-00000", np.nan)
    outcome = join(root)
    assert not outcome.whole
    assert "2 shards joined (0 done before); 1 failed: shard q-00000: not_finite" in outcome.line


def test_sides_that_do_not_compare_are_refused_before_anything_starts(root: Path, drawn: dict[str, Any]) -> None:
    def again(dataset: str, dim: int = DIM, weights: str = "w") -> None:
        shutil.rmtree(root / f"embeddings/{dataset}")
        publish_set(str(root), dataset, clustered(50, dim, 0), clustered(50, dim, 1), 50, weights=weights)

    with pytest.raises(UserError, match=r"nearest.k=1501 is more than the 1500 rows of r"):
        join(root, k=1501)
    again("q", weights="other")
    with pytest.raises(UserError, match=r"q was embedded by weights other, r by w: cosines between two encoders mean nothing$"):
        join(root)
    with pytest.raises(UserError, match=r"cosines between two encoders mean nothing$"):
        join(root, vouch=True)
    again("q", weights="source:x")
    with pytest.raises(UserError, match=r"nearest.vouch=true says that ingested vectors are of one encoder"):
        join(root)
    again("q", dim=16)
    with pytest.raises(UserError, match=r"q has 16 dimensions, r has 64, under encoder.name=e"):
        join(root)
    shutil.rmtree(root / "embeddings/q")
    with pytest.raises(UserError, match=r"holds no embeddings of dataset.name=q"):
        join(root)
    publish_set(str(root), "q", drawn["qi"], drawn["qt"], 90)
    (root / "embeddings/r/e/r-00001.parquet").unlink()
    with pytest.raises(ShardError, match="shard r-00001: missing"):
        join(root)


def test_a_view_is_not_joined_but_its_base(root: Path) -> None:
    with pytest.raises(UserError, match=r"reference.name=r-minus-x is a view of r, .* give reference.name=r$"):
        join(root, reference="r-minus-x")


def test_a_root_that_goes_while_rows_are_joined_is_no_success(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jobs.nearest

    real = jobs.nearest._work

    def and_the_root_goes(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        shutil.rmtree(root)
        return found

    monkeypatch.setattr(jobs.nearest, "_work", and_the_root_goes)
    with pytest.raises(UserError, match="holds no embeddings"):
        join(root, probes=None)
