"""Read, change and publish a file that several commands share, so that no change of any of them is lost.

Locally a lock of the folder lets one writer in at a time. S3 and Google's store replace only the version that was read, and a writer
that came too late reads again and repeats its change. Files that belong to a document, such as tables, are published inside the change:
then the last document that was written is of the last files, whatever the order of the writers.
"""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tda.errors import LacunaError, UserError
from tda.store.documents import Document, parsed, sealed
from tda.store.files import filesystem, is_local, json_bytes, locked, publish_bytes

TRIES = 100  # of a writer that others overtake each time
LONGEST_WAIT = 1.0  # seconds

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
    """As `update_json`, of bytes: None is a file that does not exist. Raises UserError where `url` cannot be written."""
    fs, path = filesystem(url)
    if not is_local(fs):
        return _compared(fs, path, url, change)
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{url} cannot be written: {error.strerror} ({folder})") from None
    with locked(folder):
        before = _content(fs, path)
        after = change(before)
        if after is not None:
            publish_bytes(url, after)
        return before if after is None else after


def _compared(fs: Any, path: str, url: str, change: Change) -> bytes | None:
    for attempt in range(TRIES):
        held = fs.held(path)  # before it is read, so that any later change is noticed
        before = _content(fs, path)
        if bool(held) != (before is not None) and bool(fs.held(path)) != bool(held):
            continue  # made or removed between the two
        after = change(before)
        if after is None:
            return before
        if _replaced(fs, path, url, after, held=held, new=before is None):
            return after
        time.sleep(random.uniform(0, min(LONGEST_WAIT, 0.05 * 2**attempt)))
    raise LacunaError(f"{url}: other writers replaced it {TRIES} times while it was changed")


def _replaced(fs: Any, path: str, url: str, after: bytes, *, held: dict[str, Any], new: bool) -> bool:
    """Whether `after` is the content now. A store that compares nothing is overwritten."""
    try:
        if held:
            fs.replace(path, after, held)
        else:
            publish_bytes(url, after, once=new)
    except (FileExistsError, FileNotFoundError):  # another writer's, or ours if the store's answer was lost
        return _content(fs, path) == after
    return True


def _content(fs: Any, path: str) -> bytes | None:
    try:
        return bytes(fs.cat_file(path))
    except FileNotFoundError:
        return None
