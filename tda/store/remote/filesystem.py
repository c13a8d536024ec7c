"""A remote file system that retries every call (`tda.store.remote.retry`) and reads files by ranges of known length.

It has only the calls that Lacuna uses. Listings are never cached, because other writers change them.
"""

import errno
import io
import shutil
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from fsspec.dircache import DirCache

from tda.errors import UserError
from tda.store.remote.retry import ShortReadError, patient, timeout
from tda.store.remote.stores import STORES, store_of

RANGE = 8 * 2**20  # bytes of one request: long compared with a store's latency, short enough to repeat
ANEW = {"hf": {"refresh": True, "expand_info": True}}  # options of `info` where a client cannot be kept from answering from its memory
SLOWEST = 2**20  # bytes a second: a slower upload counts as stalled


class RemoteFileSystem:
    """Wraps fsspec's own file system; paths are its paths."""

    def __init__(self, fs: Any) -> None:
        self.fs = fs
        self.protocol = str(fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0])
        self.store = store_of(self.protocol)
        self._anew = ANEW.get(self.protocol, {})
        self._tune()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fs, name)

    def info(self, path: str) -> dict[str, Any]:
        return dict(self._call(self.fs.info, path, **self._anew))

    def exists(self, path: str) -> bool:
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def isdir(self, path: str) -> bool:
        try:
            return bool(self.info(path)["type"] == "directory")
        except FileNotFoundError:
            return False

    def size(self, path: str) -> int | None:
        size: int | None = self.info(path)["size"]
        return size

    def ls(self, path: str, detail: bool = True) -> list[Any]:
        self.fs.invalidate_cache(path)
        return list(self._call(self.fs.ls, path, detail=detail))

    def glob(self, path: str) -> list[str]:
        return list(self._call(self.fs.glob, path))

    def find(self, path: str, maxdepth: int | None = None) -> list[str]:
        return list(self._call(self.fs.find, path, maxdepth=maxdepth))

    def found(self, path: str) -> list[dict[str, Any]]:
        """What the store reports of every file below a folder."""
        return [dict(entry) for entry in self._call(self.fs.find, path, detail=True).values()]

    def ukey(self, path: str) -> str:
        """Digest of the store's metadata of a file; it changes when the file is replaced."""
        reported = {name: value for name, value in self.info(path).items() if name != "url"}  # after redirects, often signed anew each time
        return sha256(str(sorted(reported.items(), key=str)).encode()).hexdigest()

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """The content, or its range start..end-1, which must be complete."""
        if start is None or end is None:
            return bytes(self._call(self.fs.cat_file, path, start=start, end=end))
        return self.read_range(path, start, end)

    def get_file(self, path: str, local: str) -> None:
        """Copy a file to this machine, by ranges if its size is known: clients do not always detect a stream that was cut short."""
        size = self.size(path)
        if size is None:
            patient(lambda: self._once(self.fs.get_file, path, local), path)
            return
        with io.BufferedReader(RangeReader(self, path, size), 2**17) as source, Path(local).open("wb") as target:
            shutil.copyfileobj(source, target, 2**20)

    def put_file(self, local: str, path: str, mode: str = "overwrite") -> None:
        """Upload a finished file in one piece. With mode="create" FileExistsError is raised if the name is taken."""
        seconds = timeout() + Path(local).stat().st_size / SLOWEST
        self._call(self.fs.put_file, local, path, mode=mode, seconds=seconds)

    def require_versions(self) -> None:
        """Raise UserError on a store of which no way is known to replace a file only if nobody else has."""
        if self.store is None:
            known = ", ".join(f"{store.protocols[0]}://" for store in STORES)
            raise UserError(f"{self.protocol}:// cannot keep two writers apart: use a folder of this machine, or {known}")

    def version(self, path: str) -> dict[str, str] | None:
        """Options that restrict `replace` to the present version of a file; None where there is no file. Raises as `require_versions`."""
        self.require_versions()
        try:
            info = self.info(path)
        except FileNotFoundError:
            return None
        if info.get("type") == "directory" or self.store is None:
            return None
        found = {name: str(value) for name, value in self.store.version(info).items() if value}
        if not found:
            raise UserError(f"{self.protocol}://{path}: the store names no version of it, so two writers cannot be kept apart")
        return found

    def replace(self, path: str, data: bytes, version: dict[str, Any]) -> None:
        """Write a small file. Raises FileExistsError and writes nothing if another writer has replaced this `version`."""
        patient(lambda: self._once(self.fs.pipe_file, path, data, **version), path)

    def rm_file(self, path: str) -> None:
        self._call(self.fs.rm_file, path)

    def open(self, path: str, mode: str = "rb") -> BinaryIO:
        if mode != "rb":
            raise ValueError(f"mode={mode!r}: files are written by tda.store.files.publish")
        info = self.info(path)
        if info["size"] is None:
            return io.BytesIO(self.cat_file(path))
        return io.BufferedReader(RangeReader(self, path, int(info["size"])), 2**17)

    def read_range(self, path: str, start: int, end: int) -> bytes:
        """Bytes start..end-1 of a file; an answer of another length is requested again."""
        return patient(lambda: self._range(path, start, end), path)

    def _range(self, path: str, start: int, end: int) -> bytes:
        data = bytes(self._once(self.fs.cat_file, path, start=start, end=end))
        if len(data) != end - start:
            raise ShortReadError(errno.EIO, f"{len(data)} of {end - start} bytes at {start}")
        return data

    def _call(self, call: Callable[..., Any], *args: Any, seconds: float | None = None, **options: Any) -> Any:
        return patient(lambda: self._once(call, *args, seconds=seconds, **options), str(args[-1]))  # a call's last argument is the path

    def _once(self, call: Callable[..., Any], *args: Any, seconds: float | None = None, **options: Any) -> Any:
        if getattr(self.fs, "async_impl", False):
            options["timeout"] = seconds or timeout()  # fsspec's bridge takes it and ends the call: a stalled read is a fault
        return call(*args, **options)

    def _tune(self) -> None:
        """Switch off the client's own retries where possible, and its cache of listings."""
        listings = getattr(self.fs, "dircache", None)
        if isinstance(listings, DirCache):
            listings.use_listings_cache = False
        if self.store is not None:
            self.store.tune(self.fs)


class RangeReader(io.RawIOBase):
    """A remote file of `size` bytes. The length of every range is checked; the next range is fetched while the last one is used."""

    def __init__(self, fs: RemoteFileSystem, path: str, size: int) -> None:
        super().__init__()
        self._fs, self._path, self._size, self._at = fs, path, size, 0
        self._ranges: OrderedDict[int, Future[bytes]] = OrderedDict()  # two at most
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="range")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._at >= self._size or not len(view):
            return 0
        index, skip = divmod(self._at, RANGE)
        part = self._get(index)[skip : skip + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        if not self.closed:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._ranges.clear()
        super().close()

    def _get(self, index: int) -> bytes:
        follows = index - 1 in self._ranges or index == 0
        wanted: Sequence[int] = (index, index + 1) if follows and (index + 1) * RANGE < self._size else (index,)
        for number in wanted:
            if number not in self._ranges:
                self._ranges[number] = self._pool.submit(self._fetch, number * RANGE)
        for old in [number for number in self._ranges if number not in (index, index + 1)]:
            del self._ranges[old]
        return self._ranges[index].result()

    def _fetch(self, start: int) -> bytes:
        return self._fs.read_range(self._path, start, min(start + RANGE, self._size))
