"""Commit records: one JSON a shard, written last. Files that no record names are ignored.

The first record of a shard wins: it is created only if there is none (see `tda.store.files`). Of two drivers on one root, one commits
and the other uses the committed shard. Only a replay replaces a record, and only the one that it has read.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tda.errors import LacunaError, ShardError, UserError
from tda.progress import report_progress
from tda.store.documents import parsed, sealed, unsealed
from tda.store.files import (
    exists,
    iter_many,
    join,
    json_bytes,
    list_files,
    publish_json,
    read_bytes,
    read_json,
)
from tda.store.paths import RootPaths, check_name
from tda.store.types import printable
from tda.store.update import update_bytes

SCHEMA = 1
_ATTEMPT = re.compile(r"(\.[0-9a-f]{12})?\.parquet")  # behind the shard's name
_SHARED = ("dataset", "encoder", "weights_sha256", "config_hash", "code_version")  # the same in all records of a set: held once
IDENTITY_FILE = "_identity.json"  # beside the rows: the content that all of them have


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Everything that decides the vectors. The folder's name, a rank or a clock does not enter `config_hash`."""

    encoder: str
    weights_sha256: str
    preprocessing: dict[str, Any]
    dtype: str
    modalities: tuple[str, ...] = ("image", "text")

    @property
    def config_hash(self) -> str:
        """SHA-256 of the canonical JSON of weights, preprocessing, dtype and modalities."""
        content = {name: value for name, value in asdict(self).items() if name != "encoder"}
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def meta(self) -> dict[str, Any]:
        """The part of the Parquet schema's metadata that names the origin of the vectors."""
        return {**asdict(self), "modalities": list(self.modalities), "config_hash": self.config_hash}


@dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """The commit of one shard. Always ``rows_in == rows_out + sum(drops.values())``."""

    dataset: str
    encoder: str
    shard: str
    source: dict[str, Any]  # path, size (bytes), etag
    rows_in: int
    rows_out: int
    drops: dict[str, int]  # reason -> pairs
    output: dict[str, Any]  # sha256, bytes of the Parquet; its file name unless it is <shard>.parquet
    weights_sha256: str
    config_hash: str
    attempt: int = 1
    seconds: dict[str, float] = field(default_factory=dict)  # stage -> seconds
    speed: dict[str, Any] = field(default_factory=dict)  # pairs a second, shares of the device's time and rate, slowest stage, batch size
    code_version: str = ""
    canary: dict[str, Any] | None = None  # digest of fixed inputs' vectors, device, precision, cosine to float32 on a CPU
    quarantine: dict[str, Any] | None = None  # the same for the Parquet of the drops; None if there are none
    replaces: list[str] = field(default_factory=list)  # files of the attempt that a replay replaced; no record names them
    schema: int = SCHEMA

    @property
    def sha256(self) -> str:
        """Of the Parquet of the rows."""
        return str(self.output["sha256"])

    @property
    def file(self) -> str:
        """Name of the Parquet of the rows in its folder."""
        return str(self.output.get("file", f"{self.shard}.parquet"))

    @property
    def quarantine_file(self) -> str | None:
        """Name of the Parquet of the drops in its folder; None if nothing was dropped."""
        return str((self.quarantine or {}).get("file", f"{self.shard}.parquet")) if self.drops else None

    def __post_init__(self) -> None:
        assert self.rows_in == self.rows_out + sum(self.drops.values()), f"{self.shard}: the ledger does not close"


def code_version() -> str:
    try:
        return version("lacuna")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


def publish_record(paths: RootPaths, record: ShardRecord) -> None:
    publish_json(paths.record(record.dataset, record.encoder, record.shard), _document(record))


def create_record(paths: RootPaths, record: ShardRecord) -> ShardRecord:
    """Commit a shard unless another writer has; returns the valid record."""
    try:
        publish_json(paths.record(record.dataset, record.encoder, record.shard), _document(record), once=True)
    except FileExistsError:  # another writer's, or ours if the store's answer was lost
        return read_record(paths, record.dataset, record.encoder, record.shard)
    return record


def renew_record(paths: RootPaths, old: ShardRecord, new: ShardRecord) -> ShardRecord:
    """Replace `old` with `new` unless another writer has replaced it; returns the valid record."""

    def change(data: bytes | None) -> bytes | None:
        if data is None:
            raise ShardError(old.shard, "not_recorded", url)
        return json_bytes(_document(new)) if _parse(old.shard, data) == old else None

    url = paths.record(old.dataset, old.encoder, old.shard)
    return _parse(old.shard, update_bytes(url, change) or b"")


def _document(record: ShardRecord) -> dict[str, Any]:
    return sealed(asdict(record))


