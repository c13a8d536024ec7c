"""Listings and small documents of a root, counted; a document that cannot be read is named, and the rest goes on."""

import os
import threading
from dataclasses import dataclass, field
from typing import Any

from tda.store.documents import read_document
from tda.store.files import filesystem, is_local, join
from tda.store.types import printable

PAGE = 1000  # names in one answer of an object store


@dataclass(frozen=True)
class Listed:
    """The files of a folder by name, and the last change (seconds since 1970, by the store's clock; 0 if unknown)."""

    names: frozenset[str] = frozenset()
    changed: float = 0.0


@dataclass
class Reader:
    """Reads below `root`; `calls` are listings (of an object store: a call each thousand names), `reads` whole documents."""

    root: str
    listings: int = 0
    reads: int = 0
    damaged: list[str] = field(default_factory=list)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def url(self, *parts: str) -> str:
        return join(self.root, *parts)

    def folders(self, *parts: str) -> list[str]:
        """Names of the folders that can be of data sets, encoders and the like, sorted; none if there is no such folder."""
        entries = self._entries(self.url(*parts))
        return sorted(name for name, entry in entries.items() if entry["type"] == "directory" and name[0] not in "._")

    def files(self, *parts: str) -> dict[str, float]:
        """Name of each file of a small folder -> its last change."""
        return {name: _changed(entry) for name, entry in self._entries(self.url(*parts)).items() if entry["type"] == "file"}

    def listed(self, *parts: str, suffix: str = "") -> Listed:
        """The files of a folder that may be large: on a disk no file is asked for its time, the folder's own is taken."""
        fs, path = filesystem(self.url(*parts))
        if not is_local(fs):
            found = {name: at for name, at in self.files(*parts).items() if name.endswith(suffix) and name[0] not in "._"}
            return Listed(frozenset(name.removesuffix(suffix) for name in found), max(found.values(), default=0.0))
        self._count(1)
        try:
            with os.scandir(path) as entries:
                names = [entry.name for entry in entries if entry.name.endswith(suffix) and entry.name[0] not in "._"]
            return Listed(frozenset(name.removesuffix(suffix) for name in names), os.stat(path).st_mtime)  # noqa: PTH116 (as scandir)
        except (FileNotFoundError, NotADirectoryError):
            return Listed()

    def below(self, *parts: str) -> dict[str, float]:
        """Path of every file below a folder, from there -> its last change. Temporary files are left out."""
        fs, path = filesystem(self.url(*parts))
        found = _walked(path) if is_local(fs) else {str(entry["name"]): _changed(entry) for entry in fs.found(path)}
        self._count(1 + (0 if is_local(fs) else len(found) // PAGE))
        start = len(path.rstrip("/")) + 1
        return {name[start:]: at for name, at in found.items() if not name.endswith(".tmp")}

    def document(self, *parts: str) -> dict[str, Any] | None:
        """The object in a JSON file; None where there is none, or it cannot be read, which `damaged` then names."""
        with self._counting:
            self.reads += 1
        try:
            return read_document(self.url(*parts))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, OSError) as error:
            self.name_damaged("/".join(parts), error)
            return None

    def name_damaged(self, name: str, error: object) -> None:
        reason = printable(" ".join(str(error).split()) or type(error).__name__, 200)
        with self._counting:
            self.damaged.append(f"{name}: cannot be read: {reason}")

    def _entries(self, url: str) -> dict[str, dict[str, Any]]:
        fs, path = filesystem(url)
        try:
            found = {_name(entry): entry for entry in fs.ls(path, detail=True)}
        except (FileNotFoundError, NotADirectoryError):
            found = {}
        self._count(1 + (0 if is_local(fs) else len(found) // PAGE))
        return {name: _followed(fs, entry) for name, entry in found.items() if name and not name.endswith(".tmp")}

    def _count(self, listings: int) -> None:
        with self._counting:
            self.listings += listings


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]


def _followed(fs: Any, entry: dict[str, Any]) -> dict[str, Any]:
    """A link to a folder is one."""
    return entry | {"type": "directory"} if entry.get("islink") and is_local(fs) and os.path.isdir(entry["name"]) else entry  # noqa: PTH112


def _changed(entry: dict[str, Any]) -> float:
    when: Any = entry.get("mtime") or entry.get("LastModified") or entry.get("updated") or entry.get("created") or 0.0
    return float(when.timestamp() if hasattr(when, "timestamp") else when) if not isinstance(when, str) else 0.0


def _walked(path: str) -> dict[str, float]:
    found = {}
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                found[f"{folder}/{name}"] = os.stat(f"{folder}/{name}").st_mtime  # noqa: PTH116 (thousands of files)
            except OSError:  # removed meanwhile
                continue
    return found
