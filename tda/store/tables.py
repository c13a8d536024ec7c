"""Parquet tables beside metrics.json: each holds the hash of its part of the analysis.

The JSON that a table belongs to names the table's sha256 and bytes: a table of another run is never read with its numbers.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tda.columns import Columns
from tda.store.files import file_sha256, filesystem, publish, read_bytes

SCHEMA = 1
META_KEY = b"lacuna"


def publish_table(url: str, columns: Columns, config_hash: str, **meta: Any) -> dict[str, Any]:
    """Publish columns of equal length; `meta` joins the hash in the file's metadata. Returns the file's sha256 and bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    reported = {META_KEY: json.dumps({"schema": SCHEMA, "config_hash": config_hash, **meta})}
    table = pa.table(columns).replace_schema_metadata(reported)
    entry: dict[str, Any] = {}

    def check(path: Path) -> None:
        entry.update(sha256=file_sha256(path), bytes=path.stat().st_size)

    publish(url, lambda file: pq.write_table(table, file, write_page_checksum=True), check)
    return entry


def is_entry_of(entry: Any, data: bytes) -> bool:
    """Whether `entry`, as `publish_table` returned it, is of a file of this content."""
    return isinstance(entry, Mapping) and entry.get("bytes") == len(data) and entry.get("sha256") == hashlib.sha256(data).hexdigest()


def belongs(url: str, config_hash: str, entry: Any = None) -> bool:
    """Whether a table is there, whole, and of this hash; of the very bytes of `entry`, where the JSON beside it has one."""
    if table_hash(url) != config_hash:
        return False
    try:
        return entry is None or is_entry_of(entry, read_bytes(url))
    except FileNotFoundError:  # removed a moment ago
        return False


def table_meta(url: str) -> dict[str, Any]:
    """The metadata of a table; empty if the table is missing or incomplete."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as file:
            found: dict[str, Any] = json.loads(pq.read_schema(file).metadata[META_KEY])
    except (OSError, pa.ArrowInvalid, TypeError, KeyError):
        return {}
    return found


def table_hash(url: str) -> str | None:
    """The hash in a table's metadata; None if the table is missing or incomplete."""
    return table_meta(url).get("config_hash")


def read_table(url: str) -> Columns:
    """The columns of a table as arrays."""
    import pyarrow.parquet as pq

    fs, path = filesystem(url)
    with fs.open(path, "rb") as file:
        table = pq.read_table(file, page_checksum_verification=True)
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
