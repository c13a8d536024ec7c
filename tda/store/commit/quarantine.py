"""Pairs that were not embedded: a closed set of reasons, and the Parquet file that lists each pair with its reason."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tda.store.commit.records import ShardRecord, iter_records, recorded_shards
from tda.store.files import filesystem, join
from tda.store.paths import RootPaths
from tda.store.types import Drop, printable

SCHEMA = pa.schema(
    [
        pa.field("shard", pa.string(), nullable=False),
        pa.field("ordinal", pa.int64(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)


def count_reasons(drops: Iterable[Drop]) -> dict[str, int]:
    """Drops by reason, sorted by name."""
    return dict(sorted(Counter(drop.reason.value for drop in drops).items()))


def drops_table(shard: str, drops: Sequence[Drop]) -> pa.Table:
    """The quarantine of one shard, in order of ordinal."""
    ordered = sorted(drops, key=lambda drop: drop.ordinal)
    columns: dict[str, list[Any]] = {
        "shard": [shard] * len(ordered),
        "ordinal": [drop.ordinal for drop in ordered],
        "key": [printable(drop.key, 1024) for drop in ordered],
        "stage": [drop.stage.value for drop in ordered],
        "reason": [drop.reason.value for drop in ordered],
        "detail": [printable(drop.detail) for drop in ordered],
    }
    return pa.table(columns, schema=SCHEMA)


def write_drops(shard: str, drops: Sequence[Drop], file: BinaryIO) -> None:
    """Write the quarantine of a shard into an open file."""
    pq.write_table(drops_table(shard, drops), file, compression="zstd")


def read_drops(paths: RootPaths, record: ShardRecord) -> pa.Table:
    """The dropped pairs of one recorded shard; raises FileNotFoundError if its file is missing."""
    if record.quarantine_file is None:
        return SCHEMA.empty_table()
    fs, path = filesystem(join(paths.quarantine_dir(record.dataset, record.encoder), record.quarantine_file))
    with fs.open(path, "rb") as file:
        return pq.read_table(file, schema=SCHEMA)


def read_quarantine(paths: RootPaths, dataset: str, encoder: str, shard: str | None = None) -> pa.Table:
    """Every dropped pair of the recorded shards of a data set under an encoder (or of one shard); empty if nothing was dropped."""
    shards = [name for name in recorded_shards(paths, dataset, encoder) if shard in (None, name)]
    records = iter_records(paths, dataset, encoder, shards)
    return pa.concat_tables([SCHEMA.empty_table(), *(read_drops(paths, record) for record in records if record.drops)])
