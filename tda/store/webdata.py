"""The tar gate: WebDataset shards in, pairs or named drops out.

A member belongs to the pair whose key is its name without its last extension, when that extension (in any case) is one of those
below; other members are passed over. So keys may hold dots and folders, and no two pairs are merged. A pair is read when a member of
another pair follows it. One that lacks a member then waits for it, as long as all that wait hold no more than `WAITING_BYTES`;
past that, the oldest lose their bytes and are dropped as interleaved if the rest of them does come.

Nothing is executed, unpickled or extracted; memory is bounded by the limits whatever an archive holds. The end of an archive is checked
before it is read, and every header, count and trailing byte while it is read: the usual readers pass over all of these in silence.
"""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from tda.errors import ShardError
from tda.store.files import filesystem
from tda.store.quarantine import Drop, Reason, Stage, printable

IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp")
ROLES = dict.fromkeys(IMAGE_EXTENSIONS, "image") | {"txt": "caption", "json": "meta"}

WAITING_BYTES = 64 * 2**20
MAX_PAIRS = 1_000_000
MAX_META_BYTES = 2**20
MAX_KEY_LENGTH = 1024
MAX_URL_LENGTH = 8192

_EXTENDED_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


@dataclass(frozen=True, slots=True)
class RawPair:
    """A whole pair as it lay in its shard. `image` is encoded bytes; `width`, `height` (pixels) and `url` are what its side file says."""

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


@dataclass(frozen=True, slots=True)
class Source:
    """What a shard was read from: URL, size in bytes, and the store's etag (locally the time of its last change)."""

    path: str
    size: int
    etag: str


def check_archive(url: str) -> Source:
    """Refuse what is not a whole tar, by its first 512 and last 1024 bytes.

    Raises ShardError, reason missing, forbidden, unreadable, empty, not_a_tar or truncated; only unreadable (the store failed) is worth
    another try.
    """
    source, head, tail = stat_shard(url)
    _check_ends(url, source.size, head, tail)
    return source


def stat_shard(url: str) -> tuple[Source, bytes, bytes]:
    """A shard's source, its first 512 and its last 1024 bytes. Raises ShardError, reason missing, unreadable, empty or not_a_tar."""
    fs, path = filesystem(url)
    try:
        info = fs.info(path)
        size = _size(url, info)
        head, tail = fs.cat_file(path, start=0, end=min(512, size)), fs.cat_file(path, start=max(0, size - 1024), end=size)
    except FileNotFoundError:
        raise ShardError(url, "missing", "no such file") from None
    except OSError as error:
        raise ShardError(url, unread(error), printable(error.strerror or str(error))) from None
    return Source(url, size, str(info.get("ETag") or info.get("etag") or info.get("mtime") or "")), head, tail


def unread(error: OSError) -> str:
    """The reason for a shard that a store does not give: forbidden will stay so, unreadable may be worth another try."""
    return "forbidden" if isinstance(error, PermissionError) else "unreadable"


def _size(url: str, info: dict[str, Any]) -> int:
    if info["type"] != "file":
        raise ShardError(url, "not_a_tar", f"it is a {info['type']}")
    if info["size"] is None:
        raise ShardError(url, "unreadable", "its store does not say its size")
    if info["size"] == 0:
        raise ShardError(url, "empty", "0 bytes")
    return int(info["size"])


def _check_ends(url: str, size: int, head: bytes, tail: bytes) -> None:
    if size >= 512 and any(head):
        try:
            tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise ShardError(url, "not_a_tar", f"begins with {head[:16]!r}") from None
    elif head.lstrip().startswith((b"<", b"{")):
        raise ShardError(url, "not_a_tar", f"begins with {head[:16]!r}")
    if size % 512 or size < 1024 or any(tail):
        raise ShardError(url, "truncated", f"{size} bytes without the end of an archive")


