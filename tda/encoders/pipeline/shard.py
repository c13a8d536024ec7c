"""A shard's pairs -> unit rows under several encoders, from one read and one decode.

Reading, decoding and sending run a few batches ahead of the towers, whatever the shard's size. Two threads may each embed a shard: the
device works for one at a time, so the second's batches are made while it encodes the first, and it encodes the second while the first is
written. A pair has two members of any modalities; the feed knows how to prepare each.

The bytes of a shard's vectors depend on the shard, the configuration, the batch size and the kind of device, not on threads or earlier
shards. A shard is encoded at one batch size, which is in its record: if memory is too small, the whole shard starts again at half of it. A
pair that makes an encoder fail is dropped, and the rest of its batch is encoded together.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import Tensor

from tda.config.stages import EmbedConfig
from tda.encoders.base import Encoder
from tda.encoders.pipeline.batches import Batch, Feeds, Reader, Select
from tda.encoders.pipeline.device import Device
from tda.encoders.pipeline.errors import DeviceLostError, ModelAtFaultError, is_device_lost, is_out_of_memory, isolate
from tda.encoders.pipeline.outputs import Columns
from tda.encoders.pipeline.prefetch import ahead
from tda.encoders.pipeline.preprocess import ready
from tda.encoders.pipeline.streams import Stopwatch
from tda.encoders.pipeline.timing import Seconds, speed
from tda.errors import LacunaError, ShardError
from tda.store.commit.rows import Rows
from tda.store.shards.members import Members
from tda.store.types import Drop

AHEAD = 2  # batches that wait for the device
COUNTED = 2  # pairs whose FLOP are counted


@dataclass(frozen=True)
class EmbeddedShard:
    """The result of one encoder for a shard: `rows` and `drops` together hold every ordinal once.

    `seconds` by stage, with `encode` of this encoder alone; `speed` of all encoders together, as in `tda.encoders.pipeline.timing`.
    """

    rows: Rows
    drops: list[Drop]
    seconds: dict[str, float]
    speed: dict[str, Any] = field(default_factory=dict)
    source_sha256: str | None = None  # of the shard's bytes


class Pipeline:
    """Embeds shards, and remembers the batch size that fits, the device's rate and the FLOPs of each model.

    `threads` decode, by default `limits.decode_threads`. `embed_shard` may be called by two threads at once.
    """

    def __init__(self, limits: EmbedConfig, threads: int | None = None) -> None:
        self.limits, self.threads = limits, threads or limits.decode_threads or 2
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="decode")
        self._device: Device | None = None
        self._making = threading.Lock()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def embed_shard(
        self,
        url: str,
        encoders: Mapping[str, Encoder],
        select: Select | None = None,
        moved_on: Callable[[], None] = lambda: None,
        members: Members | None = None,
    ) -> dict[str, EmbeddedShard]:
        """Embed every pair of the shard at `url` with every encoder; rows are normalised in float64, then stored as `limits.dtype`.

        `select`, if given, filters the stream of pairs and drops; it may raise ShardError.
        `moved_on` is called, on any thread, after every pair and every stage of a batch, as a sign of progress.
        `members` names an image's and a caption's members.
        Raises ShardError, and nothing is kept, if the shard cannot be read completely (see `read_pairs`), if an encoder fails on more
        pairs than it encodes, or if a single pair exceeds memory. Raises DeviceLostError if this process cannot use its device again.
        """
        device = self._device_of(encoders)
        device.rate(encoders)  # measured before this shard's threads are at work
        feeds = Feeds(encoders, self.limits.resize)
        shared = partial(Reader, limits=self.limits, pool=self._pool, lane=device.lane)
        reader = partial(shared, url=url, feeds=feeds, select=select, members=members)
        while True:
            size = device.size.pairs
            try:
                return self._attempt(reader(drops=[], seconds=Seconds(moved_on)), encoders, device, size)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if not device.shrink(size):
                    raise ShardError(url, "out of memory", f"on a single pair: {str(error).partition(chr(10))[0]}") from error

    def _attempt(self, reader: Reader, encoders: Mapping[str, Encoder], device: Device, size: int) -> dict[str, EmbeddedShard]:
        """The shard at one batch size."""
        asked, seconds, drops = time.perf_counter(), reader.seconds, reader.drops
        towers = _Towers(url=reader.url, encoders=encoders, feeds=reader.feeds, device=device, seconds=seconds, dtype=self.limits.dtype)
        with ahead(reader.batches(size), AHEAD) as batches, device.turn(seconds, asked):
            towers.encode(batches)
        reported = towers.speed(pairs=towers.pairs + len(drops), threads=self.threads)
        made = {name: towers.made(name, drops, {**reported, "batch_size": size}) for name in encoders}
        return {name: replace(one, source_sha256=reader.seen.sha256) for name, one in made.items()}

    def _device_of(self, encoders: Mapping[str, Encoder]) -> Device:
        with self._making:
            self._device = self._device or Device(next(iter(encoders.values())).device, self.limits.batch_size)
            return self._device


def embed_shard(
    url: str,
    encoders: Mapping[str, Encoder],
    limits: EmbedConfig,
    select: Select | None = None,
    moved_on: Callable[[], None] = lambda: None,
) -> dict[str, EmbeddedShard]:
    """Embed one shard with a new pipeline: see `Pipeline.embed_shard`."""
    pipeline = Pipeline(limits)
    try:
        return pipeline.embed_shard(url, encoders, select, moved_on)
    finally:
        pipeline.close()


@dataclass(frozen=True, slots=True)
class _Flight:
    """Features being copied to the host: one tensor a modality, for the pairs `rows` of a batch."""

    rows: Sequence[int]
    features: list[Tensor]
    watch: Stopwatch
    mark: Any


@dataclass(kw_only=True)
class _Towers:
    """All encoders, applied to the batches of one shard."""

    url: str
    encoders: Mapping[str, Encoder]
    feeds: Feeds
    device: Device
    seconds: Seconds
    dtype: str
    pairs: int = 0  # given to the towers
    columns: dict[str, Columns] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.columns = {name: Columns() for name in self.encoders}

    def encode(self, batches: Iterator[Batch]) -> None:
        """The towers encode a batch while the vectors of the last one are copied back."""
        before = partial(self._land, None, {})
        while (batch := self._next(batches)) is not None:
            if not batch.pairs:
                continue
            self.pairs += len(batch.pairs)
            self.device.lane.receive((x for x in batch.staged.values() if isinstance(x, Tensor)), batch.mark)
            flights = {name: self._launch(name, batch) for name in self.encoders}
            for name, flight in flights.items():
                self.columns[name].passed += len(flight.rows)
            before()
            before = partial(self._land, batch, flights)
        before()

    def speed(self, *, pairs: int, threads: int) -> dict[str, Any]:
        flops = sum(self.device.flops(name) * columns.passed for name, columns in self.columns.items())
        shared = {**self.seconds.sums, "encode": sum(columns.seconds for columns in self.columns.values())}
        return speed(shared, pairs=pairs, threads=threads, flops=flops, rate=self.device.rate(self.encoders))

    def made(self, name: str, drops: list[Drop], reported: dict[str, Any]) -> EmbeddedShard:
        columns = self.columns[name]
        ordered = sorted([*drops, *columns.drops], key=lambda drop: drop.ordinal)
        rows = columns.rows(self.encoders[name].dim, self.dtype)
        return EmbeddedShard(rows, ordered, {**self.seconds.sums, "encode": columns.seconds}, reported)

    def _next(self, batches: Iterator[Batch]) -> Batch | None:
        with self.seconds.timed("wait"):
            return next(batches, None)

    def _launch(self, name: str, batch: Batch) -> _Flight:
        """Encode the whole batch; if that fails, all pairs but those that make it fail."""
        try:
            return self._fly(name, batch, None)
        except Exception as error:
            if is_device_lost(error):
                raise DeviceLostError(f"{name}: {type(error).__name__}: {str(error).partition(chr(10))[0]}") from error
            if is_out_of_memory(error) or isinstance(error, LacunaError):
                raise
            return self._without_faults(name, batch, error)

    def _without_faults(self, name: str, batch: Batch, error: Exception) -> _Flight:
        columns, rows = self.columns[name], range(len(batch.pairs))
        try:
            faults = isolate(rows, lambda some: self._fly(name, batch, some), spare=columns.passed)
            columns.blame({batch.pairs[row]: fault for row, fault in faults.items()})
            return self._fly(name, batch, [row for row in rows if row not in faults])
        except Exception as again:
            if is_out_of_memory(again):
                raise
            reported = error if isinstance(again, ModelAtFaultError) else again
            first, last = batch.pairs[0].key, batch.pairs[-1].key
            raise ShardError(
                self.url, "encoder failed", f"{name}, pairs {first} to {last}: {type(reported).__name__}: {reported}"
            ) from error

    def _fly(self, name: str, batch: Batch, rows: Sequence[int] | None) -> _Flight:
        """Start to encode pairs of a batch: all of them, or some `rows`."""
        encoder, lane, some = self.encoders[name], self.device.lane, range(len(batch.pairs)) if rows is None else rows
        watch = lane.stopwatch()
        wanted = encoder.modalities if some else ()
        features = [lane.fetch(encoder.encode(modality, self._input(name, batch, rows, modality))) for modality in wanted]
        watch.stop()
        return _Flight(some, features, watch, lane.fetched())

    def _input(self, name: str, batch: Batch, rows: Sequence[int] | None, modality: str) -> Tensor:
        return ready(self.encoders[name], batch.tensor(self.feeds.of(name, modality), self.device.lane, rows))

    def _land(self, batch: Batch | None, flights: dict[str, _Flight]) -> None:
        """Keep the vectors of a batch, once they are copied back."""
        for name, flight in flights.items():
            assert batch is not None, "a flight has a batch"
            self.device.lane.wait(flight.mark)
            self.columns[name].seconds += flight.watch.seconds()
            if flight.features:
                image_BD, text_BD = (features_BD.numpy() for features_BD in flight.features)
                self.columns[name].keep([batch.pairs[row] for row in flight.rows], image_BD, text_BD, self.dtype)
                self.device.count(name, self.encoders[name], partial(self._input, name, batch, range(min(COUNTED, len(batch.pairs)))))
