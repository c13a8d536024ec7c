"""Read, change and publish a file that several commands share, so that no change of any of them is lost.

Locally a lock of the folder lets one writer in at a time. A store of `tda.store.remote.stores` replaces only the version that was read, and
a writer that came too late reads again and repeats its change; any other store is refused. Files that belong to a document, such as tables,
are published inside the change: then the last document that was written is of the last files, whatever the order of the writers.
"""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from tda.errors import LacunaError, UserError
from tda.store.documents import Document, parsed, sealed
from tda.store.files import filesystem, in_memory, is_local, json_bytes, locked, publish_bytes

TRIES = 100  # of a writer that others overtake each time
LONGEST_WAIT = 1.0  # seconds
_MEMORY = Lock()  # of the files of memory://

Change = Callable[[bytes | None], bytes | None]


def update_json(url: str, change: Callable[[Document | None], Document | None]) -> Document | None:
    """Publish what `change` makes of the document at `url`, with its digest; returns the document that is valid then.

    `change` is given None where there is no object, and returns None to change nothing. It may be called several times.
    """

    def of_bytes(data: bytes | None) -> bytes | None:
        after = change(_object(data))
        return None if after is None else json_bytes(sealed(after))

    return _object(update_bytes(url, of_bytes))


def _object(data: bytes | None) -> Document | None:
    with suppress(ValueError):
        return None if data is None else parsed(data)
    return None


def update_bytes(url: str, change: Change) -> bytes | None:
    """As `update_json`, of bytes: None is a file that does not exist. Raises UserError where `url` cannot be written, or not safely."""
    fs, path = filesystem(url)
    if in_memory(fs):
        with _MEMORY:
            return _changed(fs, path, url, change)
    if not is_local(fs):
        return _compared(fs, path, url, change)
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{url} cannot be written: {error.strerror} ({folder})") from None
    with locked(folder):
        return _changed(fs, path, url, change)


def _changed(fs: Any, path: str, url: str, change: Change) -> bytes | None:
    """The change by the only writer."""
    before = _content(fs, path)
    after = change(before)
    if after is not None:
        publish_bytes(url, after)
    return before if after is None else after


def _compared(fs: Any, path: str, url: str, change: Change) -> bytes | None:
    """The change, made again of what another writer has written meanwhile."""
    for attempt in range(TRIES):
        version = fs.version(path)  # before it is read, so that any later change is noticed
        before = _content(fs, path)
        if (version is None) == (before is None):  # else it was made or removed between the two
            after = change(before)
            if after is None:
                return before
            if _replaced(fs, path, url, after, version):
                return after
        time.sleep(random.uniform(0, min(LONGEST_WAIT, 0.05 * 2**attempt)))
    raise LacunaError(f"{url}: other writers replaced it {TRIES} times while it was changed")


def _replaced(fs: Any, path: str, url: str, after: bytes, version: dict[str, str] | None) -> bool:
    """Whether `after` is the content now, in place of this version or, where it is None, of no file."""
    try:
        if version is None:
            publish_bytes(url, after, once=True)
        else:
            fs.replace(path, after, version)
    except (FileExistsError, FileNotFoundError):  # another writer's, or ours if the store's answer was lost
        return _content(fs, path) == after
    return True


def _content(fs: Any, path: str) -> bytes | None:
    try:
        return bytes(fs.cat_file(path))
    except FileNotFoundError:
        return None
