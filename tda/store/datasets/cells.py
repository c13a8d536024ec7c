"""A reference on disk, grouped by cell, so that a worker reads whole cells.

Under `RootPaths.cells_dir`, for each modality: `coarse.parquet` (centroids of k-means and the group of each), `<group>.parquet`
(distinct rows by cell, vectors as fixed_size_binary), `<group>.repeats.parquet` (rows equal to one of them), `<group>.cells.parquet`
(centroid and bounds of every cell), `_records/<group>.json` (the group's commit). `layout.json`, written last, commits the whole.

Legend: M rows, U distinct rows, D dimensions, C cells.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tda.columns import Columns
from tda.errors import LacunaError
from tda.store.commit.parquet import from_binary, is_damage, to_binary
from tda.store.documents import document_if_whole, sealed
from tda.store.files import file_sha256, filesystem, join, publish, publish_json
from tda.store.paths import NAME, RootPaths

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class CellPlan:
    """What decides the groups of cells: the reference's rows and the cell settings. `content` is the hash of both."""

    root: str
    reference: str
    encoder: str
    reference_hash: str
    shards: tuple[tuple[str, int], ...]  # name, rows
    dim: int
    dtype: str
    cells: int
    bound: int  # rows of a cell
    group_rows: int
    seed: int

    @property
    def rows(self) -> int:
        return sum(rows for _, rows in self.shards)

    @property
    def content(self) -> str:
        how = [SCHEMA, self.reference_hash, self.cells, self.bound, self.group_rows, self.seed]
        return hashlib.sha256(json.dumps(how).encode()).hexdigest()

    @property
    def folder(self) -> str:
        return RootPaths(self.root).cells_dir(self.reference, self.encoder, self.content[:32])

    def url(self, *parts: str) -> str:
        return join(self.folder, *parts)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Cells that are read and held together: `rows` distinct rows and `repeats` that equal one of them, in `cells` cells."""

    modality: str
    name: str
    rows: int
    repeats: int
    cells: int

    @property
    def url(self) -> str:
        return f"{self.modality}/{self.name}"


def write_columns(url: str, columns: Mapping[str, Any], row_groups: Sequence[int] | None = None) -> dict[str, Any]:
    """Publish columns as Parquet; two-dimensional ones as fixed_size_binary. Returns the file's sha256 and bytes.

    `row_groups`: rows of each row group, none of them 0. Every page has a checksum: a flipped bit gives no wrong cosine.
    """
    arrays = {name: to_binary(x) if getattr(x, "ndim", 1) == 2 else pa.array(x) for name, x in columns.items()}
    vectors = {name: {"dim": str(x.shape[1]), "dtype": str(x.dtype)} for name, x in columns.items() if getattr(x, "ndim", 1) == 2}
    table = pa.table(arrays).replace_schema_metadata({"vectors": json.dumps(vectors)})
    codecs = {name: "none" if name in vectors else "zstd" for name in arrays}

    def write(file: BinaryIO) -> None:
        with pq.ParquetWriter(file, table.schema, compression=codecs, use_dictionary=False, write_page_checksum=True) as writer:
            start = 0
            for rows in row_groups if row_groups is not None else [len(table)]:
                writer.write_table(table.slice(start, rows), row_group_size=max(rows, 1))
                start += rows

    entry: dict[str, Any] = {}
    publish(url, write, lambda path: entry.update(sha256=file_sha256(path), bytes=path.stat().st_size))
    return entry


def read_columns(url: str, row_group: int | None = None) -> Columns:
    """The columns that `write_columns` wrote, or one row group. Raises LacunaError, naming the file, if it is missing or damaged."""
    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as stream, pq.ParquetFile(stream, page_checksum_verification=True) as file:
            table = file.read(use_threads=False) if row_group is None else file.read_row_group(row_group, use_threads=False)
            vectors = json.loads(file.schema_arrow.metadata[b"vectors"])
    except FileNotFoundError:
        raise LacunaError(f"{url} is missing: remove {url.rpartition('/nearest/')[0]}/nearest/_layouts and run again") from None
    except (pa.ArrowInvalid, OSError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and not is_damage(error):
            raise
        raise LacunaError(f"{url} is damaged ({str(error).splitlines()[0]}): remove its layout and run again") from None
    return {name: _column(table[name], vectors.get(name)) for name in table.column_names}


def _column(column: pa.ChunkedArray, vector: dict[str, str] | None) -> NDArray[Any]:
    if vector is None:
        values: NDArray[Any] = column.to_numpy()
        return values
    dim = int(vector["dim"])
    parts = [from_binary(chunk, dim, vector["dtype"]) for chunk in column.chunks]
    return np.concatenate(parts) if parts else np.empty((0, dim), dtype=vector["dtype"])


def publish_group(
    plan: CellPlan, group: Group, *, rows: Mapping[str, Any], repeats: Mapping[str, Any], bounds: NDArray[Any], centroids_CD: NDArray[Any]
) -> None:
    """Publish a group's files, then its record.

    `rows`: position, ordinal, key and vector of distinct rows by cell; `repeats`: position, ordinal, key, and `first`, the index
    in `rows` of the equal row.
    """
    parts: dict[str, Mapping[str, Any]] = {"": rows, ".repeats": repeats, ".cells": {"rows": np.diff(bounds), "centroid": centroids_CD}}
    files = {
        f"{group.name}{part}.parquet": write_columns(plan.url(f"{group.url}{part}.parquet"), content) for part, content in parts.items()
    }
    publish_json(_group_record(plan, group.modality, group.name), sealed({**asdict(group), "files": files}))


def read_group_record(plan: CellPlan, modality: str, name: str) -> Group | None:
    """The record of a group; None if it is not done, or its record is damaged."""
    return _group(document_if_whole(_group_record(plan, modality, name)))


def _group(found: Mapping[str, Any]) -> Group | None:
    names = [field.name for field in fields(Group)]
    if not all(name in found for name in names) or not all(NAME.fullmatch(str(found[name])) for name in ("modality", "name")):
        return None
    return Group(**{name: found[name] for name in names})


def _group_record(plan: CellPlan, modality: str, name: str) -> str:
    return plan.url(modality, "_records", f"{name}.json")


def publish_layout(plan: CellPlan, groups: Sequence[Group]) -> None:
    """Commit the groups, once every group is recorded."""
    whole = {"schema": SCHEMA, **asdict(plan), "root": "", "groups": [asdict(group) for group in groups]}
    publish_json(plan.url("layout.json"), sealed(whole))


def read_layout(plan: CellPlan) -> list[Group] | None:
    """Committed groups in order; None if they are not committed."""
    listed = document_if_whole(plan.url("layout.json")).get("groups")
    groups = [_group(one) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [group for group in groups if group] if groups and None not in groups else None
