"""Vectors in columns of Parquet files, and the Parquet of captions beside arrays.

B rows of a batch, D dimensions.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tda.errors import UserError
from tda.store.commit.parquet import META_KEY, iter_rows, read_meta
from tda.store.files import exists, filesystem, is_local, join, list_files
from tda.store.ingest.batch import Batch
from tda.store.ingest.columns import ALIASES, integers, require_once, side_columns, strings, vector_dim, vector_rows


class ParquetSource:
    """Vector columns of Parquet files, one file after the other."""

    kind = "parquet"

    def __init__(self, files: list[str], vectors: tuple[str, str], side: Mapping[str, str | None] | None = None) -> None:
        self.files, self._vectors, self._named, self.notes = files, vectors, side or {}, list[str]()
        self._counts = []
        dims: set[int] = set()
        for url in files:
            with open_parquet(url) as file:
                self._counts.append(file.metadata.num_rows)
                dims |= self._dims(url, file)
                columns = self._side_columns(url, file)
            if "caption" not in columns and not self.notes:
                wanted = ", ".join(ALIASES["caption"])
                self.notes.append(f"source={url} has no column {wanted}: captions stay empty; caption_column= names one")
        if len(dims) != 1:
            raise UserError(
                f"source={files[0]} has vectors of {' and '.join(map(str, sorted(dims))) or 'no'} dimensions in {' and '.join(vectors)}"
            )
        self.dim, self.rows = dims.pop(), sum(self._counts)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        begin = 0
        for url, rows in zip(self.files, self._counts, strict=True):
            if start < begin + rows:
                yield from self._file_batches(url, begin, max(start - begin, 0), rows)
            begin += rows

    def _dims(self, url: str, file: pq.ParquetFile) -> set[int]:
        missing = [name for name in self._vectors if name not in file.schema_arrow.names]
        if missing:
            raise UserError(f"source={url} has no column {missing[0]!r}; it has: {', '.join(file.schema_arrow.names)}")
        with errors_named(url):
            require_once(file.schema_arrow, self._vectors)
        empty = pa.record_batch([pa.array([], file.schema_arrow.field(name).type) for name in self._vectors], names=list(self._vectors))
        first = next(iter_rows(file, list(self._vectors), 0, file.metadata.num_rows), empty)
        dims = {vector_dim(first.column(name), _dtype(file), name) for name in self._vectors}
        return {dim for dim in dims if dim is not None}

    def _side_columns(self, url: str, file: pq.ParquetFile) -> dict[str, str]:
        with errors_named(url):
            return side_columns(file.schema_arrow, self._vectors, self._named)

    def _file_batches(self, url: str, begin: int, start: int, rows: int) -> Iterator[Batch]:
        with open_parquet(url) as file:
            columns = self._side_columns(url, file)
            at, dtype = begin + start, _dtype(file)
            for batch in iter_rows(file, [*self._vectors, *columns.values()], start, rows):
                image_BD, text_BD = (vector_rows(batch.column(name), self.dim, dtype, name, at) for name in self._vectors)
                yield Batch(start=at, image_BD=image_BD, text_BD=text_BD, side=side_of(batch, columns))
                at += len(batch)


@contextmanager
def errors_named(url: str) -> Iterator[None]:
    """Errors of columns inside the block name the file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"source={url}: {error}") from None


def side_of(batch: pa.RecordBatch, columns: dict[str, str]) -> dict[str, list[Any]]:
    return {ours: (integers if ours in ("width", "height") else strings)(batch.column(theirs)) for ours, theirs in columns.items()}


def _dtype(file: pq.ParquetFile) -> str | None:
    """Dtype of fixed_size_binary columns: only Lacuna's own metadata has it."""
    return str(read_meta(file.schema_arrow)["dtype"]) if META_KEY in (file.schema_arrow.metadata or {}) else None


def parquet_files(url: str) -> list[str]:
    fs, path = filesystem(url)
    if fs.isdir(path):
        return [join(url, name) for name in list_files(url, ".parquet")]
    if "*" in path or "?" in path:
        matches = sorted(fs.glob(path))
        return [match if is_local(fs) else fs.unstrip_protocol(match) for match in matches]
    return [url] if path.endswith((".parquet", ".pq")) and exists(url) else []


@contextmanager
def open_parquet(url: str) -> Iterator[pq.ParquetFile]:
    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as stream, pq.ParquetFile(stream) as file:
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"source={url} is not a Parquet file that can be read: {str(error).splitlines()[0]}") from None
