"""Recorded embeddings of one data set under one encoder, as arrays.

Legend: N rows, D dimensions, B rows of a batch.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tda.errors import ShardError, UserError
from tda.progress import report_progress
from tda.store.commit.parquet import from_binary, iter_chosen, iter_rows, open_mapped, read_meta, to_list
from tda.store.commit.records import ShardRecord, iter_records, recorded_shards
from tda.store.datasets.selections import ChosenRows, Selection, selection_of
from tda.store.datasets.views import KeptRows, View, content_hash, view_of
from tda.store.files import join, list_files
from tda.store.paths import RootPaths
from tda.store.types import VECTORS


@dataclass(frozen=True, slots=True)
class Block:
    """Rows `start` .. `start + B - 1` of a set: `image_ND` and `text_ND`, each (B, D) in the stored dtype."""

    start: int
    image_ND: NDArray[Any]
    text_ND: NDArray[Any]


class EmbeddingSet:
    """The recorded rows in order of shard name, then ordinal. Vectors are unit rows in the stored dtype.

    A name of the form `<base>-minus-<reference>` is the rows of `base` that `jobs.dedupe` kept, `<base>-only-<digits>` those that a user
    chose by `dataset.keep`; they are read in place.
    `content` (plain values) and its SHA-256 `digest` identify the set of rows.

    Raises UserError if no shard is recorded or a view is not made or stale, ShardError (naming the shard) if files and records
    disagree: a missing Parquet at once, another count of rows, dimension or dtype when the shard is read.
    """

    def __init__(self, root: str, dataset: str, encoder: str) -> None:
        self._paths = RootPaths(root)
        view, selection = view_of(dataset), selection_of(dataset)
        if (view or selection) and not recorded_shards(self._paths, dataset, encoder):
            base = EmbeddingSet(root, (view or selection).base, encoder)  # type: ignore[union-attr]
            self._choose(base, base._kept_by(view, encoder) if view else base._chosen_by(root, selection))  # type: ignore[arg-type]
            return
        self._names = (dataset, encoder)
        self._kept: KeptRows | ChosenRows | None = None
        self.shards: list[str] = []
        self.rows_per_shard: list[int] = []
        self._files: list[str] = []
        self.content: list[Any] = []
        self._take(iter_records(self._paths, dataset, encoder))
        if not self.shards:
            raise UserError(f"root={root} holds no embeddings of dataset.name={dataset} by encoder.name={encoder}")
        self._rows_in_files = self.rows_per_shard
        self._begin = [0, *accumulate(self.rows_per_shard)]
        with self._open(0) as file:
            self.meta: dict[str, Any] = read_meta(file.schema_arrow)

    def _take(self, records: Iterator[ShardRecord]) -> None:
        """Keep the fields of every record that reading needs."""
        folder = self._paths.embeddings_dir(*self._names)
        present, config_hash = set(list_files(folder, ".parquet")), None
        for record in records:
            config_hash = config_hash or record.config_hash
            if record.file not in present:
                raise ShardError(record.shard, "missing", f"{join(folder, record.file)} is recorded but not there")
            if record.config_hash != config_hash:
                raise ShardError(record.shard, "mixed", f"config {record.config_hash}, {self.shards[0]} has {config_hash}")
            self.shards.append(record.shard)
            self.rows_per_shard.append(record.rows_out)
            self._files.append(record.file)
            self.content.append([record.shard, config_hash, record.rows_out, record.output.get("sha256")])

    def _kept_by(self, view: View, encoder: str) -> KeptRows:
        """The rows of this set that a view of it keeps."""
        return KeptRows(self._paths, view, encoder, self.digest, self.shards)

    def _chosen_by(self, root: str, selection: Selection) -> ChosenRows:
        """The rows of this set that a selection of it names."""
        return ChosenRows(root, selection, self.shards, lambda index: (self.ordinals(index), self.rows_in_file(index)))

    def _choose(self, base: "EmbeddingSet", kept: KeptRows | ChosenRows) -> None:
        """Select the kept rows of `base`, in the same files: nothing is copied."""
        self._names, self._rows_in_files = base._names, base._rows_in_files  # noqa: SLF001 (of this class)
        self.shards, self.meta, self._files = base.shards, base.meta, base._files  # noqa: SLF001
        self._kept = kept
        self.content = [*base.content, ["kept", kept.content]]
        self.rows_per_shard = kept.counts
        self._begin = [0, *accumulate(self.rows_per_shard)]

    def __len__(self) -> int:
        return self._begin[-1]

    @property
    def digest(self) -> str:
        return content_hash(self.content)

    @property
    def dim(self) -> int:
        return int(self.meta["dim"])

    @property
    def dtype(self) -> str:
        """Name of the stored dtype: float16 or float32."""
        return str(self.meta["dtype"])

    def image(self, rows: slice | None = None) -> NDArray[Any]:
        """(N, D) image rows; `rows` are positions in the whole set, across shards, and only their row groups are read."""
        return self._vectors("image", rows)

    def text(self, rows: slice | None = None) -> NDArray[Any]:
        """(N, D) text rows, as `image`."""
        return self._vectors("text", rows)

    def blocks(self, rows: int) -> Iterator[Block]:
        """Both modalities in blocks of `rows` rows (the last may be shorter), every row group read once."""
        start = filled = 0
        image_ND, text_ND = self._empty(min(rows, len(self))), self._empty(min(rows, len(self)))
        for image_BD, text_BD in self._batches(VECTORS, 0, len(self)):
            taken = 0
            while taken < len(image_BD):
                n = min(len(image_ND) - filled, len(image_BD) - taken)
                image_ND[filled : filled + n] = image_BD[taken : taken + n]
                text_ND[filled : filled + n] = text_BD[taken : taken + n]
                filled, taken = filled + n, taken + n
                if filled == len(image_ND):
                    yield Block(start, image_ND, text_ND)
                    start, filled = start + filled, 0
                    image_ND, text_ND = self._empty(min(rows, len(self) - start)), self._empty(min(rows, len(self) - start))

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Every row as an Arrow table; `image` and `text` are FixedSizeList on the memory that was read, not copied."""
        return pa.concat_tables(self.tables(columns))

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The same shard by shard, one at a time in memory."""
        for index in range(len(self.shards)):
            with self._open(index) as file:
                table = file.read(columns=None if columns is None else list(columns))
                yield self._with_lists(table if self._kept is None else table.take(pa.array(self._kept.rows(index))))
            report_progress(index + 1, len(self.shards), "shards read")

    def shard_table(self, index: int) -> pa.Table:
        """The rows of shard `index`, as in `table`."""
        with self._open(index) as file:
            table = file.read()
            return self._with_lists(table if self._kept is None else table.take(pa.array(self._kept.rows(index))))

    def rows_in_file(self, index: int) -> NDArray[np.int64]:
        """Index of each row of shard `index` in the shard's Parquet, ascending."""
        return np.arange(self._rows_in_files[index]) if self._kept is None else self._kept.rows(index)

    def ordinals(self, index: int) -> NDArray[np.int64]:
        """(K,) ordinals of the rows of shard `index`, ascending."""
        with self._open(index) as file:
            ordinal_N: NDArray[np.int64] = file.read(columns=["ordinal"])["ordinal"].to_numpy()
        return ordinal_N if self._kept is None else ordinal_N[self._kept.rows(index)]

    def picked(self, index: int, places: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """The rows at ascending indices of shard `index`, as in `table`; row groups outside their span are not read."""
        row_K = self.rows_in_file(index)[list(places)]
        with self._open(index) as file:
            batches = list(iter_chosen(file, list(columns), row_K))
            schema = pa.schema([file.schema_arrow.field(name) for name in columns])
            return self._with_lists(pa.Table.from_batches(batches, schema))

    def records(self, shards: Sequence[str]) -> dict[str, ShardRecord]:
        """The records of the named shards."""
        return {record.shard: record for record in iter_records(self._paths, *self._names, sorted(shards))}

    def captions(self) -> list[str]:
        """Every caption, in row order."""
        return [str(caption) for caption in self.table(["caption"])["caption"].to_pylist()]

    def _vectors(self, column: str, rows: slice | None) -> NDArray[Any]:
        start, stop, step = (rows or slice(None)).indices(len(self))
        if step != 1:
            raise ValueError(f"rows={rows} has a step; rows are read as one run")
        out_ND = self._empty(max(0, stop - start))
        filled = 0
        for (block_BD,) in self._batches((column,), start, stop):
            out_ND[filled : filled + len(block_BD)] = block_BD
            filled += len(block_BD)
        return out_ND

    def _empty(self, rows: int) -> NDArray[Any]:
        return np.empty((rows, self.dim), dtype=self.dtype)

    def _batches(self, columns: Sequence[str], start: int, stop: int) -> Iterator[list[NDArray[Any]]]:
        """Views of rows start..stop-1, batch by batch, of each of `columns`; a view is valid only until the next batch."""
        first, last = bisect_right(self._begin, start) - 1, bisect_left(self._begin, stop)
        for index, begin in enumerate(self._begin[first:last], start=first):
            low, high = max(start - begin, 0), min(stop - begin, self.rows_per_shard[index])
            if low < high:
                with self._open(index) as file:
                    for batch in self._rows(file, index, list(columns), low, high):
                        yield [from_binary(batch.column(name), self.dim, self.dtype) for name in columns]

    def _rows(self, file: pq.ParquetFile, index: int, columns: list[str], low: int, high: int) -> Iterator[pa.RecordBatch]:
        if self._kept is None:
            return iter_rows(file, columns, low, high)
        return iter_chosen(file, columns, self._kept.rows(index)[low:high])

    @contextmanager
    def _open(self, index: int) -> Iterator[pq.ParquetFile]:
        """Open a shard's Parquet (by memory map if it is local) and check it against its record and the set."""
        shard = self.shards[index]
        url = join(self._paths.embeddings_dir(*self._names), self._files[index])
        try:
            with open_mapped(url) as file:
                self._check(shard, file, self._rows_in_files[index])
                yield file
        except FileNotFoundError:
            raise ShardError(shard, "missing", f"{url} is recorded but not there") from None
        except (pa.ArrowInvalid, KeyError, OSError) as error:
            raise ShardError(shard, "damaged", f"{url}: {getattr(error, 'strerror', None) or error}") from None

    def _check(self, shard: str, file: pq.ParquetFile, rows: int) -> None:
        if file.metadata.num_rows != rows:
            raise ShardError(shard, "damaged", f"{file.metadata.num_rows} rows, its record has {rows}")
        meta, expected = read_meta(file.schema_arrow), getattr(self, "meta", None)
        if expected is not None and any(meta[name] != expected[name] for name in ("dim", "dtype")):
            raise ShardError(
                shard, "mixed", f"{meta['dim']} x {meta['dtype']}, {self.shards[0]} has {expected['dim']} x {expected['dtype']}"
            )

    def _with_lists(self, table: pa.Table) -> pa.Table:
        for name in VECTORS:
            if name in table.column_names:
                chunks = [to_list(chunk, self.dim, self.dtype) for chunk in table[name].chunks]
                kind = pa.list_(pa.from_numpy_dtype(np.dtype(self.dtype)), self.dim)
                table = table.set_column(table.column_names.index(name), name, pa.chunked_array(chunks, kind))
        return table
