"""A root is proven, or every problem of it named in a line of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recorded_root import EMBEDDINGS, QUARANTINE, flip, sound_root, write
from small_rows import SOURCE, identity, small_rows

from jobs import verify
from jobs.verify import main, run
from tda.config.cluster import ClusterConfig
from tda.config.jobs import VerifyJob
from tda.errors import UserError
from tda.store.commit import transaction
from tda.store.commit.records import read_record
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return sound_root(tmp_path / "root")


def checked(root: Path, capsys: pytest.CaptureFixture[str], **options: object) -> tuple[bool, list[str], str]:
    """Is it whole, the problems with the root cut off, and the line of result."""
    outcome = run(VerifyJob(root=str(root), **options))  # type: ignore[arg-type]  # as given
    lines = capsys.readouterr().out.replace(f"{root}/", "").splitlines()
    return outcome.whole, lines, outcome.line.replace(str(root), "ROOT")


def test_a_whole_root(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(root, capsys) == (True, [], "verify: ROOT: 3 shards, 12 rows, 6 dropped: whole and true")
    with pytest.raises(UserError, match="is not there"):
        run(VerifyJob(root=str(root / "absent")))


def test_the_command_writes_nothing(root: Path, tmp_path: Path) -> None:
    """Neither into a root, nor into a folder that is none, not even one into which an earlier version has written its settings."""
    photos = tmp_path / "photos"
    write(photos / "holiday.jpg", "x")
    write(photos / "runs/verify-0123456789ab/config.yaml", "job: verify")
    for folder, status, says in ((root, 0, "whole and true"), (photos, 2, "is no root: it holds holiday.jpg, but none of embeddings,")):
        before = sorted(folder.rglob("*"))
        done = subprocess.run([sys.executable, "-m", "jobs.verify", f"root={folder}"], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert says in done.stdout + done.stderr
        assert sorted(folder.rglob("*")) == before


def test_problems_are_printed_counted_and_make_the_root_not_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / EMBEDDINGS / "00001.parquet").unlink()
    (root / QUARANTINE / "00009.parquet").write_bytes(b"")
    (root / "models/arm/model.pt").write_bytes(b"others")
    write(root / "analysis/d/e/metrics.json", "{")
    whole, lines, last = checked(root, capsys)
    assert not whole
    assert [line.split(": ")[0] for line in lines] == [
        f"{EMBEDDINGS}/00001.parquet",
        f"{QUARANTINE}/00009.parquet",
        "models/arm/model.pt",
        "analysis/d/e/metrics.json",
    ]
    assert last.endswith("6 dropped: 4 problems")


def test_fix_sweeps_temporary_files_of_some_age_and_nothing_else(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, young = (root / EMBEDDINGS / f".{shard}.parquet.0123456789ab.tmp" for shard in ("00000", "00001"))
    strange = root / EMBEDDINGS / ".notes"
    for path in (old, young, strange):
        path.write_bytes(b"half")
    hours_ago = time.time() - 2 * 3600
    os.utime(old, (hours_ago, hours_ago))
    os.utime(strange, (hours_ago, hours_ago))
    whole, lines, _ = checked(root, capsys)
    assert not whole
    assert sorted(line.split(":")[0] for line in lines) == sorted(str(path.relative_to(root)) for path in (old, young))
    before = {path for path in root.rglob("*") if path.is_file()}
    whole, lines, last = checked(root, capsys, fix=True)
    assert whole, "a young one may be of a running job"
    assert [line for line in lines if "perhaps of a running job" in line] == lines
    assert last.endswith("1 temporary files removed: whole and true")
    assert before - {path for path in root.rglob("*") if path.is_file()} == {old}


def test_what_an_attempt_that_was_killed_left_behind_is_known_as_such(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, old = RootPaths(str(root)), read_record(RootPaths(str(root)), "d", "e", "00001")
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "tidy", lambda *_: None)
        publish_shard(paths, "d", "e", "00001", rows=small_rows(6), drops=[], identity=identity(), source=SOURCE, replaces=old)
    whole, lines, _ = checked(root, capsys)
    assert not whole
    assert lines == [f"{folder}/00001.parquet: left behind by an earlier attempt" for folder in (EMBEDDINGS, QUARANTINE)]
    checked(root, capsys, fix=True)
    assert checked(root, capsys)[0]


def test_the_flag_on_the_command_line(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (root / EMBEDDINGS / ".00000.parquet.0123456789ab.tmp").write_bytes(b"half")
    monkeypatch.setattr(sys, "argv", ["verify", f"root={root}", "min_age_seconds=0", "--fix"])
    assert main() == 0
    assert capsys.readouterr().out.endswith("1 temporary files removed: whole and true\n")
    assert not list(root.rglob(".*.tmp"))


@pytest.mark.usefixtures("ray_cluster")
def test_a_large_root_is_checked_on_ray(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "IN_PROCESS", 0)
    monkeypatch.setattr(verify, "CHUNK", 1)
    flip(root / EMBEDDINGS / "00001.parquet")
    whole, lines, last = checked(root, capsys, cluster=ClusterConfig(cpus_per_actor=0.5))
    assert not whole
    assert lines[0].startswith(f"{EMBEDDINGS}/00001.parquet: sha256 ")
    assert last.startswith("verify: ROOT: 3 shards, 12 rows, 6 dropped: ")
