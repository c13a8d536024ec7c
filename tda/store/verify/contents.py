"""Check the JSON documents of a root, the files that they name, and the tables that stand beside them.

A document carries the SHA-256 of its own content (`tda.store.documents`) and of the files that belong to it. Tables that no document
names are read whole, with the checksums of their pages. Every problem is one line that begins with the name of the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tda.store.documents import Document, bad_names, named_files, read_document, seal_holds
from tda.store.files import file_sha256, filesystem, is_local, join
from tda.store.types import printable

FOLDERS = (
    "nearest",
    "dedupe",
    "selections",
    "analysis",
    "sweeps",
    "report",
)  # of what is derived; rows and models are checked by their records
UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, pa.ArrowException)


@dataclass
class Contents:
    """What was found: `damaged` are URLs with a problem, `unsealed` counts documents of earlier versions, without a digest."""

    deep: bool = True
    damaged: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    unsealed: int = 0

    def check(self, root: str) -> Iterator[str]:
        """Problems of everything that is derived from rows."""
        for top in FOLDERS:
            files = sorted(walk(join(root, top)))
            for url in (url for url in files if url.endswith(".json")):
                yield from self._document(url)
            for url in (url for url in files if url.endswith(".parquet") and url not in self.named):
                yield from self._table(url)

    def check_document(self, url: str) -> tuple[Document, list[str]]:
        """A document and its problems; {} where it cannot be read."""
        try:
            found = read_document(url)
        except FileNotFoundError:
            return {}, [f"{url}: recorded, but not there"]
        except UNREADABLE as error:
            return {}, [f"{url}: cannot be read: {brief(error)}"]
        holds = seal_holds(found)
        self.unsealed += holds is None
        problems = [f"{url}: was changed after it was written: its content is not of its own sha256"] if holds is False else []
        return found, [*problems, *(f"{url}: it names {printable(name)!r}, which is no file of its folder" for name in bad_names(found))]

    def _document(self, url: str) -> Iterator[str]:
        found, problems = self.check_document(url)
        if problems:
            self.damaged.add(url)
        yield from problems
        for file, entry in named_files(url, found):
            self.named.add(file)
            yield from self._file(file, entry, url)

    def _file(self, url: str, entry: dict[str, Any], owner: str) -> Iterator[str]:
        problem = different(url, entry, deep=self.deep)
        if problem:
            self.damaged.add(url)
            yield f"{url}: {problem} {owner.rpartition('/')[2]}"

    def _table(self, url: str) -> Iterator[str]:
        """A table that no document names: it must be whole."""
        fs, path = filesystem(url)
        try:
            with fs.open(path, "rb") as source, pq.ParquetFile(source, page_checksum_verification=True) as file:
                for _ in file.iter_batches(use_threads=False) if self.deep else ():
                    pass
        except UNREADABLE as error:
            self.damaged.add(url)
            yield f"{url}: cannot be read: {brief(error)}"


def different(url: str, entry: dict[str, Any], *, deep: bool) -> str:
    """How a file differs from its sha256 and bytes, up to the name of what recorded them; "" where it does not."""
    fs, path = filesystem(url)
    try:
        size = fs.info(path)["size"]
        if size != entry.get("bytes"):
            return f"{size} bytes, not the {printable(str(entry.get('bytes')), 20)} in"
        return "its sha256 is not the one in" if deep and file_sha256(url) != entry.get("sha256") else ""
    except FileNotFoundError:
        return "is not there, but named by"
    except OSError as error:
        return f"cannot be read ({brief(error)}), but is named by"


def walk(folder: str) -> Iterator[str]:
    """URLs of all files below a folder but temporary ones, each linked folder once."""
    fs, path = filesystem(folder)
    waiting, seen = [path], set[str]()
    while waiting:
        at = waiting.pop()
        if is_local(fs):
            if (real := str(Path(at).resolve())) in seen:
                continue
            seen.add(real)
        try:
            entries = fs.ls(at, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            name = str(entry["name"]).rstrip("/")
            if entry["type"] == "directory" or (is_local(fs) and fs.isdir(name)):
                waiting.append(name)
            elif not name.rsplit("/", 1)[-1].startswith("."):
                yield name if is_local(fs) else str(fs.unstrip_protocol(name))


def brief(error: BaseException) -> str:
    """An error in one short line."""
    return printable(" ".join(str(error).split()) or type(error).__name__, 200)
