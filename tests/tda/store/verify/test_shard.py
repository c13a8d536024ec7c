"""A recorded shard against its record: sound shards pass, and every fault is one line that names the file."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recorded_root import EMBEDDINGS, QUARANTINE, RECORDS, change_record, change_rows, flip, publish, set_ordinals, set_vector
from small_rows import SOURCE, drop, identity, small_rows

from tda.store.commit.quarantine import drops_table
from tda.store.commit.records import read_record
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths
from tda.store.types import Reason
from tda.store.verify.shard import Checked, check_shard_files, local_copy

SHARD = "00001"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    publish(tmp_path / "root", SHARD)
    return tmp_path / "root"


def check(root: Path | str) -> Checked:
    return check_shard_files(RootPaths(str(root)), "d", "e", SHARD)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_sound_shard_has_no_problems_and_is_summed_up(tmp_path: Path, dtype: str) -> None:
    publish(tmp_path, SHARD, dtype=dtype)
    found = check(tmp_path)
    assert found == Checked(
        shard=SHARD,
        rows=4,
        drops=2,
        config_hash=identity(dtype).config_hash,
        file=f"{SHARD}.parquet",
        quarantine_file=f"{SHARD}.parquet",
    )


def test_a_shard_without_drops_has_no_quarantine_to_check(tmp_path: Path) -> None:
    publish_shard(RootPaths(str(tmp_path)), "d", "e", SHARD, rows=small_rows(5), drops=[], identity=identity(), source=SOURCE)
    assert (check(tmp_path).problems, check(tmp_path).quarantine_file) == ([], None)


@pytest.mark.parametrize("drops", [0, 3])
def test_a_shard_without_rows_is_sound(tmp_path: Path, drops: int) -> None:
    lost = [drop(i) for i in range(drops)]
    publish_shard(RootPaths(str(tmp_path)), "d", "e", SHARD, rows=small_rows(0), drops=lost, identity=identity(), source=SOURCE)
    assert (check(tmp_path).problems, check(tmp_path).rows, check(tmp_path).drops) == ([], 0, drops)


def rows_file(root: Path) -> Path:
    return root / EMBEDDINGS / f"{SHARD}.parquet"


def drops_file(root: Path) -> Path:
    return root / QUARANTINE / f"{SHARD}.parquet"


def write_drops(root: Path, table: pa.Table) -> None:
    """Write a quarantine, and a record of its bytes."""
    import hashlib

    pq.write_table(table, drops_file(root))
    data = drops_file(root).read_bytes()
    change_record(root, SHARD, quarantine={"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})


def with_unknown_reason() -> pa.Table:
    table = drops_table(SHARD, [drop(2), drop(5)])
    return table.set_column(4, table.schema.field("reason"), pa.array(["missing_caption", "bored"]))


def rename_shard(columns: dict[str, list[object]]) -> None:
    columns["shard"] = ["00002", *columns["shard"][1:]]


ROWS, DROPS, RECORD = f"{EMBEDDINGS}/{SHARD}.parquet", f"{QUARANTINE}/{SHARD}.parquet", f"{RECORDS}/{SHARD}.json"
DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut": (lambda root: os.truncate(rows_file(root), 500), f"{ROWS}: 500 bytes, its record has "),
    "flipped": (lambda root: flip(rows_file(root)), f"{ROWS}: sha256 "),
    "gone": (lambda root: rows_file(root).unlink(), f"{ROWS}: recorded, but not there"),
    "no parquet": (lambda root: rows_file(root).write_bytes(b"<html>404</html>"), f"{ROWS}: cannot be read: "),
    "bad record": (lambda root: (root / RECORD).write_text("{"), f"{RECORD}: bad_record: "),
    "of another": (lambda root: change_record(root, SHARD, shard="00007"), f"{RECORD}: it is the record of d/e/00007"),
    "row count": (lambda root: change_record(root, SHARD, rows_in=7, rows_out=5), f"{ROWS}: 4 rows, its record has 5"),
    "ledger": (lambda root: change_record(root, SHARD, rows_in=9), f"{RECORD}: bad_record: {SHARD}: the ledger does not close"),
    "weights": (lambda root: change_record(root, SHARD, weights_sha256="v"), f"{ROWS}: weights_sha256 w, its record has v"),
    "config": (lambda root: change_record(root, SHARD, config_hash="0"), f"{ROWS}: config_hash {identity().config_hash}, its record has 0"),
    "nan": (lambda root: change_rows(root, SHARD, set_vector(np.nan)), f"{ROWS}: 1 text rows hold NaN or infinity"),
    "infinity": (lambda root: change_rows(root, SHARD, set_vector(np.inf)), f"{ROWS}: 1 text rows hold NaN or infinity"),
    "length": (lambda root: change_rows(root, SHARD, set_vector(0.5)), f"{ROWS}: 1 text rows are not of unit length"),
    "other shard": (lambda root: change_rows(root, SHARD, rename_shard), f"{ROWS}: 1 rows name another shard"),
    "order": (lambda root: change_rows(root, SHARD, set_ordinals(0, 3, 1, 4)), f"{ROWS}: 1 rows are not in order of ordinal"),
    "equal": (lambda root: change_rows(root, SHARD, set_ordinals(0, 1, 1, 4)), f"{ROWS}: 1 rows are not in order of ordinal"),
    "twice": (
        lambda root: change_rows(root, SHARD, set_ordinals(0, 1, 2, 4)),
        f"{RECORD}: 1 ordinals are twice among rows and drops, the first is 2",
    ),
    "beyond": (
        lambda root: change_rows(root, SHARD, set_ordinals(0, 1, 3, 9)),
        f"{RECORD}: 1 ordinals are beyond the shard's pairs, the first is 9",
    ),
    "missing": (
        lambda root: change_rows(root, SHARD, set_ordinals(0, 1, 3, 9)),
        f"{RECORD}: 1 ordinals are neither a row nor a drop, the first is 4",
    ),
    "no quarantine": (lambda root: drops_file(root).unlink(), f"{DROPS}: 2 drops are recorded, but it is not there"),
    "cut quarantine": (lambda root: os.truncate(drops_file(root), 100), f"{DROPS}: 100 bytes, its record has "),
    "other drops": (
        lambda root: pq.write_table(drops_table(SHARD, [drop(2)]), drops_file(root)),
        f"{DROPS}: drops missing_caption 1, its record has missing_caption 2",
    ),
    "other reasons": (
        lambda root: write_drops(root, drops_table(SHARD, [drop(2), drop(5, Reason.BAD_ROW)])),
        f"{DROPS}: drops bad_row 1, missing_caption 1, its record has missing_caption 2",
    ),
    "unknown reason": (lambda root: write_drops(root, with_unknown_reason()), f"{DROPS}: unknown reasons: bored"),
    "other columns": (
        lambda root: write_drops(root, drops_table(SHARD, [drop(2), drop(5)]).drop_columns("detail")),
        f"{DROPS}: its columns are not the columns of a quarantine file",
    ),
}


@pytest.mark.parametrize("fault", DAMAGE)
def test_every_fault_is_one_line_that_names_the_file(root: Path, fault: str) -> None:
    damage, line = DAMAGE[fault]
    damage(root)
    problems = [problem.replace(f"{root}/", "") for problem in check(root).problems]
    assert any(problem.startswith(line) for problem in problems), problems
    assert not any("\n" in problem for problem in problems)


def test_a_shard_whose_record_cannot_be_read_has_no_configuration(root: Path) -> None:
    (root / RECORD).write_text("{")
    found = check(root)
    assert (found.config_hash, found.file, found.rows, len(found.problems)) == (None, None, 0, 1)


def test_ordinals_are_compared_only_when_both_files_are_sound(root: Path) -> None:
    drops_file(root).unlink()
    assert len(check(root).problems) == 1, "the pairs that were dropped do not count as missing"


def test_norms_are_held_to_the_precision_of_the_dtype(tmp_path: Path) -> None:
    publish(tmp_path, SHARD)
    change_rows(tmp_path, SHARD, set_vector(np.sqrt(1 / 8) * 1.001))
    assert check(tmp_path).problems == [], "half precision rounds by as much"
    change_rows(tmp_path, SHARD, set_vector(np.sqrt(1 / 8) * 1.004))
    assert len(check(tmp_path).problems) == 1


def test_a_renewed_record_lists_the_files_that_it_replaced(root: Path) -> None:
    paths = RootPaths(str(root))
    old = read_record(paths, "d", "e", SHARD)
    publish_shard(paths, "d", "e", SHARD, rows=small_rows(6, seed=3), drops=[], identity=identity(), source=SOURCE, replaces=old)
    found = check(root)
    assert (found.problems, found.replaces) == ([], [f"{SHARD}.parquet"])
    assert found.file == read_record(paths, "d", "e", SHARD).file != f"{SHARD}.parquet"


def test_a_remote_shard_is_checked_through_a_copy_that_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    root = f"memory://{tmp_path.name}-verify"
    publish(root, SHARD)
    assert check(root).problems == []
    fsspec.filesystem("memory").pipe_file(f"/{tmp_path.name}-verify/{ROWS}", b"cut")
    assert [problem.partition(": ")[2].split(",")[0] for problem in check(root).problems] == [
        "3 bytes",
        "cannot be read: Parquet file size is 3 bytes",
    ]
    assert not list(tmp_path.glob("lacuna-verify-*"))


def test_a_local_file_is_not_copied(root: Path) -> None:
    with local_copy(str(root / ROWS)) as path:
        assert path == root / ROWS


def test_the_record_that_is_read_is_the_one_on_disk(root: Path) -> None:
    assert json.loads((root / RECORD).read_text())["rows_out"] == check(root).rows == 4