def expected_pairs(url: str) -> int | None:
    """Pairs that img2dataset wrote into this shard, from the `<shard>_stats.json` beside it; None where there is no such file."""
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
) -> Iterator[RawPair | Drop]:
    """Stream a shard: each pair once, as a `RawPair` or as a `Drop`, with ordinals 0..n-1 between them (pairs that waited come late).

    `group` is what members make a pair, by default an image and its caption; another `Group` makes pairs of another kind.

    Raises ShardError: what `check_archive` raises; damaged where a header is broken or data follows the end; count where the number of
    pairs differs from img2dataset's. Pairs that came before an error must not be kept.
    """
    check_archive(url)
    expected = expected_pairs(url)
    fs, path = filesystem(url)
    grouper = _Grouper(group or Group, max_member_bytes, max_caption_bytes, waiting_bytes)
    try:
        with fs.open(path, "rb") as file:
            yield from _read_members(url, file, grouper)
    except (tarfile.TarError, _DamagedError) as error:
        raise ShardError(url, "damaged", printable(str(error))) from None
    except FileNotFoundError:
        raise ShardError(url, "missing", "no such file") from None
    except OSError as error:
        raise ShardError(url, unread(error), printable(error.strerror or str(error))) from None
    if expected is not None and expected != grouper.pairs:
        raise ShardError(url, "count", f"{grouper.pairs} pairs, but its _stats.json says {expected}")


def _read_members(url: str, file: BinaryIO, grouper: "_Grouper") -> Iterator[RawPair | Drop]:
    with tarfile.open(fileobj=file, mode="r|", tarinfo=_Header, errorlevel=2) as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # tarfile would hold every header until the end
            yield from grouper.add(tar, member)
            if grouper.pairs > MAX_PAIRS:
                raise ShardError(url, "too_many_pairs", f"more than {MAX_PAIRS}")
        end = tar.offset  # of the first block of zeros
    yield from grouper.finish()
    file.seek(end)
    while chunk := file.read(2**20):
        if any(chunk):
            raise _DamagedError(f"data after the end-of-archive mark at byte {end}")


class _DamagedError(Exception):
    """Not a HeaderError: those tarfile takes for the end of the archive, in silence."""


class _Header(tarfile.TarInfo):
    """A header that is refused, rather than taken for the end, when broken, and whose extensions are bounded."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the proper end
            raise
        except tarfile.HeaderError as error:
            raise _DamagedError(f"broken header: {error}") from None
        if header.size < 0 or header.type == tarfile.GNUTYPE_SPARSE or (header.type in _EXTENDED_HEADERS and header.size > MAX_META_BYTES):
            raise _DamagedError(f"header of type {header.type!r} and size {header.size}")
        return header


@dataclass(slots=True)
class Group:
    """The members of one pair so far: here an image and its caption. `flaw` is the first reason to drop it; then its bytes are gone."""

    ordinal: int
    key: str
    parts: dict[str, bytes] = field(default_factory=dict)
    flaw: tuple[Reason, str] | None = None

    @property
    def size(self) -> int:
        return sum(map(len, self.parts.values()))

    @classmethod
    def key_and_role(cls, name: str) -> tuple[str, str | None]:
        """The key that a member's name tells, and what it is of its pair: one of `parts`, or nothing."""
        stem, _, extension = name.rpartition(".")
        return stem, ROLES.get(extension.lower())

    @property
    def whole(self) -> bool:
        return "image" in self.parts and ("caption" in self.parts or "caption" in _parse_meta(self.parts.get("meta", b"")))

    def pair(self) -> Any:
        """The pair, or a drop that names what it lacks."""
        return _image_and_caption(self)

    def spoil(self, reason: Reason, detail: str = "") -> None:
        self.flaw = self.flaw or (reason, detail)
        self.parts.clear()

    def drop(self, reason: Reason, detail: str = "") -> Drop:
        return Drop(self.ordinal, printable(self.key, MAX_KEY_LENGTH), Stage.READ, reason, detail)


