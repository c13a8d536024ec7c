"""Parquet files as an analysis writes them."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def write(path: Path, columns: Mapping[str, Any]) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), buffer)
    path.write_bytes(buffer.getvalue())
