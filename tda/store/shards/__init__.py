"""Shards of any data set, read by its modalities: images with captions, or two texts a pair."""

from collections.abc import Iterator
from typing import TypeAlias

from tda.store.shards.digest import Seen
from tda.store.shards.members import Members
from tda.store.shards.pipeline import guarded_samples
from tda.store.shards.text_pairs import TextPair, check_texts, read_texts
from tda.store.shards.units.read import check_unit, read_unit
from tda.store.shards.units.unit import is_unit
from tda.store.shards.webdataset import RawPair, check_archive, read_pairs
from tda.store.types import Drop, Source

__all__ = ["IMAGE_TEXT", "Pair", "check_shard", "guarded_samples", "read_shard"]

IMAGE_TEXT = ("image", "text")
Pair: TypeAlias = RawPair | TextPair  # `members`: bytes of an image, or a text


def check_shard(url: str, modalities: tuple[str, str]) -> Source:
    """Refuse a shard that is missing, empty, cut or of another kind, by its first and last bytes. Raises ShardError."""
    if is_unit(url):
        return check_unit(url)
    return check_archive(url) if modalities == IMAGE_TEXT else check_texts(url)


def read_shard(
    url: str,
    modalities: tuple[str, str],
    *,
    max_member_bytes: int,
    max_caption_bytes: int,
    seen: Seen | None = None,
    members: Members | None = None,
) -> Iterator[Pair | Drop]:
    """Stream a shard: each pair once, as a `Pair` or a `Drop`, together with ordinals 0..n-1. Raises ShardError, also at the end.

    `seen` gets the digest of the shard's bytes with the last pair. `members` names an image's and a caption's members.
    """
    if is_unit(url):
        return read_unit(url, max_member_bytes=max_member_bytes, max_caption_bytes=max_caption_bytes, seen=seen)
    if modalities == IMAGE_TEXT:
        group = members.group() if members else None
        return read_pairs(url, max_member_bytes=max_member_bytes, max_caption_bytes=max_caption_bytes, group=group, seen=seen)
    return read_texts(url, modalities, max_text_bytes=max_caption_bytes, seen=seen)
