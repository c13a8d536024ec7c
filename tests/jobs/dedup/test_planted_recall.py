"""Recall and precision of planted repeats, against a truth that the test plants itself."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from repeated_rows import PLANTED, dedupe_job, plant_world

from jobs.dedup.planted_recall import DECIDED, THRESHOLDS, evaluate
from jobs.dedupe import dedupe, run
from tda.store.datasets.views import View

BOUNDS = {"r": (25,), "d": (10, 22)}  # the first row of each further shard
VIEW = View("d", "r")


def place(dataset: str, row: int) -> tuple[str, int]:
    """Shard and ordinal of a row of `repeated_rows`."""
    begin = [0, *(bound for bound in BOUNDS[dataset] if bound <= row)]
    return f"{len(begin) - 1:05d}", row - begin[-1]


def plant_truth(folder: Path, kinds: dict[int, str], source_of: dict[int, int]) -> None:
    rows = []
    for row, kind in kinds.items():
        (shard, ordinal), (source_shard, source_ordinal) = place("d", row), place("r", source_of[row])
        rows.append({"shard": shard, "ordinal": ordinal, "kind": kind, "source_shard": source_shard, "source_ordinal": source_ordinal})
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "truth.parquet")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Row 23 is a near copy, 11 and 19 are far ones; row 2 repeats the reference too, but was not planted."""
    plant_world(tmp_path)
    source_of = {row: PLANTED[row][0] for row in (11, 19, 23)}
    plant_truth(tmp_path / "truth", {23: "near", 11: "far", 19: "far"}, source_of)
    run(dedupe_job(tmp_path, exact=[]))
    return tmp_path


def table_of(root: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(root / "dedupe/d/e/r/evaluation.parquet").to_pylist()
    return rows


def by_kind(root: Path, rule: str, threshold: float | None) -> dict[str, Any]:
    return {row["kind"]: row for row in table_of(root) if (row["rule"], row["threshold"]) == (rule, threshold)}


def test_what_was_decided_in_one_line(root: Path) -> None:
    line = evaluate(str(root), VIEW, "e", str(root / "truth"))
    assert line == "d-minus-r / e: of planted repeats found: far 50%, near 100%; precision 67%"
    decided = by_kind(root, DECIDED, None)
    assert [(decided[kind]["planted"], decided[kind]["found"]) for kind in ("near", "far", "")] == [(1, 1), (2, 1), (3, 2)]
    assert decided[""]["others"] == 1, "row 2 was dropped and is no planted repeat"


@pytest.mark.parametrize(
    ("rule", "threshold", "found", "others"),
    [
        ("image", 0.9, 2, 1),
        ("image", 0.98, 1, 1),
        ("image", 0.998, 0, 0),
        ("text", 0.95, 2, 1),
        ("both", 0.95, 2, 0),
        ("either", 0.95, 2, 2),
    ],
)
def test_every_rule_at_every_threshold(root: Path, rule: str, threshold: float, found: int, others: int) -> None:
    evaluate(str(root), VIEW, "e", str(root / "truth"))
    assert {row["threshold"] for row in table_of(root) if row["rule"] == rule} == set(THRESHOLDS)
    whole = by_kind(root, rule, threshold)[""]
    # row 19 is planted at a cosine of 0.9: rounding decides whether 0.9 finds it
    assert whole["found"] in ((found, found + 1) if threshold == 0.9 else (found,))
    assert whole["others"] == others


def test_the_source_is_named_where_the_closest_row_is_the_copied_one(root: Path) -> None:
    evaluate(str(root), VIEW, "e", str(root / "truth"))
    assert by_kind(root, DECIDED, None)[""]["source_named"] == 2
    plant_truth(root / "wrong", {23: "near", 11: "far"}, {23: 50, 11: PLANTED[11][0]})
    (root / "dedupe/d/e/r/evaluation.parquet").unlink()
    evaluate(str(root), VIEW, "e", str(root / "wrong"))
    assert by_kind(root, DECIDED, None)[""]["source_named"] == 1


def test_the_same_rows_are_not_evaluated_again_and_a_new_decision_is(root: Path) -> None:
    line = evaluate(str(root), VIEW, "e", str(root / "truth"))
    file = root / "dedupe/d/e/r/evaluation.parquet"
    stamp = file.stat().st_mtime_ns
    assert evaluate(str(root), VIEW, "e", str(root / "truth")) == line
    assert file.stat().st_mtime_ns == stamp
    dedupe(dedupe_job(root, exact=[], threshold=0.992), VIEW)
    assert evaluate(str(root), VIEW, "e", str(root / "truth")).endswith("far 0%, near 100%; precision 100%")
    file.write_bytes(b"torn")
    assert evaluate(str(root), VIEW, "e", str(root / "truth")).endswith("far 0%, near 100%; precision 100%")
