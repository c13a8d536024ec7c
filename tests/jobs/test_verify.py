"""A root is proven, or every problem of it named in a line of its own."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from small_rows import SOURCE, drop, identity, small_rows

from jobs import verify
from jobs.verify import main, run
from tda.config.cluster import ClusterConfig
from tda.config.jobs import VerifyJob
from tda.errors import UserError
from tda.store.commit import transaction
from tda.store.commit.quarantine import drops_table
from tda.store.commit.records import read_record
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths

EMBEDDINGS, RECORDS, QUARANTINE = "embeddings/d/e", "embeddings/d/e/_records", "quarantine/d/e"


def publish(root: Path, shard: str, *, weights: str = "w", dtype: str = "float16") -> None:
    """Six pairs, of which 2 and 5 were dropped."""
    rows = small_rows(4, ordinals=[0, 1, 3, 4], seed=int(shard[-1]), dtype=dtype)
    publish_shard(
        RootPaths(str(root)), "d", "e", shard, rows=rows, drops=[drop(2), drop(5)], identity=identity(dtype, weights), source=SOURCE
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for shard in ("00000", "00001", "00002"):
        publish(tmp_path / "root", shard)
    folder = tmp_path / "root/models/arm"
    folder.mkdir(parents=True)
    (folder / "model.pt").write_bytes(b"weights")
    sha256 = "9d3e1ac4e0ac6d7a7fd0f1d5d2b6a3a0"
    (folder / "model.json").write_text(json.dumps({"training": {"sha256": sha256}}))
    return tmp_path / "root"


def told(root: Path, capsys: pytest.CaptureFixture[str], **options: object) -> tuple[bool, list[str], str]:
    """Is it whole, the problems with the root cut off, and the line of result."""
    outcome = run(VerifyJob(root=str(root), **options))  # type: ignore[arg-type]  # as given
    lines = capsys.readouterr().out.replace(f"{root}/", "").splitlines()
    return outcome.whole, lines, outcome.line.replace(str(root), "ROOT")


def mend_model(root: Path) -> None:
    import hashlib

    sha256 = hashlib.sha256(b"weights").hexdigest()
    (root / "models/arm/model.json").write_text(json.dumps({"training": {"sha256": sha256}}))


def change_record(root: Path, shard: str, /, **fields: object) -> None:
    path = root / RECORDS / f"{shard}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def change_rows(root: Path, shard: str, change: Callable[[dict[str, list[object]]], None]) -> None:
    """Write other rows into a Parquet, and a record that vouches for them."""
    import hashlib

    path = root / EMBEDDINGS / f"{shard}.parquet"
    table = pq.read_table(path)
    columns = table.to_pydict()
    change(columns)
    pq.write_table(type(table).from_pydict(columns, schema=table.schema), path)
    data = path.read_bytes()
    change_record(root, shard, output={"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})


def set_vector(value: float) -> Callable[[dict[str, list[object]]], None]:
    def change(columns: dict[str, list[object]]) -> None:
        columns["text"][1] = np.full(8, value, np.float16).tobytes()

    return change


def set_ordinals(*ordinals: int) -> Callable[[dict[str, list[object]]], None]:
    return lambda columns: columns.update(ordinal=list(ordinals))


def test_a_whole_root(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mend_model(root)
    assert told(root, capsys) == (True, [], "verify: ROOT: 3 shards, 12 rows, 6 dropped: whole and true")
    with pytest.raises(UserError, match="is not there"):
        run(VerifyJob(root=str(root / "absent")))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (lambda root: os.truncate(root / EMBEDDINGS / "00001.parquet", 500), f"{EMBEDDINGS}/00001.parquet: 500 bytes, its record says"),
    "flipped": (lambda root: _flip(root / EMBEDDINGS / "00001.parquet"), f"{EMBEDDINGS}/00001.parquet: sha256 "),
    "gone": (lambda root: (root / EMBEDDINGS / "00001.parquet").unlink(), f"{EMBEDDINGS}/00001.parquet: recorded, but not there"),
    "no record": (lambda root: (root / RECORDS / "00001.json").unlink(), f"{EMBEDDINGS}/00001.parquet: no record names it"),
    "bad record": (lambda root: (root / RECORDS / "00001.json").write_text("{"), f"{RECORDS}/00001.json: bad_record: "),
    "of another": (lambda root: change_record(root, "00001", shard="00007"), f"{RECORDS}/00001.json: it is the record of d/e/00007"),
    "row count": (
        lambda root: change_record(root, "00001", rows_in=7, rows_out=5),
        f"{EMBEDDINGS}/00001.parquet: 4 rows, its record says 5",
    ),
    "ledger": (lambda root: change_record(root, "00001", rows_in=9), f"{RECORDS}/00001.json: bad_record: 00001: the ledger does not close"),
    "nan": (lambda root: change_rows(root, "00001", set_vector(np.nan)), f"{EMBEDDINGS}/00001.parquet: 1 text rows hold NaN or infinity"),
    "length": (lambda root: change_rows(root, "00001", set_vector(0.5)), f"{EMBEDDINGS}/00001.parquet: 1 text rows are not of unit length"),
    "order": (
        lambda root: change_rows(root, "00001", set_ordinals(0, 3, 1, 4)),
        f"{EMBEDDINGS}/00001.parquet: 1 rows are not in order of ordinal",
    ),
    "twice": (
        lambda root: change_rows(root, "00001", set_ordinals(0, 1, 2, 4)),
        f"{RECORDS}/00001.json: 1 ordinals are twice among rows and drops, the first is 2",
    ),
    "missing": (
        lambda root: change_rows(root, "00001", set_ordinals(0, 1, 3, 9)),
        f"{RECORDS}/00001.json: 1 ordinals are neither a row nor a drop, the first is 4",
    ),
    "identity": (lambda root: _republish(root, "00001"), f"{RECORDS}/00001.json: config "),
    "no quarantine": (
        lambda root: (root / QUARANTINE / "00001.parquet").unlink(),
        f"{QUARANTINE}/00001.parquet: 2 drops are recorded, but it is not there",
    ),
    "other drops": (
        lambda root: pq.write_table(drops_table("00001", [drop(2)]), root / QUARANTINE / "00001.parquet"),
        f"{QUARANTINE}/00001.parquet: drops missing_caption 1, its record says missing_caption 2",
    ),
    "stray": (lambda root: (root / QUARANTINE / "00009.parquet").write_bytes(b""), f"{QUARANTINE}/00009.parquet: no record names it"),
    "weights": (
        lambda root: (root / "models/arm/model.pt").write_bytes(b"others"),
        "models/arm/model.pt: sha256 ",
    ),
    "no sentinel": (
        lambda root: (root / "models/arm/step_00000400.pt").write_bytes(b"x"),
        "models/arm/step_00000400.pt: no step_00000400.json vouches for it",
    ),
    "metrics": (lambda root: _write(root / "analysis/d/e/metrics.json", "{"), "analysis/d/e/metrics.json: cannot be read: "),
    "join": (lambda root: _write(root / "nearest/d/e/r/00000.parquet", ""), "nearest/d/e/r: "),
    "view": (lambda root: _write(root / "dedupe/d/e/r/kept.parquet", ""), "dedupe/d/e/r: no summary.json vouches for it"),
}


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)


def _republish(root: Path, shard: str) -> None:
    """The shard by other weights, as a root may hold that was mixed before publications were held to one content."""
    others = {path: path.read_bytes() for path in (root / RECORDS).iterdir() if path.stem != shard}
    claim = (root / RECORDS).parent / "_identity.json"
    before = claim.read_bytes()
    for path in (*(root / RECORDS).iterdir(), claim):
        path.unlink()
    publish(root, shard, weights="others")
    for path, data in {**others, claim: before}.items():
        path.write_bytes(data)


@pytest.mark.parametrize("fault", DAMAGE)
def test_every_fault_is_named(root: Path, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    mend_model(root)
    damage, line = DAMAGE[fault]
    damage(root)
    whole, lines, last = told(root, capsys)
    assert not whole
    assert any(found.startswith(line) for found in lines), lines
    assert last.endswith(f"{len(lines)} problems")


def test_fix_sweeps_temporary_files_of_some_age_and_nothing_else(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mend_model(root)
    old, young = (root / EMBEDDINGS / f".{shard}.parquet.0123456789ab.tmp" for shard in ("00000", "00001"))
    strange = root / EMBEDDINGS / ".notes"
    for path in (old, young, strange):
        path.write_bytes(b"half")
    hours_ago = time.time() - 2 * 3600
    os.utime(old, (hours_ago, hours_ago))
    os.utime(strange, (hours_ago, hours_ago))
    whole, lines, _ = told(root, capsys)
    assert not whole
    assert sorted(line.split(":")[0] for line in lines) == sorted(str(path.relative_to(root)) for path in (old, young))
    before = {path for path in root.rglob("*") if path.is_file()}
    whole, lines, last = told(root, capsys, fix=True)
    assert whole, "a young one may be of a running job"
    assert [line for line in lines if "perhaps of a running job" in line] == lines
    assert last.endswith("1 temporary files removed: whole and true")
    assert before - {path for path in root.rglob("*") if path.is_file()} == {old}


def test_what_an_attempt_that_was_killed_left_behind_is_known_as_such(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mend_model(root)
    layout, old = RootPaths(str(root)), read_record(RootPaths(str(root)), "d", "e", "00001")
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "tidy", lambda *_: None)
        publish_shard(layout, "d", "e", "00001", rows=small_rows(6), drops=[], identity=identity(), source=SOURCE, replaces=old)
    whole, lines, _ = told(root, capsys)
    assert not whole
    assert lines == [f"{folder}/00001.parquet: left behind by an earlier attempt" for folder in (EMBEDDINGS, QUARANTINE)]
    told(root, capsys, fix=True)
    assert told(root, capsys)[0]


def test_the_flag_on_the_command_line(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    mend_model(root)
    (root / EMBEDDINGS / ".00000.parquet.0123456789ab.tmp").write_bytes(b"half")
    monkeypatch.setattr(sys, "argv", ["verify", f"root={root}", "min_age_seconds=0", "--fix"])
    assert main() == 0
    assert capsys.readouterr().out.endswith("1 temporary files removed: whole and true\n")
    assert not list(root.rglob(".*.tmp"))


@pytest.mark.usefixtures("ray_cluster")
def test_a_large_root_is_checked_on_ray(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "IN_PROCESS", 0)
    monkeypatch.setattr(verify, "CHUNK", 1)
    mend_model(root)
    _flip(root / EMBEDDINGS / "00001.parquet")
    whole, lines, last = told(root, capsys, cluster=ClusterConfig(cpus_per_actor=0.5))
    assert not whole
    assert lines[0].startswith(f"{EMBEDDINGS}/00001.parquet: sha256 ")
    assert last.startswith("verify: ROOT: 3 shards, 12 rows, 6 dropped: ")
