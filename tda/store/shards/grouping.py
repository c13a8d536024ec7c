"""Groups members of an archive into pairs, in any order and bounded memory: see `tda.store.shards.webdataset` for the rule."""

import hashlib
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tda.store.shards.tar import MAX_META_BYTES
from tda.store.types import MAX_KEY_LENGTH, Drop, Reason, Stage, printable


@dataclass(slots=True)
class Group(ABC):
    """The members of one pair so far. `flaw` is the first reason to drop it; its bytes are then released."""

    ordinal: int
    key: str
    parts: dict[str, bytes] = field(default_factory=dict)
    flaw: tuple[Reason, str] | None = None
    max_text_bytes: int | None = None
    unread_meta: int = 0  # bytes of a side file that is too large to be read

    @property
    def size(self) -> int:
        return sum(map(len, self.parts.values()))

    @classmethod
    @abstractmethod
    def key_and_role(cls, name: str) -> tuple[str, str | None]:
        """The key in a member's name, and the member's role: a name in `parts`, or None."""

    @property
    @abstractmethod
    def whole(self) -> bool:
        """Whether the pair has all its members."""

    @abstractmethod
    def pair(self) -> Any:
        """The pair, or a drop that names what is missing."""

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
        self._held = 0
        self._seen: set[int] = set()  # hashes of keys: eight bytes each, whatever their length
        self.pairs = 0

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[Any]:
        key, role = _key_and_role(self._make, member)
        if role is None or member.isdir():
            return
        if self._current is None or key != self._current.key or (role in self._current.parts and self._current.whole):
            yield from self._close()
            self._current = self._open(key)
        self._fill(self._current, tar, member, role)

    def finish(self) -> Iterator[Any]:
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
        group = self._make(self.pairs, key, max_text_bytes=self._caption_bytes)
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
