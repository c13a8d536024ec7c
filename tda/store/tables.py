"""Parquet tables beside metrics.json: each holds the hash of its part of the analysis.

The JSON that a table belongs to names the table's sha256 and bytes: a table of another run is never read with its numbers.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

from tda.columns import Columns
from tda.errors import LacunaError
from tda.store.documents import entry_of
from tda.store.files import filesystem, join, publish_bytes, read_bytes

SCHEMA = 1
META_KEY = b"lacuna"


def publish_table(url: str, columns: Columns, config_hash: str, **meta: Any) -> dict[str, Any]:
    """Publish columns of equal length; `meta` joins the hash in the file's metadata. Returns the file's sha256 and bytes."""
    data = _bytes(columns, config_hash, **meta)
    publish_bytes(url, data)
    return entry_of(data)


def publish_by_content(folder: str, stem: str, columns: Columns, config_hash: str) -> dict[str, Any]:
    """As `publish_table`, under a name with the first digits of its sha256, so that no writer replaces the table of another.

    Returns the file's entry under its name.
    """
    data = _bytes(columns, config_hash)
    entry = entry_of(data)
    name = f"{stem}.{entry['sha256'][:12]}.parquet"
    publish_bytes(join(folder, name), data)
    return {name: entry}


def _bytes(columns: Columns, config_hash: str, **meta: Any) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    reported = {META_KEY: json.dumps({"schema": SCHEMA, "config_hash": config_hash, **meta})}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(reported), buffer, write_page_checksum=True)
    return buffer.getvalue()


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
    except (OSError, pa.ArrowInvalid, TypeError, KeyError, ValueError):
        return {}
    return found


def table_hash(url: str) -> str | None:
    """The hash in a table's metadata; None if the table is missing or incomplete."""
    return table_meta(url).get("config_hash")


def read_table(url: str, entry: Any = None) -> Columns:
    """The columns of a table as arrays. Raises LacunaError where the file is not that of `entry`: another run has replaced it."""
    import pyarrow.parquet as pq

    data = read_bytes(url)
    if entry is not None and not is_entry_of(entry, data):
        raise LacunaError(f"{url} was replaced by another run, or damaged, since its numbers were published: run again")
    table = pq.read_table(io.BytesIO(data), page_checksum_verification=True)
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
