"""Lists of pictures with captions: CSV, TSV, JSONL or Parquet with a column of paths, or of URLs on the list's own store."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tda.errors import UserError
from tda.store.files import filesystem
from tda.store.shards.units.places import BadNameError, inside
from tda.store.shards.units.tables import columns_of, plain_text
from tda.store.shards.units.unit import Entry, File
from tda.store.types import Reason, printable

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
MAX_LINE_BYTES = 2**20
BATCH_ROWS = 4096

Row = dict[str, Any] | tuple[str, str]  # or (reason, detail) of a line that is none


def list_entries(url: str, base: str, given: Mapping[str, str]) -> Iterator[Entry]:
    """The pairs of a list, in its order. `base`: where names begin. Raises UserError where it cannot be read, or lacks a column."""
    rows, named, only_bad = _rows(url, given), dict[str, str](), True
    for number, row in enumerate(rows):
        if isinstance(row, dict) and not named:
            named = columns_of(url, list(row), given)
        entry = (
            _flawed(number, row) if isinstance(row, tuple) else _entry(base, number, {ours: row.get(name) for ours, name in named.items()})
        )
        only_bad &= entry.flaw is not None and entry.flaw[0] == Reason.BAD_MEMBER
        if only_bad and number == 99 and entry.flaw is not None:  # not one name of a hundred leads to a picture
            raise UserError(f"dataset.shards={url}: {entry.flaw[1]}")
        yield entry


def _rows(url: str, given: Mapping[str, str]) -> Iterator[Row]:
    ending = next((ending for ending in ENDINGS if url.partition("?")[0].endswith(ending)), None)
    if ending is None:
        raise UserError(f"dataset.shards={url} is no list: dataset.format=list reads {', '.join(ENDINGS)}")
    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as file:
            if ending == ".parquet":
                yield from _parquet(url, file, given)
            elif ending == ".jsonl":
                yield from _json(file)
            else:
                yield from _separated(url, file, "\t" if ending == ".tsv" else ",")
    except FileNotFoundError:
        raise UserError(f"dataset.shards={url} is not there") from None
    except pa.ArrowException as error:
        raise UserError(f"dataset.shards={url} is no Parquet file that can be read: {str(error).splitlines()[0]}") from None


def _separated(url: str, file: Any, sign: str) -> Iterator[Row]:
    """Rows under a line of column names. A first line with tabs and no comma is one of tabs, whatever the file is called."""
    lines = _bounded(url, io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline=""))
    first = next(lines, "")
    sign = "\t" if "\t" in first and sign not in first else sign
    reader = csv.DictReader(_chained(first, lines), delimiter=sign, restkey=None)
    try:
        for row in reader:
            yield (Reason.BAD_ROW, "more fields than the first line has names") if None in row else row
    except csv.Error as error:
        raise UserError(f"dataset.shards={url} cannot be read in line {reader.line_num}: {error}") from None


def _bounded(url: str, text: Any) -> Iterator[str]:
    for number in count(1):
        line = text.readline(MAX_LINE_BYTES)
        if not line:
            return
        if len(line) == MAX_LINE_BYTES:
            raise UserError(f"dataset.shards={url}: line {number} has more than {MAX_LINE_BYTES} characters")
        yield line


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _json(file: Any) -> Iterator[Row]:
    """An object a line; blank lines are nothing."""
    first = True
    while line := file.readline(MAX_LINE_BYTES):
        size = len(line)
        while not line.endswith(b"\n") and (more := file.readline(MAX_LINE_BYTES)):
            size, line = size + len(more), more
        text = line.removeprefix(b"\xef\xbb\xbf") if first else line
        first = False
        if size > MAX_LINE_BYTES:
            yield Reason.BAD_ROW, f"a line of {size} bytes, at most {MAX_LINE_BYTES}"
        elif text.strip():
            yield _object(text)


def _object(line: bytes) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Reason.BAD_ROW, f"not JSON: {printable(str(error))}"
    return row if isinstance(row, dict) else (Reason.BAD_ROW, f"a {type(row).__name__}, not an object")


def _parquet(url: str, file: Any, given: Mapping[str, str]) -> Iterator[Row]:
    with pq.ParquetFile(file) as table:
        columns = list(dict.fromkeys(columns_of(url, table.schema_arrow.names, given).values()))
        for batch in table.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
            yield from batch.to_pylist()


def _flawed(number: int, flaw: tuple[str, str]) -> Entry:
    return Entry(f"{number:09d}", flaw=flaw)


def _entry(base: str, number: int, row: Mapping[str, Any]) -> Entry:
    name, caption, key, url = row.get("image"), plain_text(row.get("caption")), row.get("key"), row.get("url")
    shown = printable(str(key)) if isinstance(key, str | int) and not isinstance(key, bool) and str(key) else f"{number:09d}"
    if not isinstance(name, str) or not name.strip():
        return Entry(shown, flaw=(Reason.MISSING_IMAGE, "no name of a picture"))
    try:
        file = File(inside(base, name))
    except BadNameError as error:
        return Entry(shown, flaw=(Reason.BAD_MEMBER, printable(str(error))))
    if not isinstance(caption, str):
        return Entry(shown, (file,), flaw=(Reason.MISSING_CAPTION, "" if caption is None else f"{type(caption).__name__}, no text"))
    return Entry(shown, (file,), caption, url if isinstance(url, str) else None)
