"""What a store needs beyond fsspec: how its client is opened and tuned, and how it replaces a file only if nobody else has.

Any store of fsspec is read as it is. One that a root lies on is a `Store` in `STORES`: files that several commands share
(`tda.store.update`) are changed only where a writer that came too late is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import fsspec

from tda.errors import UserError
from tda.store.remote.retry import timeout


def _plain(url: str) -> tuple[Any, str]:
    fs, path = fsspec.core.url_to_fs(url)
    return fs, str(path)


@dataclass(frozen=True, kw_only=True)
class Store:
    """One kind of store, by the protocols of its URLs."""

    protocols: tuple[str, ...]
    version: Callable[[Mapping[str, Any]], dict[str, str | None]]  # of a file's info: what `pipe_file` takes to replace this version only
    opened: Callable[[str], tuple[Any, str]] = _plain  # URL -> its file system and the path inside it
    tune: Callable[[Any], None] = lambda _: None  # of a new file system: its own retries off, its timeouts ours


def _google(url: str) -> tuple[Any, str]:
    try:
        from tda.store.remote.google import GoogleFileSystem
    except ImportError as error:
        raise UserError(f"{url!r} is on Google's store, for which gcsfs is needed: pip install 'lacuna[gcs]' ({error})") from None
    fs = GoogleFileSystem()
    return fs, str(fs._strip_protocol(url))  # noqa: SLF001 (as fsspec itself does)


def _tune_s3(fs: Any) -> None:
    if getattr(fs, "_s3", None) is None:  # not connected yet
        fs.retries, fs.read_timeout = 1, timeout()
        fs.config_kwargs.setdefault("retries", {"total_max_attempts": 1})


STORES = (
    Store(protocols=("s3", "s3a"), version=lambda info: {"IfMatch": info.get("ETag")}, tune=_tune_s3),
    Store(protocols=("gs", "gcs"), version=lambda info: {"ifGenerationMatch": info.get("generation")}, opened=_google),
)


def store_of(protocol: str) -> Store | None:
    """The store of a URL's protocol; None for one of which only fsspec knows."""
    return next((store for store in STORES if protocol in store.protocols), None)


def opened(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path inside it. Raises ValueError or ImportError for a protocol that cannot be opened here."""
    store = store_of(fsspec.utils.get_protocol(url))
    return store.opened(url) if store else _plain(url)
