"""Reads WebDataset shards as pairs and drops with a reason.

A member's key is its name without its last extension, if that extension (in any case) is one of those below; other members are skipped.
So keys may hold dots and folders, and no two pairs are merged. A picture that annotates another pair (`0001.seg.png`) is no pair, unless
it has a caption of its own. `tda.store.shards.members` reads tars whose members have other names.

A pair ends when a member of another pair follows. An incomplete pair then waits for its members, as long as all waiting pairs hold at most
`WAITING_BYTES`; beyond that, the oldest lose their bytes, and are dropped as interleaved if their other members do come.

Nothing is executed, unpickled or extracted, and the limits bound memory for any archive. The end of an archive is checked before reading;
every header, the count of pairs and every trailing byte while reading. Common readers silently skip all of these checks.
"""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tda.errors import ShardError
from tda.store.files import filesystem
from tda.store.shards.digest import HashedFile, Seen
from tda.store.shards.grouping import SPARE, Group, Grouper
from tda.store.shards.tar import MAX_META_BYTES, DamagedError, check_archive, iter_members, stat_shard, unread
from tda.store.types import Drop, Reason, printable

__all__ = [
    "MAX_PAIRS",
    "MAX_URL_LENGTH",
    "Group",
    "ImageGroup",
    "RawPair",
    "check_archive",
    "expected_pairs",
    "judged",
    "read_pairs",
    "stat_shard",
    "unread",
]

IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp")
SPARE_EXTENSIONS = ("jfif", "jpe", "gif", "avif", "bmp")  # pictures too, where a pair has none of the first
ROLES = dict.fromkeys(IMAGE_EXTENSIONS, "image") | dict.fromkeys(SPARE_EXTENSIONS, SPARE) | {"txt": "caption", "json": "meta"}
ANNOTATIONS = frozenset(  # `0001.seg.png` beside `0001.jpg` is no pair of its own
    ("seg", "segmentation", "semseg", "mask", "masks", "depth", "normal", "normals", "edge", "edges", "canny", "pose", "alpha", "thumb")
)

WAITING_BYTES = 64 * 2**20
MAX_PAIRS = 1_000_000
MAX_URL_LENGTH = 8192


@dataclass(frozen=True, slots=True)
class RawPair:
    """A complete pair of a shard. `image` is encoded bytes; `width`, `height` (pixels) and `url` come from its side file."""

    ordinal: int
    key: str
    image: bytes
    caption: str
    url: str | None = None
    width: int | None = None
    height: int | None = None

    @property
    def members(self) -> tuple[bytes, str]:
        """The two modalities, in order."""
        return self.image, self.caption


