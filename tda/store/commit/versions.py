"""The Parquet files of a shard: <shard>.parquet if that name is free, else a name with the file's sha256.

The content under a name never changes: see `tda.store.commit.transaction`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from tda.store.files import file_sha256, give_name, join, remove, staged

DIGITS = 12  # of the sha256 in a name
Write: TypeAlias = Callable[[BinaryIO], None]
Check: TypeAlias = Callable[[Path], None]


def publish_version(folder: str, shard: str, write: Write, check: Check | None = None, *, plain: bool) -> dict[str, Any]:
    """Publish a file of a shard once. Returns its entry for the record: sha256, bytes, and `file` unless that is the plain name.

    `plain`: whether <shard>.parquet may be used. Raises as `tda.store.files.publish` does.
    """
    usual = f"{shard}.parquet"
    with staged(join(folder, usual), write) as temporary:
        if check is not None:
            check(temporary)
        sha256 = file_sha256(temporary)
        entry = {"sha256": sha256, "bytes": temporary.stat().st_size}
        if plain and _take(temporary, join(folder, usual), sha256):
            return entry
        name = f"{shard}.{sha256[:DIGITS]}.parquet"
        if not _take(temporary, join(folder, name), sha256):
            give_name(temporary, join(folder, name), once=False)  # there, but damaged: its content differs from the sha256 in its name
        return {**entry, "file": name}


def _take(temporary: Path, url: str, sha256: str) -> bool:
    """Whether `url` now has the staged content: it was free, or had the same content."""
    try:
        give_name(temporary, url, once=True)
    except FileExistsError:
        return sha256_if_there(url) == sha256
    return True


def sha256_if_there(url: str) -> str | None:
    """`file_sha256` of a file; None if it is not there (any more)."""
    try:
        return file_sha256(url)
    except FileNotFoundError:
        return None


def tidy(folder: str, shard: str, named: str | None, *ours: str | None) -> None:
    """Remove <shard>.parquet and `ours` unless the record names them: no later record can name them."""
    for name in {f"{shard}.parquet", *filter(None, ours)} - {named}:
        remove(join(folder, name))
