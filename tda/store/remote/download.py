"""A published file by HTTP: resumed by range after any cut, checked against its digest before it has its name.

A part lies beside the target as `<name>.part`, with the server's etag in `<name>.part.json`: bytes of two versions are never joined.
"""

import hashlib
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tda.errors import LacunaError, UserError
from tda.store.remote.retry import attempts, timeout

BLOCK = 2**20
PASSING = (408, 425, 429)  # and all of 500 and above: worth another attempt


class NoNetworkError(Exception):
    """The server's machine cannot be reached at all."""


class _CutError(Exception):
    """A fault that passes; what has arrived stays."""


def download(
    url: str, target: Path, sha256: str | None, pause: float = 1.0, moved_on: Callable[[int, int | None], None] | None = None
) -> str:
    """Fetch `url` as `target` and return its sha256; a `target` of that digest is left as it is.

    `sha256`: the digest or its first 8 or more digits; None is not checked. `moved_on` gets bytes so far, and all if the server says it.

    Raises UserError for an address that is refused (403, 404, ...) and for other bytes than the digest's, which are removed; LacunaError
    where the server fails again and again (the part stays, and the next call goes on from it); NoNetworkError.
    """
    if not url.startswith(("http://", "https://")):
        raise UserError(f"{url} is no address of a published file: http:// and https:// are read")
    if sha256 is not None and len(sha256) < 8:
        raise UserError(f"sha256={sha256!r} is too short: give at least the first 8 digits")
    if target.exists():
        return _checked(url, target, target, sha256)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    _complete(url, part, pause, moved_on or (lambda _done, _all: None))
    found = _checked(url, part, target, sha256)
    part.replace(target)
    _note(part).unlink(missing_ok=True)
    return found


def _complete(url: str, part: Path, pause: float, moved_on: Callable[[int, int | None], None]) -> None:
    """Attempts until the part is whole; an attempt that brought bytes does not count."""
    left, before = attempts(), part.stat().st_size if part.exists() else 0
    while True:
        try:
            return _attempt(url, part, moved_on)
        except _CutError as error:
            size = part.stat().st_size if part.exists() else 0
            left = attempts() if size > before else left - 1
            before = max(before, size)
            if left <= 0:
                raise LacunaError(f"{url}: {error}; {size} bytes are kept in {part}, and the same command goes on from there") from None
            time.sleep(pause)


def _attempt(url: str, part: Path, moved_on: Callable[[int, int | None], None]) -> None:
    have, etag = _standing(url, part)
    headers = {"User-Agent": "lacuna", "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-", "If-Range": etag} if have else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout()) as answer:  # noqa: S310 (http alone)
            _take(url, answer, part, have if answer.status == 206 else 0, moved_on)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is as long as the file, or longer
            part.unlink(missing_ok=True)
            raise _CutError("the server has fewer bytes than were kept") from None
        if error.code in PASSING or error.code >= 500:
            raise _CutError(f"the server answers {error.code} {error.reason}") from None
        raise UserError(f"{url} is refused by its server: {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _CutError("the server does not answer") from None
        raise NoNetworkError(str(error.reason)) from None
    except (HTTPException, OSError) as error:
        raise _CutError(str(error) or type(error).__name__) from None


def _take(url: str, answer: Any, part: Path, start: int, moved_on: Callable[[int, int | None], None]) -> None:
    length = answer.headers.get("Content-Length")
    whole = start + int(length) if length is not None and length.isdigit() else None
    etag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    _note(part).write_text(json.dumps({"url": url, "etag": etag}))
    with part.open("r+b" if start else "wb") as file:
        file.truncate(start)
        file.seek(start)
        while block := answer.read(BLOCK):
            file.write(block)
            moved_on(file.tell(), whole)
        file.flush()
        os.fsync(file.fileno())
        if whole is not None and file.tell() < whole:
            raise _CutError(f"the answer ended after {file.tell()} of {whole} bytes")


def _standing(url: str, part: Path) -> tuple[int, str]:
    """(bytes that can be kept, their etag): none without a strong etag of the same address."""
    with suppress(OSError, ValueError, AttributeError):
        note = json.loads(_note(part).read_text())
        etag = str(note.get("etag", ""))
        if note.get("url") == url and etag and not etag.startswith("W/"):
            return part.stat().st_size, etag
    return 0, ""


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _checked(url: str, file: Path, target: Path, sha256: str | None) -> str:
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if sha256 is not None and not found.startswith(sha256.lower()):
        if file is target:
            raise UserError(f"{target} has sha256 {found[:16]}..., not {sha256[:16]}...: it is damaged or another file; remove it first")
        file.unlink()
        _note(file).unlink(missing_ok=True)
        raise UserError(
            f"{url} gave bytes of sha256 {found[:16]}..., not {sha256[:16]}...: they were removed, and nothing was read from them"
        )
    return found
