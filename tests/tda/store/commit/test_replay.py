"""Quarantined pairs tried again: what is picked, what is refused, what is merged."""

from pathlib import Path

import numpy as np
import pytest
from small_rows import SOURCE, drop, identity, small_rows

from tda.errors import ShardError
from tda.store.commit.quarantine import read_quarantine
from tda.store.commit.records import ShardRecord
from tda.store.commit.replay import Replay, recorded_rows
from tda.store.commit.transaction import publish_shard
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.paths import RootPaths
from tda.store.shards.webdataset import RawPair
from tda.store.types import Drop, Reason, Source


@pytest.fixture
def paths(tmp_path: Path) -> RootPaths:
    return RootPaths(str(tmp_path))


@pytest.fixture
def record(paths: RootPaths) -> ShardRecord:
    """Six pairs, of which 1 and 4 were dropped."""
    rows = small_rows(4, ordinals=[0, 2, 3, 5], keys=[f"{i:09d}" for i in (0, 2, 3, 5)])
    return publish_shard(paths, "d", "e", "0", rows=rows, drops=[drop(1), drop(4)], identity=identity(), source=SOURCE)


def read_again(n: int = 6, first: str = "000000001") -> list[RawPair | Drop]:
    pairs: list[RawPair | Drop] = [RawPair(i, f"{i:09d}", b"", "caption") for i in range(n)]
    pairs[1] = RawPair(1, first, b"", "caption")
    return pairs


def test_only_what_was_dropped_is_passed_on(paths: RootPaths, record: ShardRecord) -> None:
    replay = Replay(paths, record)
    assert [pair.ordinal for pair in replay.select(iter(read_again()))] == [1, 4]
    replay.check_source(SOURCE)


@pytest.mark.parametrize("items", [read_again(5), read_again(7), read_again(first="another"), read_again()[:1] + read_again()[2:]])
def test_another_shard_under_the_same_name_is_refused(paths: RootPaths, record: ShardRecord, items: list[RawPair | Drop]) -> None:
    with pytest.raises(ShardError, match="shard 0: changed"):
        list(Replay(paths, record).select(iter(items)))
    with pytest.raises(ShardError, match=r"changed .10241 bytes, it had 10240"):
        Replay(paths, record).check_source(Source("/data/0.tar", 10_241, "etag"))


def test_rows_that_were_there_keep_their_bytes(paths: RootPaths, record: ShardRecord) -> None:
    replay, before = Replay(paths, record), recorded_rows(paths, record)
    new, still = small_rows(1, seed=7, ordinals=[4], keys=["000000004"]), [drop(1, Reason.BAD_MEMBER)]
    made = publish_shard(
        paths, "d", "e", "0", rows=replay.merged(new), drops=still, identity=identity(), source=SOURCE, attempt=2, replaces=record
    )
    assert (made.rows_in, made.rows_out, made.drops, made.attempt) == (6, 5, {"bad_member": 1}, 2)
    table = EmbeddingSet(paths.root, "d", "e").table(["ordinal", "key"])
    assert table["ordinal"].to_pylist() == [0, 2, 3, 4, 5]
    assert table["key"].to_pylist() == [f"{i:09d}" for i in (0, 2, 3, 4, 5)]
    image_ND = EmbeddingSet(paths.root, "d", "e").image()
    assert np.array_equal(image_ND[[0, 1, 2, 4]].view(np.uint16), before.image_ND.view(np.uint16))
    assert np.array_equal(image_ND[3], new.image_ND[0])
    assert read_quarantine(paths, "d", "e")["ordinal"].to_pylist() == [1]


def test_what_fails_as_before_settles_nothing(paths: RootPaths, record: ShardRecord) -> None:
    replay, none = Replay(paths, record), small_rows(0)
    assert not replay.settles(none, [drop(4), drop(1)])
    assert replay.settles(none, [drop(4), drop(1, Reason.BAD_MEMBER)])
    assert replay.settles(small_rows(1, ordinals=[1]), [drop(4)])


def test_a_recorded_file_that_is_gone_or_cut_is_named(paths: RootPaths, record: ShardRecord) -> None:
    file = Path(paths.embedding("d", "e", "0"))
    file.write_bytes(b"PAR1 cut")
    with pytest.raises(ShardError, match="shard 0: damaged"):
        recorded_rows(paths, record)
    file.unlink()
    with pytest.raises(ShardError, match="shard 0: missing"):
        recorded_rows(paths, record)
