"""Two drivers on one root, and a shard's next attempt: files of different attempts are never mixed."""

import hashlib
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_rows import SOURCE, drop, identity, small_rows

from tda.store.commit import transaction
from tda.store.commit.quarantine import read_quarantine
from tda.store.commit.records import ShardRecord, read_record, renew_record
from tda.store.commit.transaction import publish_shard
from tda.store.commit.versions import publish_version
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.files import file_sha256, join, list_files
from tda.store.paths import RootPaths

ROOTS = ["local", "memory"]


@pytest.fixture(params=ROOTS)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "root") if request.param == "local" else f"memory://{tmp_path.name}-versions"


def publish(root: str, seed: int = 0, rows: int = 5, replaces: ShardRecord | None = None) -> ShardRecord:
    """A shard of six pairs, of which `rows` were embedded."""
    return publish_shard(
        RootPaths(root),
        "d",
        "e",
        "0",
        rows=small_rows(rows, seed=seed),
        drops=[drop(i) for i in range(rows, 6)],
        identity=identity(),
        source=SOURCE,
        replaces=replaces,
        attempt=1 if replaces is None else replaces.attempt + 1,
    )


def whole(root: str) -> ShardRecord:
    """Assert that the record and the files it names agree, and that there are no others; returns it."""
    paths = RootPaths(root)
    record = read_record(paths, "d", "e", "0")
    assert file_sha256(join(paths.embeddings_dir("d", "e"), record.file)) == record.output["sha256"]
    assert list_files(paths.embeddings_dir("d", "e")) == [record.file]
    assert list_files(paths.quarantine_dir("d", "e")) == ([record.quarantine_file] if record.drops else [])
    assert len(EmbeddingSet(root, "d", "e")) == record.rows_out
    assert read_quarantine(paths, "d", "e").num_rows == 6 - record.rows_out
    return record


def between(monkeypatch: pytest.MonkeyPatch, step: str, other: Callable[[], object]) -> None:
    """Let another driver do `other` just before ours does `step`."""
    true = getattr(transaction, step)

    def interrupted(*args: object, **options: object) -> object:
        monkeypatch.setattr(transaction, step, true)
        other()
        return true(*args, **options)

    monkeypatch.setattr(transaction, step, interrupted)


@pytest.mark.parametrize("step", ["publish_version", "create_record", "tidy"])
@pytest.mark.parametrize("seed", [0, 1])
def test_two_drivers_on_one_shard_leave_one_whole_attempt(root: str, step: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    between(monkeypatch, step, lambda: publish(root, seed=seed, rows=4 + seed))
    ours = publish(root)
    assert ours == whole(root)
    first = 5 if step == "tidy" else 4 + seed
    assert ours.rows_out == first, "the first record wins"
    expected_ND = small_rows(first, seed=0 if step == "tidy" else seed).image_ND
    assert np.array_equal(EmbeddingSet(root, "d", "e").image(), expected_ND)


@pytest.mark.parametrize("seed", [0, 1])
def test_what_a_dead_attempt_left_is_used_if_it_is_the_same_and_else_removed(root: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(transaction, "create_record", dies)
        with pytest.raises(KeyboardInterrupt):
            publish(root, seed=seed)
    assert publish(root) == whole(root)


def test_a_next_attempt_renews_the_record_and_takes_the_old_files_away(root: str) -> None:
    old = publish(root, rows=4)
    new = publish(root, rows=6, seed=3, replaces=old)
    assert new == whole(root)
    assert (new.attempt, new.rows_out, new.drops, new.quarantine_file) == (2, 6, {}, None)
    assert new.replaces == ["0.parquet"]
    assert new.file == f"0.{new.output['sha256'][:12]}.parquet"
    third = publish(root, rows=5, seed=4, replaces=new)
    assert third == whole(root)


@pytest.mark.parametrize("step", ["publish_version", "renew_record", "tidy"])
def test_a_next_attempt_that_is_killed_leaves_the_old_or_the_new(root: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    old = publish(root, rows=4)
    with monkeypatch.context() as patch:
        patch.setattr(transaction, step, dies)
        with pytest.raises(KeyboardInterrupt):
            publish(root, rows=6, seed=3, replaces=old)
    standing = read_record(RootPaths(root), "d", "e", "0")
    assert (standing == old) == (step != "tidy")
    assert len(EmbeddingSet(root, "d", "e")) == standing.rows_out
    assert read_quarantine(RootPaths(root), "d", "e").num_rows == 6 - standing.rows_out


def test_of_two_next_attempts_the_first_wins(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old = publish(root, rows=4)
    between(monkeypatch, "renew_record", lambda: publish(root, rows=6, seed=1, replaces=old))
    ours = publish(root, rows=5, replaces=old)
    assert ours == whole(root)
    assert ours.rows_out == 6
    assert renew_record(RootPaths(root), old, old) == ours


def test_a_damaged_file_under_a_name_of_content_is_mended(root: str) -> None:
    def write(file: object) -> None:
        file.write(b"content")  # type: ignore[attr-defined]

    entry = publish_version(root, "0", write, plain=False)
    assert entry["file"] == f"0.{hashlib.sha256(b'content').hexdigest()[:12]}.parquet"
    assert publish_version(root, "0", write, plain=False) == entry
    if not root.startswith("memory"):
        Path(root, entry["file"]).write_bytes(b"cut")
        assert publish_version(root, "0", write, plain=False) == entry
        assert Path(root, entry["file"]).read_bytes() == b"content"


RACER = """
import sys
sys.path.insert(0, sys.argv[2])
from small_rows import SOURCE, drop, identity, small_rows
from tda.store.paths import RootPaths
from tda.store.commit.transaction import publish_shard
seed = int(sys.argv[3])
sys.stdin.readline()
for i in range(40):
    rows = small_rows(4 + (seed + i) % 2, seed=seed * (i % 3))
    drops = [drop(j) for j in range(len(rows), 6)]
    publish_shard(RootPaths(sys.argv[1]), "d", "e", f"{i:05d}", rows=rows, drops=drops, identity=identity(), source=SOURCE)
"""


def test_three_processes_race_for_forty_shards(tmp_path: Path) -> None:
    support = str(Path(__file__).resolve().parents[3] / "support/rows")
    words = [sys.executable, "-c", RACER, str(tmp_path), support]
    racers = [subprocess.Popen([*words, str(seed)], stdin=subprocess.PIPE, text=True) for seed in range(3)]
    random.Random(0).shuffle(racers)
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert [racer.wait() for racer in racers] == [0, 0, 0]
    paths, files, drops = RootPaths(str(tmp_path)), [], []
    for i in range(40):
        record = read_record(paths, "d", "e", f"{i:05d}")
        assert file_sha256(join(paths.embeddings_dir("d", "e"), record.file)) == record.output["sha256"]
        assert read_quarantine(paths, "d", "e", record.shard).num_rows == 6 - record.rows_out
        files.append(record.file)
        drops.append(record.quarantine_file)
    assert list_files(paths.embeddings_dir("d", "e")) == sorted(files)
    assert list_files(paths.quarantine_dir("d", "e")) == sorted(map(str, drops))
