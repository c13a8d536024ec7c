"""The checkpoints in a folder: listed anew at each look, in order of step."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from jobs.watching.naming import Naming
from tda.store.files import filesystem, join
from tda.store.paths import NAME

# What a store reports of a file; a file with the same values is not read again.
VERSION_KEYS = ("size", "mtime", "ino", "created", "modified", "ETag", "etag", "generation", "md5Hash", "LastModified", "last_modified")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One checkpoint as a look found it.

    `label` is its name in the folder, `url` its file of weights, `version` a digest of what the store reports of that file. `whole` is
    whether its sentinel is there, None where the trainer writes none. `fault`: why it cannot be read, whatever its content.
    """

    label: str
    step: int
    url: str
    version: str
    whole: bool | None
    beside: tuple[str, ...] = ()  # URLs of small files that are read with it
    fault: str = ""


class Place:
    """The folder `url`, whose checkpoints are named by `naming`."""

    def __init__(self, url: str, naming: Naming) -> None:
        self.url, self.naming = url, naming

    def look(self) -> list[Checkpoint]:
        """All checkpoints, in order of step; none if there is no folder yet."""
        entries = _entries(self.url)
        found = [one for name in entries if (one := self._checkpoint(name, entries)) is not None]
        return sorted(found, key=lambda one: (one.step, one.label))

    def _checkpoint(self, name: str, entries: Mapping[str, Any]) -> Checkpoint | None:
        step = self.naming.step_of(name)
        if step is None or (entries[name]["type"] == "directory") is not self.naming.folder:
            return None
        if not NAME.fullmatch(name):
            return Checkpoint(
                label=sha256(name.encode()).hexdigest()[:16],
                step=step,
                url="",
                version="",
                whole=False,
                fault=f"its name {name!r} has characters that no store allows",
            )
        if self.naming.folder:
            return self._of_folder(name, step)
        sentinel = self.naming.sentinel_of(name)
        whole = None if sentinel is None else sentinel in entries
        return Checkpoint(label=name, step=step, url=join(self.url, name), version=version_of(entries[name]), whole=whole)

    def _of_folder(self, name: str, step: int) -> Checkpoint:
        folder = join(self.url, name)
        inside, sentinel = _entries(folder), self.naming.sentinel_of(name)
        whole = None if sentinel is None else sentinel in inside
        file = next((one for one in self.naming.files if one in inside), None)
        if file is None:
            return Checkpoint(label=name, step=step, url=folder, version="", whole=whole, fault=_no_file(self.naming.files, inside))
        beside = tuple(join(folder, one) for one in self.naming.beside if one in inside)
        return Checkpoint(label=name, step=step, url=join(folder, file), version=version_of(inside[file]), whole=whole, beside=beside)


def version_of(info: Mapping[str, Any]) -> str:
    """Digest of what a store reports of a file's content and time; it changes when the file is written or replaced."""
    reported = {key: str(info[key]) for key in VERSION_KEYS if info.get(key) is not None}
    return sha256(json.dumps(reported, sort_keys=True).encode()).hexdigest()[:16]


def version_now(url: str) -> str:
    """The version of the file at `url` at this moment. Raises FileNotFoundError."""
    fs, path = filesystem(url)
    parent, _, name = path.rstrip("/").rpartition("/")
    found = {_name(entry): entry for entry in fs.ls(parent, detail=True)}
    if name not in found:
        raise FileNotFoundError(url)
    return version_of(found[name])


def _entries(url: str) -> dict[str, Any]:
    fs, path = filesystem(url)
    try:
        return {_name(entry): entry for entry in fs.ls(path, detail=True)}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]


def _no_file(files: Iterable[str], inside: Iterable[str]) -> str:
    names = sorted(inside)
    shards = [name for name in names if name.endswith(".distcp") or "-of-" in name]
    wanted = " or ".join(files)
    if shards or not wanted:
        what = f"is in shards ({shards[0]}, ...)" if shards else "is a folder"
        return f"it {what}: export its weights as one file, and name that by watch.file"
    return f"it holds no {wanted}: watch.file names the file of its weights"