def read_record(paths: RootPaths, dataset: str, encoder: str, shard: str) -> ShardRecord:
    """Read one record; raises ShardError if it is missing or not a record of this version."""
    url = paths.record(dataset, encoder, shard)
    try:
        return _parse(shard, read_bytes(url))
    except FileNotFoundError:
        raise ShardError(shard, "not_recorded", url) from None


def _parse(shard: str, data: bytes) -> ShardRecord:
    try:
        found = unsealed(parsed(data))
        if found.get("schema") != SCHEMA:
            raise ValueError(f"schema {found.get('schema')}, not {SCHEMA}")  # noqa: TRY301 (one way out for all that is no record)
        record = ShardRecord(**found | {name: sys.intern(found[name]) for name in _SHARED if type(found.get(name)) is str})
        _require_own_files(record)
    except (ValueError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise ShardError(shard, "bad_record", printable(str(error))) from None
    return record


def _require_own_files(record: ShardRecord) -> None:
    """Raise ValueError unless every file that a record names is one of its own folder and shard: else it could mean, or remove, another."""
    shard = check_name("shard", record.shard)
    for name in (record.file, record.quarantine_file, *record.replaces):
        if name is not None and not (name.startswith(shard) and _ATTEMPT.fullmatch(name, len(shard))):
            raise ValueError(f"it names {name!r}, which is no file of shard {record.shard}")


def recorded_shards(paths: RootPaths, dataset: str, encoder: str) -> list[str]:
    """Names of the recorded shards, sorted, from one listing."""
    return [name.removesuffix(".json") for name in list_files(paths.records_dir(dataset, encoder), ".json")]


def iter_records(paths: RootPaths, dataset: str, encoder: str, shards: list[str] | None = None) -> Iterator[ShardRecord]:
    """Records in order of shard name, of all shards or of `shards`, a few at a time: those of a large root need not fit in memory."""
    shards = recorded_shards(paths, dataset, encoder) if shards is None else shards
    contents = iter_many(paths.records_dir(dataset, encoder), [f"{shard}.json" for shard in shards])
    for count, (shard, data) in enumerate(zip(shards, contents, strict=True), start=1):
        yield _parse(shard, data)
        report_progress(count, len(shards), "records")


def recorded(paths: RootPaths, dataset: str, encoder: str) -> dict[str, ShardRecord]:
    """Every record of a data set under an encoder, in order of shard name; empty if there is none."""
    shards = recorded_shards(paths, dataset, encoder)
    return dict(zip(shards, iter_records(paths, dataset, encoder, shards), strict=True))


@dataclass(frozen=True, slots=True)
class RecordedRows:
    """The rows of a recorded shard: their number and the SHA-256 of their Parquet. Of hundreds of thousands of shards all can be held."""

    rows_out: int
    sha256: str


def recorded_rows(paths: RootPaths, dataset: str, encoder: str) -> dict[str, RecordedRows]:
    """The rows of every recorded shard, in order of shard name; empty if there is none."""
    return {record.shard: RecordedRows(record.rows_out, record.sha256) for record in iter_records(paths, dataset, encoder)}


def check_identity(paths: RootPaths, dataset: str, encoder: str, identity: Identity) -> None:
    """Raise UserError, with both hashes, if this root holds other vectors under the same names."""
    shards = recorded_shards(paths, dataset, encoder)
    if shards:
        _require_same(paths, dataset, encoder, read_record(paths, dataset, encoder, shards[0]).config_hash, identity)


def claim_identity(paths: RootPaths, dataset: str, encoder: str, identity: Identity) -> None:
    """Take the folder for vectors of this content: the first publication does, every later one is held to it.

    Two commands that began on an empty folder with different weights can then not mix their shards. Raises UserError, with both hashes.
    """
    url = join(paths.embeddings_dir(dataset, encoder), IDENTITY_FILE)
    if not exists(url):
        check_identity(paths, dataset, encoder, identity)  # shards that were recorded before there were such files
        with suppress(FileExistsError):
            publish_json(url, {"config_hash": identity.config_hash}, once=True)
    try:
        found = str(read_json(url)["config_hash"])
    except (ValueError, KeyError, TypeError):
        raise LacunaError(f"{url} is damaged: remove it, and it is made again from the shards' records") from None
    _require_same(paths, dataset, encoder, found, identity)


def _require_same(paths: RootPaths, dataset: str, encoder: str, found: str, identity: Identity) -> None:
    if found != identity.config_hash:
        folder = paths.embeddings_dir(dataset, encoder)
        raise UserError(f"{folder} holds vectors of config {found}, not of {identity.config_hash}: use another encoder.name or root")
