"""The shard transaction: Parquet, then quarantine, then the record that makes both exist.

Killed at any point, it leaves either a recorded shard that is whole, or files that no reader looks at and the next attempt overwrites.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tda.store.files import publish
from tda.store.layout import Layout
from tda.store.parquet import check_file, embedding_table, write_table
from tda.store.quarantine import Drop, count_reasons, publish_quarantine
from tda.store.records import Identity, ShardRecord, code_version, publish_record
from tda.store.rows import Rows, assert_unit
from tda.store.webdata import Source


def publish_shard(
    layout: Layout,
    dataset: str,
    encoder: str,
    shard: str,
    *,
    rows: Rows,
    drops: Sequence[Drop],
    identity: Identity,
    source: Source,
    seconds: Mapping[str, float] | None = None,
    attempt: int = 1,
    canary: Mapping[str, Any] | None = None,
) -> ShardRecord:
    """Publish the rows and drops of a whole shard and return its record; doing it again gives the same files.

    `rows` and `drops` together must hold the ordinals 0..n-1, each once, and the vectors must be finite unit rows in the dtype of
    `identity` (asserted). Raises UserError where the root cannot be written, ShardError if a written file does not read back.
    """
    _assert_whole(rows, drops, identity)
    table = embedding_table(shard, rows, identity.meta())
    output: dict[str, object] = {}

    def check(path: Path) -> None:
        check_file(path, shard, table.schema, len(rows))
        with path.open("rb") as file:
            output.update(sha256=hashlib.file_digest(file, "sha256").hexdigest(), bytes=path.stat().st_size)

    publish(layout.embedding(dataset, encoder, shard), lambda file: write_table(table, file), check)
    publish_quarantine(layout.quarantine(dataset, encoder, shard), shard, drops)
    record = ShardRecord(
        dataset=dataset,
        encoder=encoder,
        shard=shard,
        source=asdict(source),
        rows_in=len(rows) + len(drops),
        rows_out=len(rows),
        drops=count_reasons(drops),
        output=output,
        weights_sha256=identity.weights_sha256,
        config_hash=identity.config_hash,
        attempt=attempt,
        seconds={stage: round(value, 6) for stage, value in (seconds or {}).items()},
        code_version=code_version(),
        canary=None if canary is None else dict(canary),
    )
    publish_record(layout, record)
    return record


def _assert_whole(rows: Rows, drops: Sequence[Drop], identity: Identity) -> None:
    assert rows.dtype == identity.dtype, f"rows are {rows.dtype}, the run's identity says {identity.dtype}"
    ordinals = sorted([*map(int, rows.ordinals), *(drop.ordinal for drop in drops)])
    assert ordinals == list(range(len(ordinals))), "every pair of a shard is a row or a drop, once"
    assert_unit(rows.image_ND)
    assert_unit(rows.text_ND)
