"""Groups members of an archive into pairs, in any order and bounded memory: see `tda.store.shards.webdataset` for the rule."""

import hashlib
import re
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tda.store.shards.tar import MAX_META_BYTES
from tda.store.types import MAX_KEY_LENGTH, Drop, Reason, Stage, printable

SPARE = "image:spare"  # the role of a picture that only counts where the pair has no other
_OF_THE_ARCHIVE = re.compile(r"(^|/)__[^/]*__(\.[^/.]*)?(/|$)")  # WebDataset's __meta__ and the like


@dataclass(slots=True)
class Group(ABC):
    """The members of one pair so far. `flaw` is the first reason to drop it; its bytes are then released."""

    ordinal: int
    key: str
    parts: dict[str, bytes] = field(default_factory=dict)
    flaw: tuple[Reason, str] | None = None
    max_text_bytes: int | None = None
    unread_meta: int = 0  # bytes of a side file that is too large to be read
    spare_flaw: tuple[Reason, str] | None = None  # why a picture that only counts where there is no other cannot be used

    @property
    def size(self) -> int:
        return sum(map(len, self.parts.values()))

    @classmethod
    @abstractmethod
    def key_and_role(cls, name: str) -> tuple[str, str | None]:
        """The key in a member's name, and the member's role: a name in `parts`, or None."""

    @classmethod
    def annotates(cls, key: str) -> str | None:
        """The key of the pair that an image of this key only annotates (`0001` for `0001.seg`); None for a key of its own."""
        _ = key
        return None

    @property
    @abstractmethod
    def whole(self) -> bool:
        """Whether the pair has all its members."""

    @abstractmethod
    def pair(self) -> Any:
        """The pair, or a drop that names what is missing."""

    @property
    def numbered(self) -> bool:
        """Whether it is a pair so far: a picture that may annotate another pair has no ordinal."""
        return self.ordinal >= 0

    def spoil(self, reason: Reason, detail: str = "") -> None:
        self.flaw = self.flaw or (reason, detail)
        self.parts.clear()

    def drop(self, reason: Reason, detail: str = "") -> Drop:
        return Drop(self.ordinal, printable(self.key, MAX_KEY_LENGTH), Stage.READ, reason, detail)


