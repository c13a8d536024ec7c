"""Reads data sets of two texts a pair, from JSONL, Parquet or tar shards, as pairs and drops with a reason.

A line of JSONL is an object, a row of Parquet has columns, and a pair of a tar has members `<key>.<modality>.txt`; the names are those of
the data set's modalities: {"passage": ..., "review": ...}. `key` and `url` are optional; the default key is the ordinal. Every line
that is not blank and every row is a pair or a drop, and its number among them is the ordinal.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from tda.errors import ShardError
from tda.store.files import file_sha256, filesystem
from tda.store.shards.digest import Seen
from tda.store.shards.webdataset import MAX_PAIRS, MAX_URL_LENGTH, Group, check_archive, read_pairs, stat_shard, unread
from tda.store.types import MAX_KEY_LENGTH, Drop, Reason, Source, Stage, printable

TABLES = (".jsonl", ".parquet")  # the other shards are tars
BATCH_ROWS = 1024
MAX_COLUMN_BYTES = 2**28  # unpacked bytes of a column of a row group that are read whatever they are packed in
MAX_PACKED = 100  # times that a larger one may be packed: texts reach some ten
_BLANK = b" \t\r\n\x0b\x0c"
LINE_BYTES = 2 * 6 + 1  # of JSON a byte of text: two texts, escapes of six bytes, and the rest of the line


@dataclass(frozen=True, slots=True)
class TextPair:
    """A whole pair of texts; `members` in the order of the data set's modalities. The second is the pair's caption."""

    ordinal: int
    key: str
    members: tuple[str, str]
    url: str | None = None

    @property
    def caption(self) -> str:
        return self.members[1]


class TextGroup(Group):
    """The members of a pair of texts in a tar, so far."""

    modalities = ("", "")

    @classmethod
    def of(cls, modalities: tuple[str, str]) -> type["TextGroup"]:
        return type("TextGroup", (cls,), {"modalities": modalities})

    @classmethod
    def key_and_role(cls, name: str) -> tuple[str, str | None]:
        for modality in cls.modalities:
            if name.lower().endswith(f".{modality.lower()}.txt"):
                return name[: -len(f".{modality}.txt")], modality
        return name, None

    @property
    def whole(self) -> bool:
        return all(modality in self.parts for modality in self.modalities)

    def pair(self) -> "TextPair | Drop":
        return _judge(self.ordinal, self.key, dict(self.parts), self.modalities, max_bytes=None)


def check_texts(url: str) -> Source:
    """Refuse a table that is missing, empty or cut, by its first and last bytes; a tar as in `check_archive`. Raises ShardError."""
    if not url.endswith(TABLES):
        return check_archive(url)
    source, head, tail = stat_shard(url)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if url.endswith(".jsonl") and not start.startswith(b"{"):
        raise ShardError(url, "not_jsonl", f"begins with {head[:16]!r}")
    if url.endswith(".parquet") and not head.startswith(b"PAR1"):
        raise ShardError(url, "not_parquet", f"begins with {head[:16]!r}")
    if url.endswith(".parquet") and not tail.endswith(b"PAR1"):
        raise ShardError(url, "truncated", f"{source.size} bytes without the end of a Parquet file")
    return source


def read_texts(
    url: str, modalities: tuple[str, str], *, max_text_bytes: int = 65_536, seen: Seen | None = None
) -> Iterator[TextPair | Drop]:
    """Stream a shard: each pair once, as a `TextPair` or as a `Drop`, together with ordinals 0..n-1. `seen` gets its digest.

    Raises ShardError: as `check_texts`; damaged if a table cannot be read; no_column if a Parquet lacks a modality.
    """
    if not url.endswith(TABLES):
        group = TextGroup.of(modalities)
        yield from read_pairs(url, max_caption_bytes=max_text_bytes, group=group, seen=seen)  # type: ignore[misc]  # the group makes the pairs
        return
    check_texts(url)
    rows = _parquet_rows if url.endswith(".parquet") else partial(_json_lines, max_bytes=LINE_BYTES * max_text_bytes)
    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as file:
            for ordinal, row in enumerate(rows(url, file, modalities)):
                if ordinal >= MAX_PAIRS:
                    raise ShardError(url, "too_many_pairs", f"more than {MAX_PAIRS}")
                yield row_pair(ordinal, row, modalities, max_text_bytes)
        if seen is not None:
            seen.sha256 = file_sha256(url)
    except FileNotFoundError:
        raise ShardError(url, "missing", "no such file") from None
    except OSError as error:
        raise ShardError(url, unread(error), printable(error.strerror or str(error))) from None


def row_pair(ordinal: int, row: Any, modalities: tuple[str, str], max_bytes: int) -> TextPair | Drop:
    """A row as it was read, or the reason for its drop -> a pair or a drop."""
    key = f"{ordinal:09d}"
    if isinstance(row, tuple):
        return Drop(ordinal, key, Stage.READ, *row)
    own = row.get("key")
    if isinstance(own, str | int) and not isinstance(own, bool) and str(own):
        key = printable(str(own), MAX_KEY_LENGTH)
    return _judge(ordinal, key, row, modalities, max_bytes)


def _judge(ordinal: int, key: str, row: dict[str, Any], modalities: tuple[str, str], max_bytes: int | None) -> TextPair | Drop:
    """Check texts by the rules of captions; the detail of a drop names the modality."""
    drop = partial(Drop, ordinal, printable(key, MAX_KEY_LENGTH), Stage.READ)
    reported = {modality: f" is {type(row[modality]).__name__}, not text" for modality in modalities if row.get(modality) is not None}
    for modality in modalities:
        if not isinstance(row.get(modality), str | bytes):
            return drop(Reason.MISSING_CAPTION, modality + reported.get(modality, ""))
    texts = []
    for modality in modalities:
        raw = row[modality]
        try:
            text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
            size = len(text.encode())  # JSON can hold lone surrogates, which cannot be stored later
        except UnicodeError as error:
            return drop(Reason.CAPTION_NOT_UTF8, f"{modality}: {printable(str(error))}")
        if not text.strip():
            return drop(Reason.EMPTY_CAPTION, modality)
        if max_bytes is not None and size > max_bytes:
            return drop(Reason.CAPTION_TOO_LONG, f"{modality}: {size} bytes, at most {max_bytes}")
        texts.append(text)
    url = row.get("url")
    return TextPair(ordinal, key, (texts[0], texts[1]), printable(url, MAX_URL_LENGTH) if isinstance(url, str) else None)


def _json_lines(_: str, file: BinaryIO, __: tuple[str, str], *, max_bytes: int) -> Iterator[Any]:
    """Every line as an object, or as (reason, detail); at most `max_bytes` of a line are held."""
    while line := file.readline(max_bytes):
        size = len(line)
        while not line.endswith(b"\n") and (more := file.readline(max_bytes)):
            size, line = size + len(more), more
        if size <= max_bytes and not line.strip(_BLANK):
            continue
        if size > max_bytes:
            yield Reason.CAPTION_TOO_LONG, f"a line of {size} bytes, at most {max_bytes}"
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except UnicodeError as error:
            yield Reason.CAPTION_NOT_UTF8, str(error)
        except (ValueError, RecursionError) as error:
            yield Reason.BAD_ROW, f"not JSON: {error}"
        else:
            yield row if isinstance(row, dict) else (Reason.BAD_ROW, f"a {type(row).__name__}, not an object")


def _parquet_rows(url: str, file: BinaryIO, modalities: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """Every row; texts as bytes, since Arrow does not check that they are UTF-8."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            names = table.schema_arrow.names
            absent = [modality for modality in modalities if modality not in names]
            if absent:
                raise ShardError(url, "no_column", f"{', '.join(absent)}; it has: {', '.join(names)}")
            columns = [name for name in dict.fromkeys((*modalities, "key", "url")) if name in names]
            _require_bounded(url, table.metadata, columns)
            for batch in table.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
                values = [_values(batch.column(name), name in modalities) for name in columns]
                yield from (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))
    except pa.ArrowException as error:
        raise ShardError(url, "damaged", printable(str(error))) from None


def _require_bounded(url: str, metadata: Any, columns: list[str]) -> None:
    """Refuse, by its footer, a table whose columns would not fit the memory: the rows of a group are unpacked a page at a time."""
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group)
        for number in range(rows.num_columns):
            column = rows.column(number)
            unpacked, packed = column.total_uncompressed_size, max(1, column.total_compressed_size)
            if column.path_in_schema.split(".")[0] in columns and unpacked > MAX_COLUMN_BYTES and unpacked > MAX_PACKED * packed:
                detail = f"column {printable(column.path_in_schema)} of row group {group} unpacks to {unpacked} bytes from {packed}"
                raise ShardError(url, "too_large", f"{detail}: write it with shorter texts or more row groups")


def _values(column: Any, is_text: bool) -> list[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = pc.cast(pc.cast(column, kind), pa.large_binary())
        return column.to_pylist() if is_text else [None if raw is None else raw.decode("utf-8", "replace") for raw in column.to_pylist()]
    return list(column.to_pylist())
