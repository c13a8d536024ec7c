"""This machine's files, and files alone: a named pipe would wait for a writer for ever, a device has no end."""

import errno
import stat
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class PlainFiles(LocalFileSystem):  # type: ignore[misc]  # fsspec has no types
    """fsspec's local file system, which opens regular files alone, for reading."""

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> Any:
        if "r" in mode:
            require_plain(path)
        return super()._open(path, mode, block_size=block_size, **options)


def require_plain(path: str | Path) -> None:
    """Raise OSError, before anything is opened, where `path` leads to something else than a regular file; FileNotFoundError to nothing."""
    kind = stat.S_IFMT(Path(path).stat().st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path))
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"it is {KINDS.get(kind, 'no regular file')}, not a file", str(path))
