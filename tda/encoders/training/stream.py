"""Training data larger than memory: batches from a `webdataset.DataPipeline` over the shards, by the guarded reader.

An epoch is a function of (seed, epoch): the order of its shards, then a shuffle buffer of `train.shuffle` pairs. The place of a batch is
the epoch and the number of pairs taken from it, so a resumed run skips these without decoding them and goes on with the same batches.

Shapes: B batch, H height, W width, L tokens of the context.
"""

import json
import random
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tda.encoders.formats.open_clip import preprocessing_of
from tda.encoders.tokens import tokenizer_for
from tda.encoders.training.data import normalised, pixels_of, steps_on_bytes
from tda.errors import UserError
from tda.store.shards import guarded_samples
from tda.store.shards.units.read import read_unit
from tda.store.shards.units.unit import is_unit
from tda.store.shards.webdataset import IMAGE_EXTENSIONS
from tda.store.types import Drop

Sample = dict[str, Any]
Batch = tuple[list[Any], list[str], "Place"]  # pixels, each (3, H, W), captions, and the place behind them
AHEAD = 2  # batches that are decoded before they are asked for


@dataclass
class Place:
    """Where the next batch begins. `pairs`, `drops`: those of the first epoch, as far as it was read."""

    epoch: int = 0
    taken: int = 0  # pairs of the epoch that were used or could not be decoded
    undecodable: int = 0
    pairs: int = 0
    drops: int = 0
    batches: int = 0  # of the epoch, since the run began or went on


class StreamedPairs:
    """Batches of pairs read from shards at every epoch. An incomplete last batch of an epoch is left out.

    Raises ShardError for a shard that cannot be read, and UserError where an epoch holds no whole batch.
    """

    def __init__(
        self,
        shards: Sequence[str],
        settings: dict[str, Any],
        *,
        batch_size: int,
        seed: int,
        shuffle: int,
        threads: int = 2,
        max_pixels: int = 64_000_000,
    ) -> None:
        fed = preprocessing_of(settings)
        self._shards, self._batch_size, self._seed, self._shuffle = tuple(shards), batch_size, seed, shuffle
        self._threads, self._max_pixels = threads, max_pixels
        self._steps = steps_on_bytes(fed)
        self._tokenize = tokenizer_for(fed["text"]["vocab_size"], fed["text"]["context_length"], fed["text"]["tokenizer"])
        self._mean, self._std = (torch.tensor(fed["image"][name], dtype=torch.float32).view(3, 1, 1) for name in ("mean", "std"))
        self._device = torch.device("cpu")
        self._batches: Iterator[Batch] | None = None
        self._place = Place()

    def __len__(self) -> int:
        """Pairs of the first epoch, as far as it was read."""
        return self._place.pairs

    @property
    def drops(self) -> int:
        return self._place.drops

    def to(self, device: torch.device) -> "StreamedPairs":
        """Batches come on this device from now on."""
        self._device, self._mean, self._std = device, self._mean.to(device), self._std.to(device)
        return self

    def require(self, batch_size: int) -> None:
        """Nothing is known before an epoch was read: see `next_batch`."""

    def next_batch(self, _step: int = 0) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) float32 normalised as at embedding time, and (B, L) tokens: the next ones."""
        if self._batches is None:
            self._batches = self._from(self._place)
        pixels, captions, self._place = next(self._batches)
        pixels_B3HW = torch.from_numpy(np.stack(pixels)).to(self._device)
        return normalised(pixels_B3HW, self._mean, self._std), self._tokenize(captions).to(self._device)

    def state(self) -> dict[str, int]:
        """The place of the next batch, as plain values."""
        return asdict(self._place)

    def restore(self, state: dict[str, int]) -> None:
        """Go on at a place that `state` gave."""
        self._place, self._batches = Place(**state), None

    def _from(self, place: Place) -> Iterator[Batch]:
        """Batches from a place on, each with the place behind it, without end."""
        while True:
            end = yield from self._epoch(place)
            if end.batches == 0 and place.taken == 0:
                raise UserError(f"train.batch_size={self._batch_size} is larger than what dataset.shards hold: {end.pairs} pairs")
            place = Place(epoch=place.epoch + 1, pairs=end.pairs, drops=end.drops)

    def _epoch(self, begin: Place) -> Generator[Batch, None, Place]:
        """The batches of the rest of an epoch; returns the place of its end."""
        left_out: list[Drop] = []
        samples = epoch_samples(self._shards, self._seed, begin.epoch, self._shuffle, lambda _, drop: left_out.append(drop))
        for _ in islice(samples, begin.taken):
            pass
        place, pixels, captions = replace(begin, batches=0), list[Any](), list[str]()
        with ThreadPoolExecutor(self._threads) as pool:
            for caption, one in self._decoded(samples, pool):
                place.taken += 1
                place.undecodable += one is None
                if one is not None:
                    pixels.append(one)
                    captions.append(caption)
                if place.epoch == 0:
                    place.pairs, place.drops = place.taken - place.undecodable, place.undecodable + len(left_out)
                if len(pixels) == self._batch_size:
                    place.batches += 1
                    yield pixels, captions, replace(place)
                    pixels, captions = [], []
        return place

    def _decoded(self, samples: Iterator[Sample], pool: ThreadPoolExecutor) -> Iterator[tuple[str, Any]]:
        """Captions with their pixels, None where they cannot be decoded, in order; some are decoded ahead."""
        waiting: deque[tuple[str, Future[Any]]] = deque()
        for sample in samples:
            image, caption = image_and_caption(sample)
            waiting.append((caption, pool.submit(pixels_of, image, self._steps, self._max_pixels)))
            if len(waiting) >= AHEAD * self._batch_size:
                caption, future = waiting.popleft()
                yield caption, future.result()
        while waiting:
            caption, future = waiting.popleft()
            yield caption, future.result()


def epoch_samples(
    shards: Sequence[str], seed: int, epoch: int, shuffle: int, on_drop: Callable[[str, Drop], None] | None = None
) -> Iterator[Sample]:
    """The samples of one epoch in its order: shards permuted by (seed, epoch), then `webdataset.shuffle` over a buffer of pairs."""
    import webdataset

    order = np.random.default_rng((seed, epoch)).permutation(len(shards))
    stages = [
        lambda: ({"url": shards[at]} for at in order),
        _samples(on_drop),
        webdataset.shuffle(shuffle, initial=shuffle, rng=random.Random(f"{seed}/{epoch}")),
    ]
    return iter(webdataset.DataPipeline(*stages))


def _samples(on_drop: Callable[[str, Drop], None] | None) -> Any:
    """`guarded_samples`, for units of files too."""
    guarded = guarded_samples(on_drop=on_drop)

    def stage(source: Any) -> Iterator[Sample]:
        for shard in source:
            if not is_unit(shard["url"]):
                yield from guarded([shard])
                continue
            for pair in read_unit(shard["url"]):
                if not isinstance(pair, Drop):
                    yield {"__key__": pair.key, "__url__": shard["url"], "jpg": pair.image, "txt": pair.caption.encode()}
                elif on_drop is not None:
                    on_drop(shard["url"], pair)

    return stage


def image_and_caption(sample: Sample) -> tuple[bytes, str]:
    """The picture's bytes and the caption of a guarded sample: its text, else the caption in its side file."""
    image: bytes = next(sample[ending] for ending in IMAGE_EXTENSIONS if ending in sample)
    return image, sample["txt"].decode() if "txt" in sample else str(json.loads(sample["json"])["caption"])
