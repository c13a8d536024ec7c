"""Retry the quarantined pairs of a recorded shard: they are selected while the shard is read again, and merged with its rows.

Embedded rows keep their bytes. Pairs that now succeed move from quarantine to the rows; pairs that fail again are dropped again, with
the new reason. This is one new attempt of the shard (`tda.store.commit.transaction`): the old record is valid until the new one is.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tda.errors import ShardError
from tda.store.commit.parquet import from_binary, read_meta
from tda.store.commit.quarantine import read_drops
from tda.store.commit.records import ShardRecord
from tda.store.commit.rows import Rows
from tda.store.files import filesystem, join
from tda.store.paths import RootPaths
from tda.store.types import MAX_KEY_LENGTH, VECTORS, Drop, Source, printable

Item = TypeVar("Item", bound=Any)  # a pair or a drop: has an ordinal and a key


class Replay:
    """The pairs that `record` counts as dropped. Raises ShardError if the shard has changed since."""

    def __init__(self, paths: RootPaths, record: ShardRecord) -> None:
        self.paths, self.record = paths, record
        self._dropped = {row["ordinal"]: row for row in read_drops(paths, record).to_pylist()}

    def check_source(self, source: Source) -> None:
        """The shard must have its recorded size. The time of its last change is not compared: a copy has another."""
        before = self.record.source.get("size")
        if source.size != before:
            raise ShardError(source.path, "changed", f"{source.size} bytes, it had {before} when it was embedded")

    def select(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield the dropped pairs, and check the whole stream against the record: the same count, and the same keys of dropped pairs."""
        count, missing = 0, set(self._dropped)
        for item in items:
            count += 1
            reported = self._dropped.get(item.ordinal)
            if reported is None:
                continue
            if printable(item.key, MAX_KEY_LENGTH) != reported["key"]:
                detail = f"pair {item.ordinal} is {printable(item.key)}, it was {reported['key']} when the shard was embedded"
                raise ShardError(self.record.shard, "changed", detail)
            missing.discard(item.ordinal)
            yield item
        if count != self.record.rows_in or missing:
            raise ShardError(self.record.shard, "changed", f"{count} pairs, it had {self.record.rows_in} when it was embedded")

    def settles(self, rows: Rows, drops: Sequence[Drop]) -> bool:
        """Whether anything has changed: a pair succeeded, or failed for another reason."""
        again = {drop.ordinal: drop.reason.value for drop in drops}
        return bool(len(rows)) or again != {ordinal: row["reason"] for ordinal, row in self._dropped.items()}

    def merged(self, rows: Rows) -> Rows:
        """The recorded rows and `rows`; a Parquet table of them is in order of ordinal."""
        return _joined(recorded_rows(self.paths, self.record), rows)


def recorded_rows(paths: RootPaths, record: ShardRecord) -> Rows:
    """The rows of a recorded shard as they are stored. Raises ShardError if its Parquet is missing or damaged."""
    url = join(paths.embeddings_dir(record.dataset, record.encoder), record.file)
    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as file:
            table = pq.read_table(file).combine_chunks()
    except FileNotFoundError:
        raise ShardError(record.shard, "missing", f"{url} is recorded but not there") from None
    except pa.ArrowInvalid as error:
        raise ShardError(record.shard, "damaged", f"{url}: {printable(str(error))}") from None
    meta = read_meta(table.schema)
    columns: dict[str, Any] = {f"{name}s": table[name].to_pylist() for name in ("ordinal", "key", "caption", "url", "width", "height")}
    columns |= {f"{name}_ND": _vectors(table, name, meta) for name in VECTORS}
    return Rows(**columns)


def _vectors(table: pa.Table, name: str, meta: dict[str, Any]) -> np.ndarray[Any, Any]:
    empty = np.empty((0, int(meta["dim"])), dtype=meta["dtype"])
    return np.concatenate([empty, *(from_binary(chunk, meta["dim"], meta["dtype"]) for chunk in table[name].chunks)])


def _joined(first: Rows, second: Rows) -> Rows:
    names = ("ordinals", "keys", "captions", "urls", "widths", "heights")
    columns: dict[str, Any] = {name: [*getattr(first, name), *getattr(second, name)] for name in names}
    for name in ("image_ND", "text_ND"):
        columns[name] = np.concatenate([getattr(first, name), getattr(second, name)])
    return Rows(**columns)
