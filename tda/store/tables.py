"""Parquet tables beside metrics.json: each holds the hash of its part of the analysis."""

import json
from typing import Any

from tda.columns import Columns
from tda.store.files import filesystem, publish

SCHEMA = 1
META_KEY = b"lacuna"


def publish_table(url: str, columns: Columns, config_hash: str, **meta: Any) -> None:
    """Publish columns of equal length; `meta` joins the hash in the file's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    reported = {META_KEY: json.dumps({"schema": SCHEMA, "config_hash": config_hash, **meta})}
    table = pa.table(columns).replace_schema_metadata(reported)
    publish(url, lambda file: pq.write_table(table, file))


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
        table = pq.read_table(file)
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
