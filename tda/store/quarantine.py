"""Pairs that were not embedded: a closed set of reasons, and the Parquet file that lists each pair with its own."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tda.store.files import filesystem, join
from tda.store.layout import Layout
from tda.store.records import ShardRecord, iter_records, recorded_shards

DETAIL_LENGTH = 300

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


class Stage(StrEnum):
    """Where a pair was lost."""

    READ = "read"
    DECODE = "decode"
    ENCODE = "encode"


class Reason(StrEnum):
    """Why a pair was lost. The set is closed: counters and reports rest on these words."""

    MISSING_IMAGE = "missing_image"
    MISSING_CAPTION = "missing_caption"
    EMPTY_CAPTION = "empty_caption"
    CAPTION_NOT_UTF8 = "caption_not_utf8"
    CAPTION_TOO_LONG = "caption_too_long"
    MEMBER_TOO_LARGE = "member_too_large"
    BAD_ROW = "bad_row"  # a line that is no JSON object
    BAD_MEMBER = "bad_member"  # a link or device, or a name that is absolute, has "..", is no UTF-8, or is over-long
    DUPLICATE_KEY = "duplicate_key"  # a later pair of the same key, or two images (or captions) for one pair
    INTERLEAVED = "interleaved"  # members too far apart in the archive to be held together in memory
    IMAGE_TRUNCATED = "image_truncated"
    IMAGE_NOT_DECODABLE = "image_not_decodable"
    IMAGE_TOO_LARGE = "image_too_large"
    ENCODER_FAILED = "encoder_failed"
    NOT_FINITE = "not_finite"  # NaN or infinity in a vector
    ZERO_VECTOR = "zero_vector"  # has no direction


@dataclass(frozen=True, slots=True)
class Drop:
    """One pair that was not embedded. `ordinal` is its place among all pairs of its shard, dropped ones included."""

    ordinal: int
    key: str
    stage: Stage
    reason: Reason
    detail: str = ""


def printable(text: str, length: int = DETAIL_LENGTH) -> str:
    """Return `text` cut to `length` characters, with what UTF-8 cannot hold written as escapes."""
    return text[:length].encode("utf-8", "backslashreplace").decode()


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


def read_drops(layout: Layout, record: ShardRecord) -> pa.Table:
    """The dropped pairs of one recorded shard; raises FileNotFoundError where its file is gone."""
    if record.quarantine_file is None:
        return SCHEMA.empty_table()
    fs, path = filesystem(join(layout.quarantine_dir(record.dataset, record.encoder), record.quarantine_file))
    with fs.open(path, "rb") as file:
        return pq.read_table(file, schema=SCHEMA)


def read_quarantine(layout: Layout, dataset: str, encoder: str, shard: str | None = None) -> pa.Table:
    """Every dropped pair of the recorded shards of a data set under an encoder (or of one shard); empty where nothing was dropped."""
    shards = [name for name in recorded_shards(layout, dataset, encoder) if shard in (None, name)]
    records = iter_records(layout, dataset, encoder, shards)
    return pa.concat_tables([SCHEMA.empty_table(), *(read_drops(layout, record) for record in records if record.drops)])
