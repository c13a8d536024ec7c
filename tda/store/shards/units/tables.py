"""Columns of lists and tables by the names under which people have them, and rows of Parquet files that hold pictures as bytes."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tda.errors import ShardError, UserError
from tda.store.files import filesystem
from tda.store.shards.units.unit import Entry, Unit
from tda.store.types import Reason, printable

ALIASES = {
    "image": ("image", "image_path", "filepath", "file_path", "path", "file_name", "filename", "file", "url", "URL", "image_url"),
    "caption": ("caption", "TEXT", "text", "title", "captions", "sentences"),
    "key": ("key", "uid", "id"),
    "url": ("url", "URL", "image_url"),
}
BYTES_ALIASES = {**ALIASES, "image": ("image", "jpg", "jpeg", "png", "webp", "img", "image_bytes", "bytes")}
BATCH_ROWS = 32  # pictures in memory at once, twice


def columns_of(url: str, names: Sequence[str], given: Mapping[str, str], aliases: Mapping[str, Sequence[str]] = ALIASES) -> dict[str, str]:
    """image, caption, key, url -> column. Raises UserError where a named column, or one of the first two, is not there."""
    unknown = sorted(set(given) - set(aliases))
    if unknown:
        raise UserError(f"dataset.columns.{unknown[0]} is unknown; choose from: {', '.join(aliases)}")
    found: dict[str, str] = {}
    for role, known in aliases.items():
        wanted = [given[role]] if role in given else known
        column = next((name for name in wanted if name in names), None)
        if column is not None:
            found[role] = column
        elif role in given or role in ("image", "caption"):
            tried = f"{wanted[0]!r}" if role in given else f"for the {role} (tried {', '.join(known)})"
            raise UserError(f"{url} has no column {tried}: dataset.columns.{role}=NAME names it; it has: {', '.join(map(str, names))}")
    return found


def etag_of_rows(etag: str, rows: tuple[int, int], columns: Mapping[str, str]) -> str:
    """The etag of some rows of a file."""
    return hashlib.sha256(json.dumps([etag, list(rows), dict(columns)]).encode()).hexdigest()[:32]


def parquet_names(url: str) -> tuple[list[str], int]:
    """(column names, rows) of a Parquet file. Raises UserError."""
    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as file, pq.ParquetFile(file) as table:
            return list(table.schema_arrow.names), int(table.metadata.num_rows)
    except FileNotFoundError:
        raise UserError(f"dataset.shards={url} is not there") from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"dataset.shards={url} is no Parquet file that can be read: {str(error).splitlines()[0]}") from None


def rows_of(url: str, unit: Unit) -> Iterator[tuple[Entry, bytes | None]]:
    """Every row of the unit with its picture. Raises ShardError, naming the unit, where the table cannot be read."""
    fs, path = filesystem(unit.base)
    assert unit.rows is not None
    try:
        with fs.open(path, "rb") as file, pq.ParquetFile(file) as table:
            for number, row in enumerate(_between(table, list(dict.fromkeys(unit.columns.values())), *unit.rows)):
                yield _entry(unit, unit.rows[0] + number, row)
    except FileNotFoundError:
        raise ShardError(url, "missing", f"{unit.base} is not there") from None
    except (pa.ArrowException, KeyError) as error:
        raise ShardError(url, "damaged", f"{unit.base}: {printable(str(error).splitlines()[0])}") from None


def plain_text(value: Any) -> Any:
    """The first of a list of texts: some data sets hold several captions a picture."""
    return plain_text(value[0]) if isinstance(value, list) and value else value


def _between(table: pq.ParquetFile, columns: list[str], start: int, stop: int) -> Iterator[dict[str, Any]]:
    begin = 0
    for group in range(table.num_row_groups):
        rows = table.metadata.row_group(group).num_rows
        at = begin
        begin += rows
        if begin <= start or at >= stop:
            continue
        for batch in table.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False):
            low, high = max(start - at, 0), min(stop - at, len(batch))
            at += len(batch)
            if low < high:
                yield from batch.slice(low, high - low).to_pylist()


def _entry(unit: Unit, number: int, row: dict[str, Any]) -> tuple[Entry, bytes | None]:
    found = {role: row.get(column) for role, column in unit.columns.items()}
    picture, caption, key = found["image"], plain_text(found["caption"]), found.get("key")
    data = picture.get("bytes") if isinstance(picture, dict) else picture
    name = str(key) if isinstance(key, str | int) and str(key) else f"{number:09d}"
    url = found.get("url") if isinstance(found.get("url"), str) else None
    if not isinstance(data, bytes):
        return Entry(name, caption=_known(caption), flaw=(Reason.MISSING_IMAGE, f"{type(data).__name__}, no bytes")), None
    if not isinstance(caption, str):
        return Entry(name, flaw=(Reason.MISSING_CAPTION, "" if caption is None else f"{type(caption).__name__}, no text")), data
    return Entry(name, caption=caption, url=url), data


def _known(caption: Any) -> str | None:
    return caption if isinstance(caption, str) else None
