"""Reads a unit as pairs and drops, by the rules that hold for the members of a tar; files are read a few ahead."""

import hashlib
import json
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from tda.errors import ShardError
from tda.store.shards.digest import Seen
from tda.store.shards.grouping import SPARE
from tda.store.shards.tar import MAX_META_BYTES
from tda.store.shards.units import tables
from tda.store.shards.units.places import Got, Place, entries_now, opened, table_state
from tda.store.shards.units.unit import Entry, Unit, content_of, read_unit_file
from tda.store.shards.webdataset import ImageGroup, RawPair
from tda.store.types import MAX_KEY_LENGTH, Drop, Reason, Source, Stage, printable

AHEAD = 8  # pairs whose files are read at once

Files = list[tuple[str, str, Got]]  # role, name, content


def read_unit(
    url: str,
    *,
    max_member_bytes: int = 67_108_864,
    max_caption_bytes: int = 65_536,
    seen: Seen | None = None,
    only: Collection[int] | None = None,
) -> Iterator[RawPair | Drop]:
    """Every pair once, in order; with `only` these ordinals alone. `seen` gets the digest of all that was read.

    Raises ShardError: missing, damaged, forbidden or unreadable; the last is worth another attempt.
    """
    unit, digest = read_unit_file(url), hashlib.sha256()
    try:
        for ordinal, entry, files in _contents(url, unit, only):
            _hash(digest, entry, files)
            yield _judged(ordinal, entry, files, max_member_bytes, max_caption_bytes)
    except PermissionError as error:
        raise ShardError(url, "forbidden", printable(error.strerror or str(error))) from None
    except OSError as error:
        raise ShardError(url, "unreadable", printable(error.strerror or str(error))) from None
    if seen is not None and only is None:
        seen.sha256 = digest.hexdigest()


def unit_sha256(url: str) -> str:
    """The digest of a unit's content, read once more. Raises ShardError."""
    seen = Seen()
    for _ in read_unit(url, seen=seen):
        pass
    assert seen.sha256 is not None
    return seen.sha256


def unit_source_now(url: str) -> Source:
    """Size and etag that the unit would have if it was cut now; on a store that would be asked for each file, those it was cut with."""
    unit = read_unit_file(url)
    if unit.rows is not None:
        size, etag = table_state(unit.base)
        return Source(url, size, tables.etag_of_rows(etag, unit.rows, unit.columns))
    size, etag = content_of(entries_now(unit)) if Place(unit).local else (unit.size, unit.etag)
    return Source(url, size, etag)


def check_unit(url: str) -> Source:
    """As `unit_source_now`; raises ShardError, reason missing or unreadable, also where a store fails."""
    try:
        return unit_source_now(url)
    except FileNotFoundError as error:
        raise ShardError(url, "missing", printable(error.strerror or str(error))) from None
    except OSError as error:
        raise ShardError(url, "unreadable", printable(error.strerror or str(error))) from None


def places_of(url: str) -> list[str]:
    """Every address that reading the unit would ask, one for each store. Raises ShardError."""
    unit = read_unit_file(url)
    urls = {file.name for entry in unit.entries for file in entry.files if "://" in file.name}
    return [unit.base, *sorted({"/".join(url.split("/")[:4]) for url in urls})]


def _contents(url: str, unit: Unit, only: Collection[int] | None) -> Iterator[tuple[int, Entry, Files]]:
    if unit.rows is not None:
        for ordinal, (entry, data) in enumerate(tables.rows_of(url, unit)):
            if only is None or ordinal in only:
                yield ordinal, entry, [] if data is None else [("image", entry.key, Got(data))]
        return
    wanted = [(ordinal, entry) for ordinal, entry in enumerate(unit.entries) if only is None or ordinal in only]
    with opened(url, unit) as place, ThreadPoolExecutor(1 if unit.archive else AHEAD, thread_name_prefix="picture") as pool:
        yield from _ahead(pool, place, wanted)


