"""Whether a shard is still the one that was embedded: by place, size and etag, and where these leave it open by its digest."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import groupby
from typing import Any

from tda.store.files import filesystem, is_local
from tda.store.types import Source

FEW = 8  # shards of a folder that are asked for one by one: listing all of it could cost more
NO_LISTING = ("http", "https")


class Standing(StrEnum):
    """What became of a recorded shard."""

    SAME = "same"
    MOVED = "moved"  # the same bytes, by size and etag, in another place
    ELSEWHERE = "elsewhere"  # another place, and other bytes or perhaps the same
    CHANGED = "changed"  # other bytes: another size, another etag of a store whose etags are digests, or another digest
    TOUCHED = "touched"  # the same size, but another time of change: the digest decides
    UNKNOWN = "unknown"  # nothing to compare with: it is not there, or its store gives no listing


def etag_of(info: Mapping[str, Any]) -> str:
    """What changes with the content of a file: its etag, or on a local disk the time of its last change."""
    return str(info.get("ETag") or info.get("etag") or info.get("blob_id") or info.get("mtime") or "")  # blob_id: of hf://


def current_sources(urls: Iterable[str]) -> dict[str, Source]:
    """Size and etag of each shard, from one listing a folder; shards that are not there, or whose store lists nothing, are left out."""
    found: dict[str, Source] = {}
    for folder, members in groupby(sorted(urls, key=_folder), key=_folder):
        found |= _in_folder(folder, list(members))
    return found


def standing(recorded: Mapping[str, Any], now: Source | None, root: str) -> Standing:
    """Hold the `source` of a record to what is there now. `root`: a root that was moved as a whole takes the shards in it along."""
    if now is None:
        return Standing.UNKNOWN
    same_size, same_etag = recorded.get("size") == now.size, str(recorded.get("etag", "")) == now.etag != ""
    if not same_place(str(recorded.get("path", "")), now.path, root):
        return Standing.MOVED if same_size and same_etag else Standing.ELSEWHERE
    if not same_size:
        return Standing.CHANGED
    return Standing.SAME if same_etag or not now.etag else Standing.TOUCHED


def reachable(root: str, path: str) -> bool:
    """Whether a source may be looked at unasked: a file of this machine, or on the root's own store."""
    scheme, mark, rest = path.partition("://")
    if not mark or scheme == "file":
        return True
    return root.startswith(f"{scheme}://") and root.split("/")[2] == rest.partition("/")[0]


def same_place(recorded: str, now: str, root: str) -> bool:
    """Whether two URLs mean one place: without the query of a signed URL, and within a root by the path below it."""
    before, after = _plain(recorded), _plain(now)
    within = root.rstrip("/") + "/"
    return before == after or (after.startswith(within) and before.endswith("/" + after.removeprefix(within)))


def _plain(url: str) -> str:
    if url.endswith(".unit"):  # its name holds a digest of what it was cut from, which size and etag tell too
        return re.sub(r"\.[0-9a-f]{12}\.unit$", ".unit", url.removeprefix("file://"))
    return url.partition("?")[0] if url.startswith(("http://", "https://")) else url.removeprefix("file://")


def _folder(url: str) -> str:
    return url.rpartition("/")[0]


def _in_folder(folder: str, urls: list[str]) -> dict[str, Source]:
    fs, path = filesystem(folder or "/")
    protocols = (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)
    if set(protocols) & set(NO_LISTING):
        return {}
    if is_local(fs) or len(urls) <= FEW:
        return {url: source for url in urls if (source := source_now(url))}
    try:
        entries = {str(entry["name"]).rsplit("/", 1)[-1]: entry for entry in fs.ls(path, detail=True) if entry["type"] == "file"}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    named = {url: entries.get(url.rsplit("/", 1)[-1]) for url in urls}
    return {url: Source(url, int(entry["size"]), etag_of(entry)) for url, entry in named.items() if entry and entry["size"] is not None}


def source_now(url: str) -> Source | None:
    """Size and etag of one shard; None where it is not there."""
    fs, path = filesystem(url)
    try:
        info = fs.info(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Source(url, int(info["size"]), etag_of(info)) if info["type"] == "file" and info["size"] is not None else None
