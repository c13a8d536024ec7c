"""The sample of an audit, the recall that it finds, and when it is done again."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nearest_rows import embedded, joined

from jobs.join import recall_audit
from jobs.join.recall_audit import Audit, at_threshold, line, missed, shortfall, too_low
from tda.config.stages import NearestConfig
from tda.store.datasets.nearest import NearestSet
from tda.store.paths import RootPaths

SIZES = {"q-00000": 30, "q-00001": 0, "q-00002": 50}


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    paths = RootPaths(str(tmp_path))
    embedded(paths, "r", "r-00000", 100)
    records = {shard: embedded(paths, "q", shard, n, seed=n) for shard, n in SIZES.items()}
    for record in records.values():
        joined(paths, record)
    config = NearestConfig(audit_rows=25, seed=3, thresholds=[0.5], threshold=0.0)
    return Audit(str(tmp_path), ("q", "e", "r"), config, records, {"probes": 2, "k": 1})


def cosines(audit: Audit, modality: str) -> np.ndarray:
    """Of the sampled rows, as the join stored them."""
    whole_N, begin = NearestSet(audit.root, *audit.names).cosines(modality), {"q-00000": 0, "q-00002": 30}
    return np.concatenate([whole_N[begin[shard] + np.array(rows)] for shard, rows in audit.unit.rows])


def settled(audit: Audit, **changes: Any) -> Audit:
    return dataclasses.replace(audit, nearest=dataclasses.replace(audit.nearest, **changes))


def test_the_sample_is_drawn_without_repetition_in_order_and_by_its_seed(audit: Audit) -> None:
    unit = audit.unit
    assert (unit.name, unit.is_audit, sum(len(rows) for _, rows in unit.rows)) == ("_audit", True, 25)
    for shard, rows in unit.rows:
        assert list(rows) == sorted(set(rows))
        assert 0 <= rows[0] <= rows[-1] < SIZES[shard]
    assert [shard for shard, _ in unit.rows] == ["q-00000", "q-00002"]
    assert audit.unit == unit != settled(audit, seed=4).unit
    whole = settled(audit, audit_rows=1000).unit
    assert {shard: list(rows) for shard, rows in whole.rows} == {shard: list(range(n)) for shard, n in SIZES.items() if n}


def test_many_shards_are_sampled_from_some(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall_audit, "AUDITED_SHARDS", 1)
    ((shard, rows),) = audit.unit.rows
    assert len(rows) == min(25, SIZES[shard])


def test_recall_is_the_share_of_duplicates_that_the_join_found(audit: Audit) -> None:
    found = {name: cosines(audit, name) for name in ("image", "text")}
    exact = {name: values.astype(np.float64) for name, values in found.items()}
    missed = np.flatnonzero(found["image"] < 0)[:3]
    exact["image"][missed] = 0.75
    reported = audit.publish(exact)
    duplicates = int((found["image"] >= 0).sum())
    own = at_threshold(reported, "image")
    assert (own["duplicates"], own["found"]) == (duplicates + 3, duplicates)
    assert own["recall"] == pytest.approx(duplicates / (duplicates + 3))
    assert at_threshold(reported, "text")["recall"] == 1
    assert {one["threshold"] for one in reported["image"]} == {0.5, 0.0}
    assert (reported["rows"], reported["exact"], reported["probes"], reported["seed"]) == (25, False, 2, 3)
    assert reported["median"]["image"] == pytest.approx(float(np.median(found["image"])))
    text = at_threshold(reported, "text")
    assert own["low"] < text["low"] < own["recall"] < text["recall"], "the lower end decides"
    assert too_low(reported, own["recall"]) == ["image", "text"]
    assert too_low(reported, text["low"]) == ["image"]
    assert too_low(reported, own["low"]) == []
    config = settled(audit, min_recall=text["low"]).nearest
    assert shortfall(reported, config, 2) == (
        f"image at the lower end of the interval below nearest.min_recall={text['low']:g}: raise nearest.audit_rows=25, or nearest.probes=2"
    )
    assert f"image {own['recall']:.4f} [{own['low']:.4f}, {own['high']:.4f}] ({duplicates} of {duplicates + 3})" in line(reported)
    assert line(reported).startswith("median closest cosine of 25 sampled rows: image ")


def test_intervals_are_by_shard_where_shards_were_drawn(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both audited shards are all there are: a plain sample. With fewer than there are, the misses of one shard count as its own."""
    found = {name: cosines(audit, name) for name in ("image", "text")}
    exact = {name: np.ones(25) for name in found}
    unit, plain = audit.unit, at_threshold(audit.publish(exact), "image")
    monkeypatch.setattr(Audit, "_filled", ["q-00000", "q-00001", "q-00002"])
    monkeypatch.setattr(recall_audit, "AUDITED_SHARDS", 2)
    monkeypatch.setattr(Audit, "unit", unit)
    wide = at_threshold(audit.publish(exact), "image")
    assert (wide["found"], wide["duplicates"]) == (plain["found"], 25)
    assert wide["low"] < plain["low"] < plain["recall"] < plain["high"] < wide["high"]


