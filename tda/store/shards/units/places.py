"""Names of pictures in lists, which are untrusted: a name stays inside its base folder, or is a URL of the same store.

A base is a folder, a zip archive, or nothing else: links, devices and pipes are refused when they are opened (`tda.store.remote.local`).
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tda.errors import ShardError
from tda.store.files import filesystem, is_local, join
from tda.store.remote.local import require_plain
from tda.store.shards.changed import etag_of
from tda.store.shards.units.unit import Entry, File, Unit
from tda.store.types import MAX_KEY_LENGTH, Reason, printable

READ_BYTES = 64 * 2**20  # a larger file of a pair is not read: its size stands for it in the digest


class BadNameError(ValueError):
    """A name that leads out of the base, or names no file."""


def inside(base: str, name: str) -> str:
    """The path of `name` below `base`, or its URL on the same store. Raises BadNameError."""
    text = name.removeprefix("./")
    if "://" in text and not text.startswith("file://"):
        return _same_store(base, text)
    path = text.removeprefix("file://")
    if path.startswith("/"):
        folder = filesystem(base)[1].rstrip("/") + "/"
        if "://" in base or not path.startswith(folder):
            raise BadNameError(f"{printable(name)} is not inside {base}: dataset.images=FOLDER names the folder of the pictures")
        path = path.removeprefix(folder)
    parts = path.split("/")
    if not path or "\0" in path or ".." in parts or "" in parts or len(path.encode("utf-8", "surrogatepass")) > MAX_KEY_LENGTH:
        raise BadNameError(f"{printable(name)!r} is no name of a file inside {base}")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise BadNameError(f"{printable(name)} is not UTF-8") from None
    return path


def _same_store(base: str, url: str) -> str:
    scheme, _, rest = url.partition("://")
    own_scheme, mark, own_rest = base.partition("://")
    if not mark or (scheme, rest.partition("/")[0]) != (own_scheme, own_rest.partition("/")[0]):
        raise BadNameError(f"{printable(url)} is on another store than {base}: fetch it first, img2dataset writes tars of such lists")
    if ".." in rest.split("/") or "\0" in rest:
        raise BadNameError(f"{printable(url)} is no plain URL")
    return url


@dataclass(frozen=True, slots=True)
class Got:
    """The bytes of a file; or, where `data` is None, its size if it is too large, else the reason why there are none."""

    data: bytes | None = None
    size: int = 0
    reason: Reason | None = None
    detail: str = ""


class Place:
    """Where the files of a unit are. Raises ShardError where the place itself cannot be used."""

    def __init__(self, unit: Unit, archive: zipfile.ZipFile | None = None) -> None:
        self.unit, self._archive = unit, archive
        self._fs, self._path = filesystem(unit.base)
        self.local = is_local(self._fs) and not unit.archive

    def read(self, file: File) -> Got:
        """Read a file; a fault of the store, which another attempt may not meet, raises OSError."""
        try:
            return self._member(file.name) if self._archive else self._file(file)
        except BadNameError as error:
            return Got(reason=Reason.BAD_MEMBER, detail=printable(str(error)))
        except (FileNotFoundError, NotADirectoryError, KeyError):
            return Got(reason=Reason.MISSING_IMAGE, detail=f"{printable(file.name)} is not there")
        except (PermissionError, IsADirectoryError) as error:
            return Got(reason=Reason.BAD_MEMBER, detail=f"{printable(file.name)}: {error.strerror or 'access denied'}")

    def found(self, file: File) -> File:
        """The file with its size and time of change now; as it is where that would cost a call to a store."""
        if not self.local:
            return file
        try:
            state = Path(join(self._path, inside(self.unit.base, file.name))).stat()
        except (OSError, ValueError):
            return File(file.name)
        return File(file.name, state.st_size, str(state.st_mtime))

    def _file(self, file: File) -> Got:
        name = inside(self.unit.base, file.name)
        fs, path = filesystem(name) if "://" in name else (self._fs, join(self._path, name))
        if is_local(fs):
            _require_file(path)
        size = int(Path(path).stat().st_size) if is_local(fs) else file.size
        if size is None:
            size = fs.size(path)
        if size is not None and size > READ_BYTES:
            return Got(size=size)
        return Got(b"" if size == 0 else bytes(fs.cat_file(path)))

    def _member(self, name: str) -> Got:
        assert self._archive is not None
        info = self._archive.getinfo(name)
        if info.file_size > READ_BYTES:
            return Got(size=info.file_size)
        try:
            with self._archive.open(info) as stream:
                data = stream.read(READ_BYTES + 1)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
            return Got(reason=Reason.BAD_MEMBER, detail=f"{printable(name)}: {printable(str(error))}")
        return Got(size=len(data)) if len(data) > READ_BYTES else Got(data)


def _require_file(path: str) -> None:
    try:
        require_plain(path)
    except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError):
        raise
    except OSError as error:  # a pipe or a device is no fault that passes
        raise BadNameError(f"{path}: {error.strerror}") from None


@contextmanager
def opened(url: str, unit: Unit) -> Iterator[Place]:
    """The place of a unit's files; of an archive, opened once. Raises ShardError for an archive that cannot be read."""
    if not unit.archive:
        yield Place(unit)
        return
    fs, path = filesystem(unit.base)
    try:
        with fs.open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            yield Place(unit, archive)
    except FileNotFoundError:
        raise ShardError(url, "missing", f"{unit.base} is not there") from None
    except zipfile.BadZipFile as error:
        raise ShardError(url, "damaged", f"{unit.base}: {printable(str(error))}") from None


def table_state(url: str) -> tuple[int, str]:
    """(size, etag) of a Parquet file. Raises OSError."""
    fs, path = filesystem(url)
    info: dict[str, Any] = fs.info(path)
    return int(info["size"] or 0), etag_of(info)


def entries_now(unit: Unit) -> Iterator[Entry]:
    """The entries with the present state of every file that this machine holds."""
    place = Place(unit)
    for entry in unit.entries:
        files = tuple(place.found(file) for file in entry.files)
        yield Entry(entry.key, files, entry.caption, entry.url, entry.width, entry.height, entry.flaw)
