"""Rows of a shard for other tools: clip-retrieval's folders, Parquet with list columns, DataComp's arrays of uids.

N rows, D dimensions.
"""

import re
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tda.errors import UserError
from tda.store.export.records import Export, entry_of
from tda.store.files import join, publish
from tda.store.types import VECTORS, printable

HEX = re.compile(r"[0-9a-fA-F]{32}")
UID = np.dtype("u8,u8")  # the two halves of 32 hexadecimal digits
SIDE = ("key", "caption", "url", "width", "height")


def export_clip_retrieval(export: Export, shard: str, number: int, table: pa.Table) -> int:
    """img_emb/, text_emb/ and metadata/, partition `number`; vectors in the stored dtype."""
    files: dict[str, dict[str, Any]] = {}
    for column, folder in zip(VECTORS, ("img_emb", "text_emb"), strict=True):
        _publish(export, files, f"{folder}/{folder}_{number}.npy", partial(np.save, arr=_matrix(table, column)))
    side = table.select([name for name in SIDE if name in table.column_names]).rename_columns(
        ["image_path" if name == "key" else name for name in SIDE if name in table.column_names]
    )
    _publish(export, files, f"metadata/metadata_{number}.parquet", partial(pq.write_table, side))
    return export.commit(shard, len(table), files)


def export_parquet(export: Export, shard: str, table: pa.Table) -> int:
    """<shard>.parquet with `image` and `text` as lists of float32, which every reader of Parquet knows."""
    for name in VECTORS:
        lists = pa.FixedSizeListArray.from_arrays(pa.array(_matrix(table, name).astype(np.float32).ravel()), _dim(table, name))
        table = table.set_column(table.column_names.index(name), name, lists.cast(pa.list_(pa.float32())))
    files: dict[str, dict[str, Any]] = {}
    _publish(export, files, f"{shard}.parquet", partial(pq.write_table, table.replace_schema_metadata(None)))
    return export.commit(shard, len(table), files)


def uids_of(keys: list[str]) -> NDArray[Any]:
    """(N,) `u8,u8` of keys that are 32 hexadecimal digits, as DataComp's uids are. Raises UserError for another key."""
    found = np.empty(len(keys), dtype=UID)
    for at, key in enumerate(keys):
        if not HEX.fullmatch(key):
            raise UserError(f"format=uids needs keys of 32 hexadecimal digits, as DataComp's uids are; one is {printable(key)!r}")
        found[at] = (int(key[:16], 16), int(key[16:], 16))
    return found


def _dim(table: pa.Table, column: str) -> int:
    return int(table.schema.field(column).type.list_size)


def _matrix(table: pa.Table, column: str) -> NDArray[Any]:
    """(N, D) of a column of fixed-size lists."""
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in table[column].chunks]
    kind = table.schema.field(column).type.value_type.to_pandas_dtype()
    return np.concatenate([np.empty(0, kind), *parts]).reshape(len(table), _dim(table, column))


def _publish(export: Export, files: dict[str, dict[str, Any]], name: str, write: Any) -> None:
    files[name] = {}
    publish(join(export.to, name), write, lambda path: files[name].update(entry_of(path)))
