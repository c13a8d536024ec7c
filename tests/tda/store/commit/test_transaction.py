"""A shard is whole and recorded, or it is as if it had not been tried."""

import hashlib
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_rows import SOURCE, drop, identity, small_rows

from tda.errors import UserError
from tda.store.commit import transaction
from tda.store.commit.quarantine import read_quarantine
from tda.store.commit.records import ShardRecord, recorded, recorded_shards
from tda.store.commit.transaction import publish_shard
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.files import list_files
from tda.store.paths import RootPaths


def publish(root: str, seed: int = 0, drops: int = 1) -> ShardRecord:
    rows = small_rows(5, seed=seed)
    given_drops = [drop(5 + i) for i in range(drops)]
    return publish_shard(RootPaths(root), "d", "e", "00000", rows=rows, drops=given_drops, identity=identity(), source=SOURCE)


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_shard_is_published_whole(tmp_path: Path) -> None:
    record = publish(str(tmp_path))
    assert sorted(content(tmp_path)) == [
        "embeddings/d/e/00000.parquet",
        "embeddings/d/e/_identity.json",
        "embeddings/d/e/_records/00000.json",
        "quarantine/d/e/00000.parquet",
    ]
    assert record.output["sha256"] == hashlib.sha256(content(tmp_path)["embeddings/d/e/00000.parquet"]).hexdigest()
    assert record.rows_in == record.rows_out + sum(record.drops.values()) == 6
    assert np.array_equal(EmbeddingSet(str(tmp_path), "d", "e").image(), small_rows(5).image_ND)


def test_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    publish(str(tmp_path))
    before = content(tmp_path)
    publish(str(tmp_path))
    assert content(tmp_path) == before


def test_a_later_attempt_without_drops_leaves_no_old_quarantine(tmp_path: Path) -> None:
    publish(str(tmp_path), drops=3)
    (tmp_path / "embeddings/d/e/_records/00000.json").unlink()
    record = publish(str(tmp_path), drops=0)
    assert record.quarantine is None
    assert "quarantine/d/e/00000.parquet" not in content(tmp_path)


def test_an_object_store_as_root(tmp_path: Path) -> None:
    root = f"memory://{tmp_path.name}-transaction"
    assert publish(root) == publish(root) == recorded(RootPaths(root), "d", "e")["00000"]
    assert np.array_equal(EmbeddingSet(root, "d", "e").text(), small_rows(5).text_ND)
    assert read_quarantine(RootPaths(root), "d", "e").num_rows == 1


def test_a_shard_without_rows_is_whole_too(tmp_path: Path) -> None:
    rows = small_rows(0)
    record = publish_shard(RootPaths(str(tmp_path)), "d", "e", "0", rows=rows, drops=[drop(0)], identity=identity(), source=SOURCE)
    assert (record.rows_in, record.rows_out) == (1, 0)
    assert EmbeddingSet(str(tmp_path), "d", "e").image().shape == (0, 8)


class PowerCut(BaseException):
    pass


@pytest.mark.parametrize("step", ["write_table", "check_file", "write_drops", "create_record", "tidy"])
def test_broken_off_at_any_step_nothing_is_recorded_and_a_rerun_is_clean(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        if step == "write_table":  # half of the file
            args[1].write(b"PAR1" + bytes(100))
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(transaction, step, broken)
        with pytest.raises(PowerCut):
            publish(str(tmp_path))
    if step != "tidy":
        assert recorded(RootPaths(str(tmp_path)), "d", "e") == {}
        with pytest.raises(UserError, match="holds no embeddings"):
            EmbeddingSet(str(tmp_path), "d", "e")
    publish(str(tmp_path))
    publish(str(tmp_path / "clean"))
    after = content(tmp_path)
    assert all(after[name] == data for name, data in content(tmp_path / "clean").items())


KILLED = """
import sys
sys.path.insert(0, sys.argv[2])
from small_rows import SOURCE, drop, identity, small_rows
from tda.store.paths import RootPaths
from tda.store.commit.transaction import publish_shard
rows = small_rows(60_000, dim=64)
print("ready", flush=True)
for i in range(1000):
    publish_shard(RootPaths(sys.argv[1]), "d", "e", f"{i:05d}", rows=rows, drops=[drop(60_000)], identity=identity(), source=SOURCE)
"""


def test_killed_at_any_moment_what_is_recorded_is_whole(tmp_path: Path) -> None:
    support = str(Path(__file__).resolve().parents[3] / "support/rows")
    rng = random.Random(0)
    for attempt in range(4):
        root = tmp_path / str(attempt)
        with subprocess.Popen([sys.executable, "-c", KILLED, str(root), support], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                process.wait(timeout=rng.uniform(0.05, 0.6))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.wait()
        done = recorded_shards(RootPaths(str(root)), "d", "e")
        for shard, record in recorded(RootPaths(str(root)), "d", "e").items():
            data = (root / f"embeddings/d/e/{shard}.parquet").read_bytes()
            assert hashlib.sha256(data).hexdigest() == record.output["sha256"]
            assert read_quarantine(RootPaths(str(root)), "d", "e", shard).num_rows == 1
        assert done == [f"{i:05d}" for i in range(len(done))]
        assert len(list_files(str(root / "embeddings/d/e"), ".parquet")) - len(done) in (0, 1)


def test_a_root_that_cannot_be_written() -> None:
    with pytest.raises(UserError, match="cannot be written"):
        publish("/proc/lacuna")


@settings(max_examples=40, deadline=None)
@given(kept=st.lists(st.booleans(), max_size=30))
def test_the_ledger_closes_whatever_is_dropped(kept: list[bool], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = str(tmp_path_factory.mktemp("ledger"))
    ordinals = [i for i, keep in enumerate(kept) if keep]
    drops = [drop(i) for i, keep in enumerate(kept) if not keep]
    rows = small_rows(len(ordinals), ordinals=ordinals)
    record = publish_shard(RootPaths(root), "d", "e", "0", rows=rows, drops=drops, identity=identity(), source=SOURCE)
    assert record.rows_in == len(kept) == record.rows_out + sum(record.drops.values())
    listed = EmbeddingSet(root, "d", "e").table(["ordinal"])["ordinal"].to_pylist()
    listed += read_quarantine(RootPaths(root), "d", "e")["ordinal"].to_pylist()
    assert sorted(listed) == list(range(len(kept)))


@pytest.mark.parametrize(
    ("columns", "drops", "dtype"),
    [({"ordinals": [0, 1, 1]}, [], "float16"), ({}, [2], "float16"), ({}, [4], "float16"), ({}, [], "float32")],
)
def test_what_does_not_add_up_is_never_published(tmp_path: Path, columns: dict[str, Any], drops: list[int], dtype: str) -> None:
    rows = small_rows(3, **columns)
    with pytest.raises(AssertionError):
        publish_shard(
            RootPaths(str(tmp_path)), "d", "e", "0", rows=rows, drops=[drop(i) for i in drops], identity=identity(dtype), source=SOURCE
        )
    assert content(tmp_path) == {}