def test_a_sample_without_duplicates_shows_no_recall(audit: Audit) -> None:
    rare = settled(audit, threshold=1.0)
    reported = rare.publish({name: cosines(rare, name) for name in ("image", "text")})
    assert too_low(reported, 0.5) == ["image", "text"]
    assert shortfall(reported, rare.nearest, 2).startswith(
        "image and text without a duplicate in the sample, which shows no recall: raise "
    )
    assert too_low(reported, 0.0) == []
    assert line(reported).endswith("recall of duplicates at 1: image not in the sample (0 of 0), text not in the sample (0 of 0)")


def test_an_exact_join_has_nothing_to_find(audit: Audit) -> None:
    reported = audit.publish(None)
    assert reported["exact"]
    assert {(one["low"], one["high"]) for name in ("image", "text") for one in reported[name]} == {(None, None)}
    assert shortfall(reported, audit.nearest, None) == ""
    assert line(reported).endswith("; exact")
    assert too_low(reported, 1.0) == []


def test_an_audit_stands_until_join_sample_or_thresholds_change(audit: Audit) -> None:
    assert audit.done() is None
    reported = audit.publish(None)
    assert audit.done() == reported
    assert settled(audit, threshold=0.5, thresholds=[0.0]).hash == audit.hash, "the same thresholds"
    for other in (
        settled(audit, seed=4),
        settled(audit, audit_rows=24),
        settled(audit, thresholds=[]),
        dataclasses.replace(audit, settings={"probes": 3, "k": 1}),
        dataclasses.replace(audit, records=dict(list(audit.records.items())[:1])),
    ):
        assert other.done() is None
    Path(RootPaths(audit.root).nearest_audit(*audit.names)).write_text("{torn")
    assert audit.done() is None


def test_queries_by_which_cells_were_chosen_show_a_recall_that_the_sample_does_not_deny(audit: Audit) -> None:
    rare = settled(audit, threshold=1.0)
    exact = {name: cosines(rare, name) for name in ("image", "text")}
    chosen = {name: {"queries": 900, "low": 0.95} for name in ("image", "text")}
    assert too_low(rare.publish(exact), 0.9) == ["image", "text"], "no sampled row is a duplicate"
    reported = rare.publish(exact, chosen)
    assert reported["chosen"] == chosen
    assert too_low(reported, 0.9) == []
    assert too_low(reported, 0.95) == ["image", "text"]
    assert not missed(reported, 0.95), "more cells would not show it"
    few = {name: np.ones(25) for name in exact}
    denied = settled(audit, threshold=0.99).publish(few, chosen)
    assert too_low(denied, 0.9) == ["image", "text"]
    assert missed(denied, 0.9)
    auto = dataclasses.replace(audit.nearest, probes="auto", min_recall=0.9)
    assert "the same command searches more cells" in shortfall(denied, auto, 2)