def expected_pairs(url: str) -> int | None:
    """Pairs that img2dataset wrote into this shard, from the `<shard>_stats.json` beside it; None if there is no such file."""
    fs, path = filesystem(url)
    try:
        return int(json.loads(fs.cat_file(path.removesuffix(".tar") + "_stats.json"))["successes"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ShardError(url, "count", f"its _stats.json cannot be read: {printable(repr(error))}") from None


def read_pairs(
    url: str,
    *,
    max_member_bytes: int = 67_108_864,
    max_caption_bytes: int = 65_536,
    waiting_bytes: int = WAITING_BYTES,
    group: "type[Group] | None" = None,
    seen: Seen | None = None,
) -> Iterator[RawPair | Drop]:
    """Stream a shard: each pair once, as a `RawPair` or as a `Drop`, together with ordinals 0..n-1 (pairs that waited come late).

    `group` makes pairs of members, by default an image and its caption. `seen` gets the digest
    of the shard with the last pair.

    Raises ShardError: as `check_archive`; damaged if a header is broken or data follows the end; count if the number of pairs differs
    from img2dataset's. Pairs before an error must not be kept.
    """
    source = check_archive(url)
    expected = expected_pairs(url)
    fs, path = filesystem(url)
    grouper = Grouper(group or ImageGroup, max_member_bytes, max_caption_bytes, waiting_bytes)
    try:
        with fs.open(path, "rb") as opened:
            file = HashedFile(opened)
            for tar, member in iter_members(file, source.size):  # type: ignore[arg-type]  # it has read, seek and tell
                yield from grouper.add(tar, member)
                if grouper.pairs > MAX_PAIRS:
                    raise ShardError(url, "too_many_pairs", f"more than {MAX_PAIRS}")
            yield from grouper.finish()
            if seen is not None:
                seen.sha256 = file.digest(source.size)
    except (tarfile.TarError, DamagedError) as error:
        raise ShardError(url, "damaged", printable(str(error))) from None
    except FileNotFoundError:
        raise ShardError(url, "missing", "no such file") from None
    except OSError as error:
        raise ShardError(url, unread(error), printable(error.strerror or str(error))) from None
    if expected is not None and expected != grouper.pairs:
        raise ShardError(url, "count", f"{grouper.pairs} pairs, but its _stats.json has {expected}")


class ImageGroup(Group):
    """An image and its caption, which is a text member or in the side file."""

    __slots__ = ()

    @classmethod
    def key_and_role(cls, name: str) -> tuple[str, str | None]:
        stem, _, extension = name.rpartition(".")
        return stem, ROLES.get(extension.lower())

    @classmethod
    def annotates(cls, key: str) -> str | None:
        stem, dot, word = key.rpartition(".")
        return stem if dot and word.lower() in ANNOTATIONS else None

    @property
    def whole(self) -> bool:
        if "image" not in self.parts and SPARE not in self.parts:
            return False
        return "caption" in self.parts or "caption" in _parse_meta(self.parts.get("meta", b""))

    def pair(self) -> RawPair | Drop:
        return _image_and_caption(self)


def _image_and_caption(group: Group) -> RawPair | Drop:
    image = group.parts.get("image", group.parts.get(SPARE))
    if image is None:
        return group.drop(*(group.spare_flaw or (Reason.MISSING_IMAGE, f"it has only: {', '.join(group.parts)}")))
    meta = _parse_meta(group.parts.get("meta", b""))
    raw = group.parts.get("caption")
    caption = meta.get("caption") if raw is None else raw
    return judged(group, image, caption, meta) if isinstance(caption, bytes | str) else _without_caption(group)


def judged(group: Group, image: bytes, text: bytes | str, meta: dict[str, Any]) -> RawPair | Drop:
    """A pair of these members, or a drop that names what is wrong with its caption; `meta` is its side file."""
    try:
        caption = _text(text)
    except UnicodeError as error:
        return group.drop(Reason.CAPTION_NOT_UTF8, printable(str(error)))
    if group.max_text_bytes is not None and (size := len(caption.encode())) > group.max_text_bytes:
        return group.drop(Reason.CAPTION_TOO_LONG, f"{size} bytes, at most {group.max_text_bytes}")
    if not caption.strip():
        return group.drop(Reason.EMPTY_CAPTION)
    return RawPair(group.ordinal, group.key, image, caption, _url(meta), _pixels(meta, "width"), _pixels(meta, "height"))


def _without_caption(group: Group) -> Drop:
    if not group.unread_meta:
        return group.drop(Reason.MISSING_CAPTION)
    return group.drop(Reason.MEMBER_TOO_LARGE, f"its .json has {group.unread_meta} bytes, at most {MAX_META_BYTES}: no caption is read")


def _text(raw: bytes | str) -> str:
    if isinstance(raw, bytes):
        return raw.decode("utf-8-sig")
    raw.encode()  # JSON can hold lone surrogates, which cannot be stored later
    return raw


def _parse_meta(data: bytes) -> dict[str, Any]:
    """The side file of a pair. It is optional, so a broken one counts as empty."""
    try:
        meta = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        return {}
    return meta if isinstance(meta, dict) else {}


def _url(meta: dict[str, Any]) -> str | None:
    url = meta.get("url")
    return printable(url, MAX_URL_LENGTH) if isinstance(url, str) else None


def _pixels(meta: dict[str, Any], name: str) -> int | None:
    value = meta.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else None
