"""A shard's pairs -> batches on the device: read in order, decoded once on threads, prepared once for each distinct feed.

The content of a batch depends only on the shard and the batch size, not on threads or timing: the same batches give the same bytes.

Legend: B batch.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor

from tda.config.stages import EmbedConfig
from tda.encoders.base import Encoder
from tda.encoders.pipeline.preprocess import Feed, feed_of
from tda.encoders.pipeline.streams import Lane
from tda.encoders.pipeline.timing import Seconds
from tda.store.images.decode import PixelError, decode_pixels
from tda.store.shards import Pair, read_shard
from tda.store.shards.digest import Seen
from tda.store.shards.members import Members
from tda.store.types import Drop, Stage

Select: TypeAlias = Callable[[Iterator[Pair | Drop]], Iterator[Pair | Drop]]

BATCH_BYTES = 256 * 2**20  # of encoded pairs: a batch of large images ends early


@dataclass(frozen=True, slots=True)
class Kept:
    """The other columns of a row; the image's bytes are released once they are decoded."""

    ordinal: int
    key: str
    caption: str
    url: str | None
    width: int | None
    height: int | None


@dataclass(slots=True)
class Batch:
    """B decoded pairs. Of each feed, `items` holds prepared items, `staged` their tensor on the device or the error of making it."""

    pairs: list[Kept]
    items: dict[str, list[Any]]
    staged: dict[str, Tensor | Exception] = field(default_factory=dict)
    mark: Any = None

    def tensor(self, feed: Feed, lane: Lane, rows: Sequence[int] | None = None) -> Tensor:
        """The tensor of all pairs, or of some `rows`, which are collated again: only some rows may fail."""
        if rows is None:
            staged = self.staged[feed.key]
            if isinstance(staged, Exception):
                raise staged
            return staged
        return feed.collate([self.items[feed.key][row] for row in rows], lane.device)


class Feeds:
    """The distinct feeds of a run: (encoder, modality) -> feed, shared by encoders with equal preprocessing."""

    def __init__(self, encoders: Mapping[str, Encoder], resize: str) -> None:
        (self.modalities,) = {encoder.modalities for encoder in encoders.values()}  # all equal: a run has one data set
        self.distinct: tuple[dict[str, Feed], dict[str, Feed]] = ({}, {})
        self._of: dict[tuple[str, str], Feed] = {}
        for name, encoder in encoders.items():
            for modality, distinct in zip(self.modalities, self.distinct, strict=True):
                feed = feed_of(encoder, modality, resize)
                self._of[name, modality] = distinct.setdefault(feed.key, feed)

    def of(self, name: str, modality: str) -> Feed:
        return self._of[name, modality]

    def all(self) -> list[Feed]:
        return [feed for distinct in self.distinct for feed in distinct.values()]


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Makes the batches of one shard; lost pairs are appended to `drops`."""

    url: str
    feeds: Feeds
    limits: EmbedConfig
    pool: Executor
    lane: Lane
    seconds: Seconds
    drops: list[Drop]
    select: Select | None = None
    members: Members | None = None
    seen: Seen = field(default_factory=Seen)

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches of `size` pairs; one ends early at the first pair beyond `BATCH_BYTES`. Threads decode one batch ahead.

        Raises ShardError if the shard cannot be read completely, also after the last batch.
        """
        decoding: deque[list[Future[tuple[Kept, dict[str, Any]] | Drop]]] = deque()
        try:
            for pairs in self._read(size):
                decoding.append([self.pool.submit(self._prepare, pair) for pair in pairs])
                if len(decoding) > 1:
                    yield self._send(decoding.popleft())
            while decoding:
                yield self._send(decoding.popleft())
        finally:
            for future in (future for futures in decoding for future in futures):
                future.cancel()

    def _read(self, size: int) -> Iterator[list[Pair]]:
        batch: list[Pair] = []
        held = 0
        for pair in self._pairs():
            batch.append(pair)
            held += sum(map(len, pair.members))
            if len(batch) == size or held > BATCH_BYTES:
                yield batch
                batch, held = [], 0
        if batch:
            yield batch

    def _pairs(self) -> Iterator[Pair]:
        stream = self._stream()
        while True:
            with self.seconds.timed("read"):
                pair = next(stream, None)
            if pair is None:
                return
            if isinstance(pair, Drop):
                self.drops.append(pair)
            else:
                yield pair

    def _stream(self) -> Iterator[Pair | Drop]:
        limits = self.limits
        pairs: Iterable[Pair | Drop] = read_shard(
            self.url,
            self.feeds.modalities,
            max_member_bytes=limits.max_member_bytes,
            max_caption_bytes=limits.max_caption_bytes,
            seen=self.seen,
            members=self.members,
        )
        return iter(pairs if self.select is None else self.select(iter(pairs)))

    def _prepare(self, pair: Pair) -> tuple[Kept, dict[str, Any]] | Drop:
        """Decode and prepare a pair, on any thread. Bytes are an image, decoded once for all encoders."""
        try:
            with self.seconds.timed("decode"):
                members = [
                    decode_pixels(member, self.limits.max_pixels, self.limits.formats) if isinstance(member, bytes) else member
                    for member in pair.members
                ]
        except PixelError as error:
            return Drop(pair.ordinal, pair.key, Stage.DECODE, error.reason, error.detail)
        with self.seconds.timed("resize"):
            fed = {
                key: feed.prepare(member)
                for member, distinct in zip(members, self.feeds.distinct, strict=True)
                for key, feed in distinct.items()
            }
        height, width = next((member.shape[:2] for member in members if not isinstance(member, str)), (None, None))
        return Kept(pair.ordinal, pair.key, pair.caption, pair.url, width, height), fed

    def _send(self, futures: list[Future[tuple[Kept, dict[str, Any]] | Drop]]) -> Batch:
        done = [future.result() for future in futures]
        self.drops.extend(item for item in done if isinstance(item, Drop))
        good = [item for item in done if not isinstance(item, Drop)]
        batch = Batch([kept for kept, _ in good], {feed.key: [fed[feed.key] for _, fed in good] for feed in self.feeds.all()})
        if good:
            with self.seconds.timed("batch"), self.lane.feeding():
                batch.staged = {feed.key: self._staged(feed, batch) for feed in self.feeds.all()}
                batch.mark = self.lane.sent()
        return batch

    def _staged(self, feed: Feed, batch: Batch) -> Tensor | Exception:
        try:
            return feed.collate(batch.items[feed.key], self.lane.device)
        except Exception as error:  # noqa: BLE001 (raised again for the encoders of this feed, which find the pair at fault)
            return error