def _ahead(pool: ThreadPoolExecutor, place: Place, wanted: Iterable[tuple[int, Entry]]) -> Iterator[tuple[int, Entry, Files]]:
    waiting: deque[tuple[int, Entry, Future[Files]]] = deque()
    try:
        for ordinal, entry in wanted:
            waiting.append((ordinal, entry, pool.submit(_files, place, entry)))
            if len(waiting) > AHEAD:
                done = waiting.popleft()
                yield done[0], done[1], done[2].result()
        while waiting:
            done = waiting.popleft()
            yield done[0], done[1], done[2].result()
    finally:
        for _, _, future in waiting:
            future.cancel()


def _files(place: Place, entry: Entry) -> Files:
    if entry.flaw is not None:
        return []
    by_name = place.unit.format == "folder"
    named = [((by_name and ImageGroup.key_and_role(file.name)[1]) or "image", file) for file in entry.files]
    roles = {role for role, _ in named}
    return [(role, file.name, place.read(file)) for role, file in named if role != SPARE or "image" not in roles]


def _judged(ordinal: int, entry: Entry, files: Files, max_member_bytes: int, max_caption_bytes: int) -> RawPair | Drop:
    key = printable(entry.key, MAX_KEY_LENGTH)
    if entry.flaw is not None:
        return Drop(ordinal, key, Stage.READ, Reason(entry.flaw[0]), printable(entry.flaw[1]))
    group = ImageGroup(ordinal, key, max_text_bytes=max_caption_bytes)
    for role, name, got in files:
        _fill(
            group,
            role,
            name,
            got,
            {"image": max_member_bytes, SPARE: max_member_bytes, "meta": MAX_META_BYTES}.get(role, max_caption_bytes),
        )
    if entry.caption is not None and group.flaw is None:
        _inline(group, entry, max_caption_bytes)
    return group.drop(*group.flaw) if group.flaw else group.pair()


def _fill(group: ImageGroup, role: str, name: str, got: Got, most: int) -> None:
    """As a member of a tar is taken: see `tda.store.shards.grouping`."""
    size = got.size if got.data is None else len(got.data)
    if got.reason is not None:
        group.spoil(Reason.MISSING_CAPTION if got.reason is Reason.MISSING_IMAGE and role == "caption" else got.reason, got.detail)
    elif role in group.parts:
        group.spoil(Reason.DUPLICATE_KEY, f"two files are its {role}: {printable(name)}")
    elif size > most and role == "meta":
        group.unread_meta = size
    elif got.data is None or size > most:
        group.spoil(Reason.MEMBER_TOO_LARGE if role in ("image", SPARE) else Reason.CAPTION_TOO_LONG, f"{size} bytes, at most {most}")
    elif group.flaw is None:
        group.parts[role] = got.data


def _inline(group: ImageGroup, entry: Entry, most: int) -> None:
    side = {name: value for name in ("url", "width", "height") if (value := getattr(entry, name)) is not None}
    try:
        caption = (entry.caption or "").encode()
    except UnicodeEncodeError as error:
        return group.spoil(Reason.CAPTION_NOT_UTF8, printable(str(error)))
    if len(caption) > most:
        return group.spoil(Reason.CAPTION_TOO_LONG, f"{len(caption)} bytes, at most {most}")
    group.parts |= {"caption": caption, "meta": json.dumps(side).encode()}
    return None


def _hash(digest: Any, entry: Entry, files: Files) -> None:
    """Everything that a reader of the pair could see, but no time of change and no limit of a run."""
    plain = [entry.key, entry.caption, entry.url, entry.width, entry.height, entry.flaw]
    digest.update(json.dumps(plain).encode())
    for role, name, got in files:
        known = "absent" if got.reason else "" if got.data is not None else str(got.size)
        digest.update(json.dumps([role, name, known, len(got.data or b"")]).encode())
        digest.update(hashlib.sha256(got.data or b"").digest())
