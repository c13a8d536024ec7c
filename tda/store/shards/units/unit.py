"""A unit: the pairs of one shard of a data set that is no tar. It is a file under the root, which every later reader of the shard opens.

    <root>/units/<dataset>/<shard>.<12 digits of its sha256>.unit     JSON lines: a head, then one line a pair

Its head names where the pictures are, and `size` and `etag` stand for its content as those of a tar do: the etag is the digest of all
lines, which hold name, size and etag (locally the time of change) of every file. The content under a name never changes.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tda.errors import ShardError
from tda.store.files import exists, publish_bytes, read_bytes
from tda.store.shards.webdataset import MAX_PAIRS
from tda.store.types import Source, printable

SCHEMA = 1
ENDING = ".unit"


@dataclass(frozen=True, slots=True)
class File:
    """A file of a pair, by its name below the base or its URL; size in bytes and etag as far as they are known."""

    name: str
    size: int | None = None
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A pair before it is read. `caption` is None where it is in one of the files; `flaw` is (reason, detail) of a pair to be dropped."""

    key: str
    files: tuple[File, ...] = ()
    caption: str | None = None
    url: str | None = None
    width: int | None = None
    height: int | None = None
    flaw: tuple[str, str] | None = None

    @property
    def size(self) -> int:
        """Bytes of files and caption, as far as they are known."""
        return sum(file.size or 0 for file in self.files) + len((self.caption or "").encode("utf-8", "surrogatepass"))

    def line(self) -> str:
        plain = {name: value for name in ("caption", "url", "width", "height", "flaw") if (value := getattr(self, name)) is not None}
        return json.dumps({"key": self.key, "files": [[file.name, file.size, file.etag] for file in self.files], **plain})

    @classmethod
    def parsed(cls, line: str) -> "Entry":
        found = json.loads(line)
        files = tuple(File(str(name), None if size is None else int(size), str(etag)) for name, size, etag in found.pop("files"))
        flaw = found.pop("flaw", None)
        return cls(files=files, flaw=None if flaw is None else (str(flaw[0]), str(flaw[1])), **found)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """`base`: folder, archive or Parquet file of the pictures. `rows`: first row and the one after the last, of a Parquet file alone."""

    format: str
    base: str
    entries: tuple[Entry, ...] = ()
    archive: bool = False  # base is a zip, whose members the files are
    rows: tuple[int, int] | None = None
    columns: dict[str, str] = field(default_factory=dict)  # image, caption, key, url -> column of the Parquet file
    size: int = 0
    etag: str = ""

    def text(self) -> str:
        head = {"lacuna_unit": SCHEMA, "format": self.format, "base": self.base, "archive": self.archive, "rows": self.rows}
        lines = [json.dumps({**head, "columns": self.columns, "size": self.size, "etag": self.etag})]
        return "\n".join([*lines, *(entry.line() for entry in self.entries)]) + "\n"


def content_of(entries: Iterable[Entry]) -> tuple[int, str]:
    """(size, etag) of pairs: bytes of their files and captions, and a digest of all that is known of them before they are read."""
    size, digest = 0, hashlib.sha256()
    for entry in entries:
        size += entry.size
        digest.update(entry.line().encode() + b"\n")
    return size, digest.hexdigest()[:32]


def is_unit(url: str) -> bool:
    return url.endswith(ENDING)


def publish_unit(folder: str, shard: str, unit: Unit) -> str:
    """Write a unit into `folder`, unless it is there, and return its URL."""
    data = unit.text().encode()
    url = f"{folder}/{shard}.{hashlib.sha256(data).hexdigest()[:12]}{ENDING}"
    if not exists(url):
        publish_bytes(url, data)
    return url


def read_unit_file(url: str) -> Unit:
    """Raises ShardError: missing, unreadable, or damaged where it is no unit."""
    try:
        head, *lines = read_bytes(url).decode().splitlines()
        found: dict[str, Any] = json.loads(head)
        if found.pop("lacuna_unit") != SCHEMA or len(lines) > MAX_PAIRS:
            raise ValueError("not of this version, or too many pairs")  # noqa: TRY301 (one way out for all that is no unit)
        rows, entries = found.pop("rows"), tuple(map(Entry.parsed, lines))
        _require_types(found, entries)
        return Unit(**found, entries=entries, rows=None if rows is None else (int(rows[0]), int(rows[1])))
    except FileNotFoundError:
        raise ShardError(url, "missing", "no such file") from None
    except OSError as error:
        raise ShardError(url, "unreadable", printable(error.strerror or str(error))) from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ShardError(url, "damaged", f"no unit of pairs: {printable(str(error))}") from None


def _require_types(head: dict[str, Any], entries: tuple[Entry, ...]) -> None:
    kinds = {"format": str, "base": str, "archive": bool, "columns": dict, "size": int, "etag": str}
    good = all(isinstance(head.get(name), kind) for name, kind in kinds.items())
    good &= all(isinstance(one, str | None) for entry in entries for one in (entry.caption, entry.url))
    if not good or not all(isinstance(entry.key, str) for entry in entries):
        raise ValueError("a field of another type")


def planned_source(url: str) -> Source:
    """The source as it was when the unit was cut. Raises ShardError."""
    unit = read_unit_file(url)
    return Source(url, unit.size, unit.etag)
