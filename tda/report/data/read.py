"""Files of an analysis, read whole: every byte goes into the report's digest."""

import hashlib
import io
import json
from collections.abc import Collection
from typing import Any

import numpy as np

from tda.columns import Columns
from tda.errors import UserError
from tda.store.files import read_bytes
from tda.store.tables import is_entry_of

SCHEMA = 1


def json_of(url: str, digest: Any) -> dict[str, Any]:
    """A JSON object of this version's schema. Raises UserError for anything else."""
    data = read_bytes(url)
    digest.update(data)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{url} is not JSON: {str(error) or 'it is nested too deeply'}") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        version = found.get("schema") if isinstance(found, dict) else None
        raise UserError(f"{url} has schema {version!r}; this version reads schema {SCHEMA}: run jobs.analyze again")
    return found


def columns_of(url: str, digest: Any, hashes: Collection[str] = (), entry: Any = None) -> Columns | None:
    """The columns of a Parquet file; None for a file of another analysis: its own hash is not among `hashes`, or it is not that of `entry`.

    `entry`: sha256 and bytes in the JSON beside it; None where an earlier version wrote it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = read_bytes(url)
    digest.update(url.encode() + hashlib.sha256(data).digest())
    try:
        table = pq.read_table(io.BytesIO(data))
    except pa.ArrowInvalid as error:
        raise UserError(f"{url} is no whole Parquet file ({error}); run jobs.analyze again") from None
    if entry is not None and not is_entry_of(entry, data):
        return None
    own = json.loads((table.schema.metadata or {}).get(b"lacuna", b"{}")).get("config_hash")
    if hashes and own and own not in hashes:
        return None
    return {name: np.asarray(table.column(name).to_numpy(zero_copy_only=False)) for name in table.column_names}
