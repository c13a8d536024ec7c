"""The shard transaction: Parquet, then quarantine, then the record that makes both exist.

If it is killed at any point, the shard is either recorded and complete, or has files without a record, which the next attempt removes.

Two drivers may work on one root, and on one shard. The content under a name never changes: if <shard>.parquet exists, from another driver
or a killed attempt, it is used if its bytes are the same; else ours is named <shard>.<12 digits of its sha256>.parquet. The first record
wins and names its files; the other driver removes its own. So files of two attempts are never mixed, whatever their order.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tda.store.commit.parquet import check_file, embedding_table, write_table
from tda.store.commit.quarantine import count_reasons, write_drops
from tda.store.commit.records import Identity, ShardRecord, claim_identity, code_version, create_record, renew_record
from tda.store.commit.rows import Rows, assert_unit
from tda.store.commit.versions import publish_version, tidy
from tda.store.paths import RootPaths
from tda.store.types import Drop, Source


def publish_shard(
    paths: RootPaths,
    dataset: str,
    encoder: str,
    shard: str,
    *,
    rows: Rows,
    drops: Sequence[Drop],
    identity: Identity,
    source: Source,
    seconds: Mapping[str, float] | None = None,
    speed: Mapping[str, Any] | None = None,
    attempt: int = 1,
    canary: Mapping[str, Any] | None = None,
    replaces: ShardRecord | None = None,
) -> ShardRecord:
    """Publish the rows and drops of a whole shard. Returns the valid record: this one, or that of a faster attempt.

    `rows` and `drops` together are whole (`_assert_whole`). `seconds` by stage and `speed` are kept in the record, with those of writing.
    `replaces` is the record of the earlier attempt that this one replaces. Raises UserError if the root cannot be written, ShardError if a
    written file cannot be read back.
    """
    began = time.perf_counter()
    _assert_whole(rows, drops, identity)
    claim_identity(paths, dataset, encoder, identity)
    plain, folders = replaces is None, (paths.embeddings_dir(dataset, encoder), paths.quarantine_dir(dataset, encoder))
    record = ShardRecord(
        dataset=dataset,
        encoder=encoder,
        shard=shard,
        source=source.recorded(),
        **_counts(rows, drops),
        output=_publish_rows(folders[0], shard, rows, identity, plain=plain),
        quarantine=_publish_drops(folders[1], shard, drops, plain=plain),
        **_made_by(identity, speed, canary),
        attempt=attempt,
        seconds=_rounded({**seconds, "write": time.perf_counter() - began} if seconds else {}),
        replaces=[] if replaces is None else sorted({name for name in (replaces.file, replaces.quarantine_file) if name}),
    )
    return _standing(paths, folders, record, replaces)


def _counts(rows: Rows, drops: Sequence[Drop]) -> dict[str, Any]:
    return {"rows_in": len(rows) + len(drops), "rows_out": len(rows), "drops": count_reasons(drops)}


def _made_by(identity: Identity, speed: Mapping[str, Any] | None, canary: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the rows are of, and how they were computed."""
    of = {"weights_sha256": identity.weights_sha256, "config_hash": identity.config_hash, "code_version": code_version()}
    return {**of, "speed": dict(speed or {}), "canary": None if canary is None else dict(canary)}


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {stage: round(value, 6) for stage, value in seconds.items()}


def _standing(paths: RootPaths, folders: tuple[str, str], record: ShardRecord, replaces: ShardRecord | None) -> ShardRecord:
    """The record that stands once this one was offered; files that it does not name, of this attempt or the one before, are removed."""
    standing = create_record(paths, record) if replaces is None else renew_record(paths, replaces, record)
    before = replaces or record
    tidy(folders[0], record.shard, standing.file, record.file, before.file)
    tidy(folders[1], record.shard, standing.quarantine_file, record.quarantine_file, before.quarantine_file)
    return standing


def _publish_rows(folder: str, shard: str, rows: Rows, identity: Identity, *, plain: bool) -> dict[str, Any]:
    table = embedding_table(shard, rows, identity.meta())

    def check(path: Path) -> None:
        check_file(path, shard, table.schema, len(rows))

    return publish_version(folder, shard, lambda file: write_table(table, file), check, plain=plain)


def _publish_drops(folder: str, shard: str, drops: Sequence[Drop], *, plain: bool) -> dict[str, Any] | None:
    return publish_version(folder, shard, lambda file: write_drops(shard, drops, file), plain=plain) if drops else None


def _assert_whole(rows: Rows, drops: Sequence[Drop], identity: Identity) -> None:
    """The ordinals 0 .. n-1, each once as a row or a drop; vectors are finite unit rows in the dtype of `identity`."""
    assert rows.dtype == identity.dtype, f"rows are {rows.dtype}, the run's identity has {identity.dtype}"
    ordinals = sorted([*map(int, rows.ordinals), *(drop.ordinal for drop in drops)])
    assert ordinals == list(range(len(ordinals))), "every pair of a shard is a row or a drop, once"
    assert_unit(rows.image_ND)
    assert_unit(rows.text_ND)
