"""What the driver remembers of recorded shards."""

import tracemalloc
from collections.abc import Iterator

import pytest

from jobs.embedding.dataset_run import RunTotals
from tda.store.commit.records import ShardRecord


def record(shard: str, rows_in: int = 100, **drops: int) -> ShardRecord:
    return ShardRecord(
        dataset="d",
        encoder="e",
        shard=shard,
        source={"path": f"s3://bucket/{shard}.tar", "size": 1, "etag": "e" * 32},
        rows_in=rows_in,
        rows_out=rows_in - sum(drops.values()),
        drops=drops,
        output={"sha256": "0" * 64, "bytes": 1},
        weights_sha256="1" * 64,
        config_hash="2" * 64,
        seconds=dict.fromkeys(("read", "decode", "encode", "write"), 1.0),
    )


def test_counts_close_and_a_renewed_record_takes_its_place() -> None:
    totals = RunTotals()
    assert (len(totals), totals.drop_fraction) == (0, 0.0)
    totals.add(record("a", empty_caption=3, image_truncated=7))
    totals.add(record("b", rows_in=50))
    assert ("a" in totals, "c" in totals, len(totals)) == (True, False, 2)
    assert totals.summary() == "140 of 150 pairs embedded, 10 dropped (image_truncated 7, empty_caption 3)"
    totals.add(record("a", empty_caption=1))
    assert len(totals) == 2
    assert totals.summary() == "149 of 150 pairs embedded, 1 dropped (empty_caption 1)"
    assert totals.drop_fraction == pytest.approx(1 / 150)


def test_memory_hardly_grows_with_the_records() -> None:
    def records() -> Iterator[ShardRecord]:
        yield from (record(f"{i:06d}", empty_caption=3) for i in range(5_000))

    totals = RunTotals()
    tracemalloc.start()
    for one in records():
        totals.add(one)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"{peak / 5_000:.0f} bytes a record")
    assert peak < 5_000 * 600, "a record itself is some kilobytes"
