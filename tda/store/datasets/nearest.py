"""Closest reference rows of a data set on disk: one Parquet and its record a query shard, aligned with its embeddings row by row.

Legend: N rows, K matches a row.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tda.errors import ShardError, UserError
from tda.store.commit.parquet import open_mapped
from tda.store.commit.records import code_version, recorded_rows
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.views import content_hash, recorded_name
from tda.store.documents import parsed, sealed, unsealed
from tda.store.files import file_sha256, iter_many, list_files, publish, publish_json
from tda.store.paths import RootPaths
from tda.store.types import VECTORS

SCHEMA = 1
_SHARED = ("dataset", "encoder", "reference", "reference_hash", "layout_hash", "weights_sha256", "code_version")  # held once
MATCH = pa.struct([pa.field("shard", pa.string(), nullable=False), pa.field("ordinal", pa.int64()), pa.field("key", pa.string())])
TOP = pa.list_(pa.struct([pa.field("cosine", pa.float32(), nullable=False), *MATCH]))


@dataclass(frozen=True, kw_only=True)
class Matches:
    """The K closest reference rows of N queries in one modality, best first: cosine in [-1, 1] and the row's identity.

    Entries of a row beyond `count_N` have no meaning; every row has at least one match.
    """

    cosine_NK: NDArray[Any]
    shard_NK: NDArray[Any]  # str
    ordinal_NK: NDArray[Any]
    key_NK: NDArray[Any]  # str
    count_N: NDArray[Any]

    def __post_init__(self) -> None:
        shapes = {array.shape for array in (self.cosine_NK, self.shard_NK, self.ordinal_NK, self.key_NK)}
        assert shapes == {(len(self.count_N), self.k)}, f"columns of unequal shapes: {shapes}"
        assert bool((self.count_N >= 1).all()), "a row without a match"

    @property
    def k(self) -> int:
        return int(self.cosine_NK.shape[1])


@dataclass(frozen=True, kw_only=True, slots=True)
class NearestRecord:
    """The commit of one query shard. `probes` is None for an exact search; hashes identify the rows that were compared."""

    dataset: str
    encoder: str
    reference: str
    shard: str
    rows: int
    rows_sha256: str  # of the query shard's Parquet
    reference_hash: str  # of the reference's rows
    layout_hash: str  # of these rows and the cell settings
    weights_sha256: str
    probes: int | None
    k: int
    output: dict[str, Any]  # sha256, bytes of the Parquet
    attempt: int = 1
    seconds: dict[str, float] = field(default_factory=dict)
    code_version: str = field(default_factory=code_version)
    schema: int = SCHEMA

    @property
    def settings(self) -> tuple[Any, ...]:
        """The settings that all shards of one join share."""
        return self.reference_hash, self.layout_hash, self.weights_sha256, self.probes, self.k


def reference_hash(paths: RootPaths, reference: str, encoder: str) -> str:
    """SHA-256 over the recorded rows of a reference: shard names, counts and the sha256 of each Parquet. "" if nothing is recorded."""
    rows = [[shard, record.rows_out, record.sha256] for shard, record in recorded_rows(paths, reference, encoder).items()]
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest() if rows else ""


def matches_schema(k: int) -> pa.Schema:
    fields = [pa.field("ordinal", pa.int64(), nullable=False), pa.field("key", pa.string(), nullable=False)]
    for modality in VECTORS:
        fields += [pa.field(f"{modality}_cosine", pa.float32(), nullable=False), pa.field(f"{modality}_match", MATCH, nullable=False)]
    if k > 1:
        fields += [pa.field(f"{modality}_topk", TOP, nullable=False) for modality in VECTORS]
    return pa.schema(fields)


def publish_matches(
    paths: RootPaths, *, ordinal_N: Sequence[int], keys: Sequence[str], matches: Mapping[str, Matches], **record: Any
) -> NearestRecord:
    """Publish the matches of a query shard, then its record, which is returned; a repetition gives the same file.

    `ordinal_N` and `keys` are those of its embeddings, in their order; `matches` holds one `Matches` a modality; `record` the fields of
    `NearestRecord` but for rows and output. Raises UserError if the root cannot be written, ShardError if the file cannot be read back.
    """
    names = (record["dataset"], record["encoder"], record["reference"], record["shard"])
    table, output = _table(ordinal_N, keys, matches), dict[str, Any]()

    def check(path: Path) -> None:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows != len(table) or not file.schema_arrow.equals(table.schema):
                raise ShardError(record["shard"], "damaged", "the written matches do not read back")
        output.update(sha256=file_sha256(path), bytes=path.stat().st_size)

    publish(paths.nearest(*names), lambda file: pq.write_table(table, file, compression="zstd", write_page_checksum=True), check)
    made = NearestRecord(rows=len(table), output=output, **record)
    publish_json(paths.nearest_record(*names), sealed(asdict(made)))
    return made


def nearest_recorded(paths: RootPaths, dataset: str, encoder: str, reference: str) -> dict[str, NearestRecord]:
    """Every record of a join by shard, in order; raises ShardError for one that cannot be read."""
    folder = paths.nearest_records_dir(dataset, encoder, reference)
    names = list_files(folder, ".json")
    return {name.removesuffix(".json"): _parse(name, data) for name, data in zip(names, iter_many(folder, names), strict=True)}


class NearestSet:
    """The matches of every recorded embedding row of a data set, aligned with `EmbeddingSet`: by shard name, then ordinal.

    A view (`<base>-minus-<other>`) has the matches of its base, for the rows that it keeps: nothing is searched again.

    Raises UserError if there is no join, or its reference has changed; ShardError, naming the shard, if a shard's matches are
    missing, were made from other rows ("stale") or with other settings ("mixed"), or cannot be read.
    """

    def __init__(self, root: str, dataset: str, encoder: str, reference: str) -> None:
        self._view = None if recorded_name(dataset) == dataset else EmbeddingSet(root, dataset, encoder)
        dataset = recorded_name(dataset)
        self._paths, self._names = RootPaths(root), (dataset, encoder, reference)
        self._command = f"python -m jobs.nearest dataset.name={dataset} reference.name={reference} encoder.name={encoder} root={root}"
        rows = recorded_rows(self._paths, dataset, encoder)
        found = nearest_recorded(self._paths, *self._names)
        if not rows:
            raise UserError(f"root={root} holds no embeddings of dataset.name={dataset} by encoder.name={encoder}")
        if not found:
            raise UserError(f"root={root} holds no closest rows of {dataset} in {reference} by {encoder}: {self._command}")
        settings = found[next(iter(rows))].settings if next(iter(rows)) in found else None
        for shard, record in rows.items():
            if shard not in found:
                raise ShardError(shard, "missing", f"no closest rows in {reference} are recorded: {self._command}")
            if found[shard].rows_sha256 != record.sha256 or found[shard].rows != record.rows_out:
                raise ShardError(shard, "stale", f"its closest rows were found for other embeddings: {self._command}")
            if found[shard].settings != settings:
                raise ShardError(shard, "mixed", f"found with other settings than {next(iter(rows))}: {self._command}")
        self.records = {shard: found[shard] for shard in rows}
        self._require_fresh()

    def __len__(self) -> int:
        return sum(record.rows for record in self.records.values()) if self._view is None else len(self._view)

    @property
    def digest(self) -> str:
        """SHA-256 that identifies these matches of these rows."""
        rows = None if self._view is None else self._view.digest
        return content_hash([rows, [[shard, record.output["sha256"]] for shard, record in self.records.items()]])

    @property
    def shards(self) -> list[str]:
        return list(self.records)

    @property
    def k(self) -> int:
        """Matches stored a row and modality."""
        return next(iter(self.records.values())).k

    @property
    def probes(self) -> int | None:
        """Cells searched a row; None: all, so that every match is exact."""
        return next(iter(self.records.values())).probes

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Every row, in order, of `columns` (None: all): ordinal, key, <modality>_cosine, _match, and for k > 1 _topk."""
        return pa.concat_tables([self.shard_table(shard, columns) for shard in self.records])

    def shard_table(self, shard: str, columns: Sequence[str] | None = None) -> pa.Table:
        """As `table`, of one shard."""
        with self._open(shard) as file:
            table = file.read(columns=None if columns is None else list(columns))
        return table if self._view is None else table.take(pa.array(self._view.rows_in_file(self._view.shards.index(shard))))

    def cosines(self, modality: str) -> NDArray[np.float32]:
        """(N,) cosine of each row to its closest reference row, in [-1, 1]; `modality` is image or text."""
        column: NDArray[np.float32] = self.table([f"{modality}_cosine"])[0].to_numpy()
        return column

    def matches(self, modality: str) -> pa.Table:
        """The closest reference row of each row, as columns shard, ordinal, key."""
        name = f"{modality}_match"
        return pa.Table.from_struct_array(self.table([name])[name])

    def _require_fresh(self) -> None:
        dataset, encoder, reference = self._names
        now, then = reference_hash(self._paths, reference, encoder), next(iter(self.records.values())).reference_hash
        if now not in ("", then):  # a reference that was removed to save space counts as unchanged
            raise UserError(f"the rows of {reference} by {encoder} are {now[:12]}, the join of {dataset} used {then[:12]}: {self._command}")

    @contextmanager
    def _open(self, shard: str) -> Iterator[pq.ParquetFile]:
        url = self._paths.nearest(*self._names, shard)
        try:
            with open_mapped(url) as file:
                if file.metadata.num_rows != self.records[shard].rows:
                    raise ShardError(shard, "damaged", f"{file.metadata.num_rows} matches, its record has {self.records[shard].rows}")
                yield file
        except FileNotFoundError:
            raise ShardError(shard, "missing", f"{url} is recorded but not there") from None
        except (pa.ArrowInvalid, KeyError, OSError) as error:
            raise ShardError(shard, "damaged", f"{url}: {getattr(error, 'strerror', None) or error}") from None