class Grouper:
    """Members in, pairs and drops out."""

    def __init__(self, make: type[Group], max_member_bytes: int, max_caption_bytes: int, waiting_bytes: int) -> None:
        self._make, self._caption_bytes = make, max_caption_bytes
        self._caps = {"image": max_member_bytes, "meta": MAX_META_BYTES}  # all other roles are texts
        self._waiting_bytes = waiting_bytes
        self._current: Group | None = None
        self._waiting: dict[str, Group] = {}  # incomplete, oldest first
        self._evicted: dict[str, Group] = {}  # their bytes are released; kept to the end, as more of their members may come
        self._aside: dict[str, Group] = {}  # pictures that annotate a pair, unless more members come
        self._held = 0
        self._seen: set[int] = set()  # hashes of keys: eight bytes each, whatever their length
        self.pairs = 0

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[Any]:
        key, role = _key_and_role(self._make, member)
        if role is None or member.isdir():
            return
        if self._current is None or key != self._current.key or (role in self._current.parts and self._current.whole):
            yield from self._close()
            self._current = self._open(key, role)
        if not self._current.numbered and kind_of(role) != "image":
            self._number(self._current)
        self._fill(self._current, tar, member, role)

    def finish(self) -> Iterator[Any]:
        yield from self._close()
        for group in (*self._evicted.values(), *self._waiting.values()):
            yield _judge(group)
        for group in self._aside.values():
            if hash(self._make.annotates(group.key)) not in self._seen:
                self._number(group)
                yield _judge(group)

    def _open(self, key: str, role: str) -> Group:
        if (group := self._aside.pop(key, None)) is not None:
            if kind_of(role) != "image":
                group.spoil(Reason.INTERLEAVED, "its members lie too far apart")
            return group
        if (group := self._waiting.pop(key, None)) is not None:
            self._held -= group.size
            return group
        if (group := self._evicted.get(key)) is not None:
            group.spoil(Reason.INTERLEAVED, "its members lie too far apart")
            return group
        group = self._make(-1, key, max_text_bytes=self._caption_bytes)
        if kind_of(role) != "image" or self._make.annotates(key) is None or hash(key) in self._seen:
            self._number(group)
        return group

    def _number(self, group: Group) -> None:
        group.ordinal = self.pairs
        self.pairs += 1
        if hash(group.key) in self._seen:
            group.spoil(Reason.DUPLICATE_KEY, "an earlier pair of this shard has the same key")
        self._seen.add(hash(group.key))

    def _fill(self, group: Group, tar: tarfile.TarFile, member: tarfile.TarInfo, role: str) -> None:
        kind = kind_of(role)
        most = self._caps.get(kind, self._caption_bytes)
        if role == SPARE and (flaw := _flaw(group, member, role, most)):
            group.spare_flaw = group.spare_flaw or flaw
        elif not member.isfile() or _is_bad_name(member.name):
            group.spoil(Reason.BAD_MEMBER, printable(member.name))
        elif role in group.parts:
            group.spoil(Reason.DUPLICATE_KEY, f"two members are its {role.partition(':')[2] or role}")
        elif member.size > most and kind != "meta":
            reason = Reason.MEMBER_TOO_LARGE if kind == "image" else Reason.CAPTION_TOO_LONG
            group.spoil(reason, f"{member.size} bytes, at most {most}")
        elif member.size > most:
            group.unread_meta = member.size
        elif group.flaw is None:
            data = tar.extractfile(member)
            assert data is not None, "isfile() was checked"
            group.parts[role] = data.read()

    def _close(self) -> Iterator[Any]:
        group, self._current = self._current, None
        if group is None:
            return
        if not group.numbered:
            group.parts = dict.fromkeys(group.parts, b"")
            self._aside[group.key] = group
        elif group.whole or (group.flaw and group.flaw[0] is Reason.DUPLICATE_KEY):
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


def kind_of(role: str) -> str:
    """image, caption or meta: a role may name its ending after a colon."""
    return role.partition(":")[0]


def _flaw(group: Group, member: tarfile.TarInfo, role: str, most: int) -> tuple[Reason, str] | None:
    if not member.isfile() or _is_bad_name(member.name):
        return Reason.BAD_MEMBER, printable(member.name)
    if member.size > most:
        return Reason.MEMBER_TOO_LARGE, f"{member.size} bytes, at most {most}"
    return (Reason.DUPLICATE_KEY, "two members are its image") if role in group.parts else None


def _key_and_role(make: type[Group], member: tarfile.TarInfo) -> tuple[str, str | None]:
    name = member.name.removeprefix("./")
    last = name.rsplit("/", 1)[-1]
    if last.startswith("._") or _OF_THE_ARCHIVE.search(name):  # resource forks that macOS's tar adds; notes on the archive itself
        return name, None
    key, role = make.key_and_role(name)
    return (key if len(key) <= MAX_KEY_LENGTH else _cut(key)), role


def _cut(key: str) -> str:
    """A short form of a key that is too long to keep: its beginning, and a digest that distinguishes it."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return f"{key[:200]}...{digest}"


def _is_bad_name(name: str) -> bool:
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return True
    stem = name.rsplit("/", 1)[-1].rpartition(".")[0]
    return not stem or name.startswith("/") or ".." in name.split("/") or len(encoded) > MAX_KEY_LENGTH or "\0" in name


def _judge(group: Group) -> Any:
    """Turn a finished group into a pair or a drop."""
    return group.drop(*group.flaw) if group.flaw else group.pair()
