"""Rows of a shard back to a tar: the members of their pairs, byte for byte, in the order of the source.

A source that is a unit of files gives `<key>.<jpg|png|webp>`, `<key>.txt` and, where a URL or a size is known, `<key>.json`. Beside each
lies `<shard>_stats.json`, whose count readers (this one too) compare.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from tda.errors import ShardError
from tda.store.export.records import Export, entry_of
from tda.store.files import filesystem, join, publish, publish_json
from tda.store.shards.digest import Seen
from tda.store.shards.members import Members
from tda.store.shards.origins import content_sha256
from tda.store.shards.tar import check_archive, iter_members
from tda.store.shards.units.read import read_unit
from tda.store.shards.units.unit import is_unit
from tda.store.shards.webdataset import ImageGroup, RawPair, read_pairs
from tda.store.shards.writing import Member, write_tar


def export_tar(export: Export, shard: str, source: Mapping[str, Any], ordinals: set[int]) -> int:
    """Write one tar of the pairs at `ordinals` and its record; returns their number.

    Raises ShardError where the source cannot be read, is no tar of pictures, or is not the one that was embedded.
    """
    url, name, entry = str(source.get("path", "")), f"{shard}.tar", dict[str, Any]()
    if not (is_unit(url) or url.partition("?")[0].endswith(".tar")):
        raise ShardError(
            shard, "no_pictures", f"it was made from {url}, which holds none: format=parquet or clip_retrieval has its vectors"
        )
    if source.get("sha256") and is_unit(url) and content_sha256(url) != source["sha256"]:
        raise ShardError(url, "changed", "since it was embedded")
    members = _of_unit(url, ordinals) if is_unit(url) else _of_tar(url, source, ordinals)
    publish(join(export.to, name), partial(write_tar, members=members), lambda path: entry.update(entry_of(path)))
    publish_json(join(export.to, f"{shard}_stats.json"), {"count": len(ordinals), "successes": len(ordinals)})
    return export.commit(shard, len(ordinals), {name: entry})


def _of_tar(url: str, source: Mapping[str, Any], ordinals: set[int]) -> Iterator[Member]:
    seen = Seen()
    named = Members.of(source.get("members"))
    group = named.group() if named else ImageGroup
    keys = {pair.key for pair in read_pairs(url, group=group, seen=seen) if isinstance(pair, RawPair) and pair.ordinal in ordinals}
    if (source.get("sha256") or seen.sha256) != seen.sha256 or len(keys) != len(ordinals):
        raise ShardError(url, "changed", f"since it was embedded: {len(keys)} of {len(ordinals)} pairs are there")
    whole, taken = check_archive(url), set[tuple[str, str]]()
    fs, path = filesystem(url)
    with fs.open(path, "rb") as file:
        for tar, member in iter_members(file, whole.size):
            name = member.name.removeprefix("./")
            key, role = group.key_and_role(name)
            part = (key, role or name)
            if key not in keys or part in taken or not member.isfile():
                continue  # a later pair of the same key was dropped, and stays out
            taken.add(part)
            data = tar.extractfile(member)
            assert data is not None, "isfile() was checked"
            yield member.name, data.read()
    if {key for key, _ in taken} != keys:
        raise ShardError(url, "changed", "while it was exported")


def _of_unit(url: str, ordinals: set[int]) -> Iterator[Member]:
    count = 0
    for number, pair in enumerate(read_unit(url, only=ordinals)):
        if not isinstance(pair, RawPair):
            raise ShardError(url, "changed", f"pair {pair.key} cannot be read any more: {pair.reason}")
        key = f"{number:09d}"  # keys of a list need not be distinct
        side = {name: value for name in ("url", "width", "height") if (value := getattr(pair, name)) is not None}
        yield f"{key}.{_ending(pair.image)}", pair.image
        yield f"{key}.txt", pair.caption.encode()
        yield f"{key}.json", json.dumps({"caption": pair.caption, "key": pair.key, **side}).encode()
        count += 1
    if count != len(ordinals):
        raise ShardError(url, "changed", f"since it was embedded: {count} of {len(ordinals)} pairs are there")


def _ending(image: bytes) -> str:
    return "png" if image.startswith(b"\x89PNG") else "webp" if image[8:12] == b"WEBP" else "jpg"