def _table(ordinal_N: Sequence[int], keys: Sequence[str], matches: Mapping[str, Matches]) -> pa.Table:
    k = matches[VECTORS[0]].k
    columns = [pa.array(ordinal_N, pa.int64()), pa.array(keys, pa.string())]
    for modality in VECTORS:
        found = matches[modality]
        first = [pa.array(array[:, 0], kind) for array, kind in zip(_identity(found), MATCH_TYPES, strict=True)]
        columns += [pa.array(found.cosine_NK[:, 0].astype(np.float32)), pa.StructArray.from_arrays(first, fields=list(MATCH))]
    if k > 1:
        columns += [_top(matches[modality]) for modality in VECTORS]
    return pa.Table.from_arrays(columns, schema=matches_schema(k))


MATCH_TYPES = [kind.type for kind in MATCH]


def _identity(found: Matches) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return found.shard_NK, found.ordinal_NK, found.key_NK


def _top(found: Matches) -> pa.Array:
    there_NK = np.arange(found.k) < found.count_N[:, None]
    offsets = pa.array(np.concatenate([[0], np.cumsum(found.count_N)]), pa.int32())
    values = [pa.array(array[there_NK], kind) for array, kind in zip(_identity(found), MATCH_TYPES, strict=True)]
    cosines = pa.array(found.cosine_NK[there_NK].astype(np.float32))
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays([cosines, *values], fields=list(TOP.value_type)), type=TOP)


def _parse(name: str, data: bytes) -> NearestRecord:
    shard = name.removesuffix(".json")
    try:
        found = unsealed(parsed(data))
        if found.get("schema") != SCHEMA:
            raise ShardError(shard, "bad_record", f"schema {found.get('schema')}, not {SCHEMA}")
        return NearestRecord(**found | {name: sys.intern(found[name]) for name in _SHARED if type(found.get(name)) is str})
    except (ValueError, TypeError, AttributeError) as error:
        raise ShardError(shard, "bad_record", str(error)) from None