class _Grouper:
    """Members in, pairs and drops out; see the module's head for the rule."""

    def __init__(self, make: type[Group], max_member_bytes: int, max_caption_bytes: int, waiting_bytes: int) -> None:
        self._make, self._caption_bytes = make, max_caption_bytes
        self._caps = {"image": max_member_bytes, "meta": MAX_META_BYTES}  # everything else is a text
        self._waiting_bytes = waiting_bytes
        self._current: Group | None = None
        self._waiting: dict[str, Group] = {}  # lack a member, oldest first
        self._evicted: dict[str, Group] = {}  # have no bytes left; kept to the end, as more of their members may come
        self._held = 0
        self._seen: set[int] = set()  # hashes of keys: eight bytes each, whatever their length
        self.pairs = 0

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[RawPair | Drop]:
        key, role = _key_and_role(self._make, member)
        if role is None or member.isdir():
            return
        if self._current is None or key != self._current.key or (role in self._current.parts and self._current.whole):
            yield from self._close()
            self._current = self._open(key)
        self._fill(self._current, tar, member, role)

    def finish(self) -> Iterator[RawPair | Drop]:
        yield from self._close()
        for group in (*self._evicted.values(), *self._waiting.values()):
            yield _judge(group)

    def _open(self, key: str) -> Group:
        if (group := self._waiting.pop(key, None)) is not None:
            self._held -= group.size
            return group
        if (group := self._evicted.get(key)) is not None:
            group.spoil(Reason.INTERLEAVED, "its members lie too far apart")
            return group
        group = self._make(self.pairs, key)
        self.pairs += 1
        if hash(key) in self._seen:
            group.spoil(Reason.DUPLICATE_KEY, "an earlier pair of this shard has the same key")
        self._seen.add(hash(key))
        return group

    def _fill(self, group: Group, tar: tarfile.TarFile, member: tarfile.TarInfo, role: str) -> None:
        most = self._caps.get(role, self._caption_bytes)
        if not member.isfile() or _is_bad_name(member.name):
            group.spoil(Reason.BAD_MEMBER, printable(member.name))
        elif role in group.parts:
            group.spoil(Reason.DUPLICATE_KEY, f"two members are its {role}")
        elif member.size > most and role != "meta":
            reason = Reason.MEMBER_TOO_LARGE if role == "image" else Reason.CAPTION_TOO_LONG
            group.spoil(reason, f"{member.size} bytes, at most {most}")
        elif group.flaw is None and member.size <= most:
            data = tar.extractfile(member)
            assert data is not None, "isfile() was checked"
            group.parts[role] = data.read()

    def _close(self) -> Iterator[RawPair | Drop]:
        group, self._current = self._current, None
        if group is None:
            return
        if group.whole or (group.flaw and group.flaw[0] is Reason.DUPLICATE_KEY):
            yield _judge(group)
        elif group.flaw:
            self._evicted[group.key] = group
        else:
            self._wait(group)

    def _wait(self, group: Group) -> None:
        self._waiting[group.key] = group
        self._held += group.size
        while self._held > self._waiting_bytes:
            oldest = self._waiting.pop(next(iter(self._waiting)))
            self._held -= oldest.size
            oldest.parts = dict.fromkeys(oldest.parts, b"")
            self._evicted[oldest.key] = oldest


def _key_and_role(make: type[Group], member: tarfile.TarInfo) -> tuple[str, str | None]:
    name = member.name.removeprefix("./")
    if name.rsplit("/", 1)[-1].startswith("._"):  # resource forks that macOS's tar adds
        return name, None
    return make.key_and_role(name)


def _is_bad_name(name: str) -> bool:
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return True
    stem = name.rsplit("/", 1)[-1].rpartition(".")[0]
    return not stem or name.startswith("/") or ".." in name.split("/") or len(encoded) > MAX_KEY_LENGTH or "\0" in name


def _judge(group: Group) -> Any:
    """Turn a finished group into a pair, or name what it lacks."""
    return group.drop(*group.flaw) if group.flaw else group.pair()


def _image_and_caption(group: Group) -> RawPair | Drop:
    if "image" not in group.parts:
        return group.drop(Reason.MISSING_IMAGE, f"it has only: {', '.join(group.parts)}")
    meta = _parse_meta(group.parts.get("meta", b""))
    try:
        caption = _caption(group.parts.get("caption"), meta)
    except UnicodeError as error:
        return group.drop(Reason.CAPTION_NOT_UTF8, printable(str(error)))
    if caption is None:
        return group.drop(Reason.MISSING_CAPTION)
    if not caption.strip():
        return group.drop(Reason.EMPTY_CAPTION)
    return RawPair(group.ordinal, group.key, group.parts["image"], caption, _url(meta), _pixels(meta, "width"), _pixels(meta, "height"))


def _caption(raw: bytes | None, meta: dict[str, Any]) -> str | None:
    if raw is not None:
        return raw.decode("utf-8-sig")
    caption = meta.get("caption")
    if not isinstance(caption, str):
        return None
    caption.encode()  # JSON can hold lone surrogates, which nothing after this could store
    return caption


def _parse_meta(data: bytes) -> dict[str, Any]:
    """The side file of a pair; it is a help, not a need, so a broken one says nothing."""
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
