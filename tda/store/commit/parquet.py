"""The embedding table: one row a pair; vectors are fixed_size_binary, which reads many times faster than a list column.

Legend: N rows, D dimensions.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tda.errors import ShardError, UserError
from tda.store.commit.rows import Rows
from tda.store.files import filesystem, is_local
from tda.store.remote.local import require_plain
from tda.store.types import VECTORS

META_KEY = b"lacuna"
ROW_GROUP = 16_384  # rows; the least that a slice reads
BATCH = 4096  # rows decoded at once: their buffer fits the cache
DTYPES = ("float16", "float32")


def embedding_schema(dim: int, dtype: str, meta: dict[str, Any]) -> pa.Schema:
    """The table's schema; `meta` joins dim, dtype and normalised as JSON under the key ``lacuna``."""
    vector = pa.binary(np.dtype(dtype).itemsize * dim)
    fields = [
        pa.field("shard", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("ordinal", pa.int64(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("image", vector, nullable=False),
        pa.field("text", vector, nullable=False),
    ]
    whole = {"dim": dim, "dtype": dtype, "normalised": True, **meta}
    return pa.schema(fields, metadata={META_KEY: json.dumps(whole, sort_keys=True).encode()})


def read_meta(schema: pa.Schema) -> dict[str, Any]:
    """The vectors' metadata from the schema: dim, dtype, normalised, encoder, weights_sha256, preprocessing, config_hash, modalities."""
    return dict(json.loads((schema.metadata or {})[META_KEY]))


def embedding_table(shard: str, rows: Rows, meta: dict[str, Any]) -> pa.Table:
    """Columns to a table in order of ordinal; vectors that are already in order are not copied."""
    ordinal_N = np.asarray(rows.ordinals, dtype=np.int64)
    order_N = np.argsort(ordinal_N, kind="stable")
    if not bool((order_N == np.arange(len(order_N))).all()):
        rows = _reorder(rows, order_N)
    arrays = [
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(rows), np.int32)), pa.array([shard])),
        pa.array(ordinal_N[order_N]),
        pa.array(rows.keys, pa.string()),
        pa.array(rows.captions, pa.string()),
        pa.array(rows.urls, pa.string()),
        pa.array(rows.widths, pa.int32()),
        pa.array(rows.heights, pa.int32()),
        to_binary(rows.image_ND),
        to_binary(rows.text_ND),
    ]
    return pa.Table.from_arrays(arrays, schema=embedding_schema(rows.dim, rows.dtype, meta))


def _reorder(rows: Rows, order_N: NDArray[Any]) -> Rows:
    lists = {name: [getattr(rows, name)[i] for i in order_N] for name in ("ordinals", "keys", "captions", "urls", "widths", "heights")}
    return Rows(image_ND=rows.image_ND[order_N], text_ND=rows.text_ND[order_N], **lists)


def write_table(table: pa.Table, file: BinaryIO) -> None:
    """Write vectors uncompressed (they do not shrink) and everything else with zstd."""
    others = [name for name in table.column_names if name not in VECTORS]
    codecs = dict.fromkeys(others, "zstd") | dict.fromkeys(VECTORS, "none")
    pq.write_table(
        table,
        file,
        row_group_size=ROW_GROUP,
        compression=codecs,
        use_dictionary=["shard"],
        write_statistics=["shard", "ordinal"],
        store_schema=True,
    )


def check_file(path: Path, shard: str, schema: pa.Schema, rows: int) -> None:
    """Reopen a finished file; raises ShardError unless it has this schema, metadata included, and this number of rows."""
    try:
        with pq.ParquetFile(path) as file:
            found, n = file.schema_arrow, file.metadata.num_rows
    except pa.ArrowInvalid as error:
        raise ShardError(shard, "damaged", f"the written file does not open: {error}") from None
    if n != rows or not found.equals(schema) or read_meta(found) != read_meta(schema):
        raise ShardError(shard, "damaged", f"the written file has {n} rows of {rows}, or another schema")


def iter_rows(file: pq.ParquetFile, columns: list[str], start: int, stop: int) -> Iterator[pa.RecordBatch]:
    """Rows start..stop-1 of `columns` in small batches; only the row groups that hold them are read."""
    counts = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    ends = list(accumulate(counts))
    groups = [i for i, end in enumerate(ends) if end > start and end - counts[i] < stop]
    at = ends[groups[0]] - counts[groups[0]] if groups else 0
    for batch in file.iter_batches(BATCH, row_groups=groups, columns=columns, use_threads=False):
        first, last = max(start - at, 0), min(stop - at, len(batch))
        at += len(batch)
        if first < last:
            yield batch.slice(first, last - first)


def iter_chosen(file: pq.ParquetFile, columns: list[str], row_K: NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
    """The rows at ascending places `row_K` of `columns` in small batches; row groups before the first and after the last are not read."""
    at = int(row_K[0]) if len(row_K) else 0
    for batch in iter_rows(file, columns, at, int(row_K[-1]) + 1 if len(row_K) else 0):
        first, last = np.searchsorted(row_K, (at, at + len(batch)))
        if first < last:
            yield batch.take(pa.array(row_K[first:last] - at))
        at += len(batch)


def to_binary(x_ND: NDArray[Any]) -> pa.Array:
    """(N, D) to a fixed_size_binary array, little-endian, without a copy if the rows are contiguous."""
    if str(x_ND.dtype) not in DTYPES:
        raise UserError(f"dtype={x_ND.dtype} cannot be stored; choose one of: {', '.join(DTYPES)}")
    little_ND = np.ascontiguousarray(x_ND, dtype=x_ND.dtype.newbyteorder("<"))
    width = little_ND.dtype.itemsize * little_ND.shape[1]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(little_ND), [None, pa.py_buffer(little_ND)])


def from_binary(array: pa.Array, dim: int, dtype: str) -> NDArray[Any]:
    """A fixed_size_binary array as a read-only (N, D) view on its memory."""
    flat = np.frombuffer(array.buffers()[1], dtype=np.dtype(dtype).newbyteorder("<"))
    return flat[array.offset * dim : (array.offset + len(array)) * dim].reshape(len(array), dim)


def to_list(array: pa.Array, dim: int, dtype: str) -> pa.Array:
    """A fixed_size_binary array as FixedSizeList on the same memory, for other tools."""
    value = pa.from_numpy_dtype(np.dtype(dtype))
    values = pa.Array.from_buffers(value, (array.offset + len(array)) * dim, [None, array.buffers()[1]])
    return pa.FixedSizeListArray.from_arrays(values[array.offset * dim :], dim)


def is_damage(error: BaseException) -> bool:
    """Whether a file is missing or damaged, by its checksums too, rather than hard to reach."""
    return isinstance(error, FileNotFoundError | pa.ArrowInvalid) or "page integrity" in str(error)


@contextmanager
def open_mapped(url: str) -> Iterator[pq.ParquetFile]:
    """A Parquet by memory map where it is local, else by ranges. Raises OSError, and pa.ArrowInvalid where it is none."""
    fs, path = filesystem(url)
    if is_local(fs):
        require_plain(path)
    source = pa.memory_map(path) if is_local(fs) else fs.open(path, "rb")
    with source, pq.ParquetFile(source, pre_buffer=not is_local(fs), page_checksum_verification=True) as file:
        yield file
