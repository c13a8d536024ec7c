"""A shard's pairs -> unit rows under several encoders, from one read and one decode.

A batch is decoded on threads while the one before it is encoded, so two batches of pixels are held at once, whatever the shard's size.
Encoders that want the same pixels (or the same tokens) are given the same tensors. A pair has two members of any modalities: what is
done to an image or a text is the encoder's to know.

Legend: B batch, N rows, D dimensions, L tokens of the context.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tda.config import EmbedConfig
from tda.encoders.base import Encoder
from tda.encoders.pixels import PixelError, decode_rgb
from tda.errors import ShardError
from tda.store.pairs import Pair, read_shard
from tda.store.quarantine import Drop, Reason, Stage
from tda.store.rows import Rows, unit_rows

Select: TypeAlias = Callable[[Iterator[Pair | Drop]], Iterator[Pair | Drop]]

BATCH_BYTES = 256 * 2**20  # of encoded images: a batch of giants is cut short


@dataclass(frozen=True)
class EmbeddedShard:
    """What one encoder made of a shard: `rows` and `drops` together hold every ordinal once. `seconds` by stage."""

    rows: Rows
    drops: list[Drop]
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A decoded pair: what each distinct preprocessing made of its members. Width and height (pixels) are an image's own."""

    pair: Pair
    size: tuple[int | None, int | None]
    fed: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a row says beside its vectors; the image's bytes are let go."""

    ordinal: int
    key: str
    caption: str
    url: str | None
    width: int | None
    height: int | None


@dataclass
class _Ledger:
    """What all encoders share: the pairs lost before any of them, and the seconds of each stage."""

    drops: list[Drop] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    moved_on: Callable[[], None] = lambda: None

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start
            self.moved_on()


@dataclass
class _Columns:
    """What one encoder has made so far."""

    kept: list[_Kept] = field(default_factory=list)
    image: list[NDArray[Any]] = field(default_factory=list)
    text: list[NDArray[Any]] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)


def embed_shard(
    url: str,
    encoders: Mapping[str, Encoder],
    limits: EmbedConfig,
    select: Select | None = None,
    moved_on: Callable[[], None] = lambda: None,
) -> dict[str, EmbeddedShard]:
    """Embed every pair of the shard at `url` with every encoder; rows are normalised in float32, then stored as `limits.dtype`.

    `select`, if given, is handed the stream of pairs and drops, and passes on those that are wanted; it may raise ShardError.
    `moved_on` is called after every pair that was read and every stage of a batch: who does not hear it for long may give the shard up.
    Raises ShardError if the shard cannot be read whole (see `read_pairs`), or if an encoder fails on a batch: then nothing of it counts.
    """
    ledger = _Ledger(moved_on=moved_on)
    columns = {name: _Columns() for name in encoders}
    pairs = read_shard(url, _modalities(encoders), max_member_bytes=limits.max_member_bytes, max_caption_bytes=limits.max_caption_bytes)
    if select is not None:
        pairs = select(pairs)
    with ThreadPoolExecutor(limits.decode_threads, thread_name_prefix="decode") as pool:
        for batch in _decoded_batches(pairs, encoders, limits, pool, ledger):
            for name, (image_BD, text_BD) in _encode(url, batch, encoders, ledger).items():
                _keep(columns[name], batch, image_BD, text_BD, limits.dtype)
    return {name: _finish(columns[name], ledger, encoders[name].dim, limits.dtype) for name in encoders}


def _decoded_batches(
    pairs: Iterator[Pair | Drop], encoders: Mapping[str, Encoder], limits: EmbedConfig, pool: ThreadPoolExecutor, ledger: _Ledger
) -> Iterator[list[_Prepared]]:
    """Batches of decoded pairs, the next one being decoded while the caller works on this one."""
    modalities = _modalities(encoders)
    wanted = [{encoder.fed(modality): encoder for encoder in encoders.values()} for modality in modalities]
    ahead: deque[list[Future[_Prepared | Drop]]] = deque()
    for batch in _batches(pairs, limits.batch_size, ledger):
        ahead.append([pool.submit(_prepare, pair, modalities, wanted, limits.max_pixels) for pair in batch])
        if len(ahead) > 1:
            yield _collect(ahead.popleft(), ledger)
    while ahead:
        yield _collect(ahead.popleft(), ledger)


def _modalities(encoders: Mapping[str, Encoder]) -> tuple[str, str]:
    (modalities,) = {encoder.modalities for encoder in encoders.values()}  # one: a run has one data set
    return modalities


def _batches(pairs: Iterable[Pair | Drop], size: int, ledger: _Ledger) -> Iterator[list[Pair]]:
    """At most `size` pairs, or `BATCH_BYTES` of encoded images (or texts) and one more."""
    batch: list[Pair] = []
    held = 0
    stream = iter(pairs)
    while True:
        with ledger.timed("read"):
            pair = next(stream, None)
        if pair is None:
            break
        if isinstance(pair, Drop):
            ledger.drops.append(pair)
            continue
        batch.append(pair)
        held += sum(map(len, pair.members))
        if len(batch) == size or held > BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _prepare(pair: Pair, modalities: tuple[str, str], wanted: list[dict[str, Encoder]], max_pixels: int) -> _Prepared | Drop:
    """Bytes are an image, which is decoded once for all encoders."""
    try:
        members = [decode_rgb(member, max_pixels) if isinstance(member, bytes) else member for member in pair.members]
    except PixelError as error:
        return Drop(pair.ordinal, pair.key, Stage.DECODE, error.reason, error.detail)
    fed = {
        key: encoder.prepare(modality, member)
        for modality, member, encoders in zip(modalities, members, wanted, strict=True)
        for key, encoder in encoders.items()
    }
    sizes = [member.size for member in members if not isinstance(member, str)]
    return _Prepared(pair, sizes[0] if sizes else (None, None), fed)


def _collect(futures: list[Future[_Prepared | Drop]], ledger: _Ledger) -> list[_Prepared]:
    """What the threads made; the stage `decode` is the time that this thread has to wait for them."""
    with ledger.timed("decode"):
        done = [future.result() for future in futures]
    ledger.drops.extend(item for item in done if isinstance(item, Drop))
    return [item for item in done if isinstance(item, _Prepared)]


def _encode(
    url: str, batch: list[_Prepared], encoders: Mapping[str, Encoder], ledger: _Ledger
) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Features of a batch under every encoder, as the models return them: name -> (first_BD, second_BD)."""
    if not batch:
        return {}
    batches: dict[str, Tensor] = {}
    features = {}
    for name, encoder in encoders.items():
        try:
            first_BD, second_BD = (_features(encoder, modality, batch, batches, ledger) for modality in encoder.modalities)
            features[name] = first_BD, second_BD
        except Exception as error:
            first, last = batch[0].pair, batch[-1].pair
            detail = f"{name}, pairs {first.key} to {last.key}: {type(error).__name__}: {error}"
            raise ShardError(url, "encoder failed", detail) from error
    return features


def _features(encoder: Encoder, modality: str, batch: list[_Prepared], batches: dict[str, Tensor], ledger: _Ledger) -> NDArray[Any]:
    """One modality of a batch; `batches` holds what encoders share."""
    key = encoder.fed(modality)
    if key not in batches:
        with ledger.timed("batch"):
            batches[key] = encoder.batch(modality, [item.fed[key] for item in batch])
    with ledger.timed("encode"):
        features_BD: NDArray[Any] = encoder.encode(modality, batches[key]).cpu().numpy()
    return features_BD


def _keep(columns: _Columns, batch: list[_Prepared], image_BD: NDArray[Any], text_BD: NDArray[Any], dtype: str) -> None:
    """Normalise; a pair whose row in either modality has no direction is dropped."""
    image_BD, *image_flags = unit_rows(image_BD, dtype)
    text_BD, *text_flags = unit_rows(text_BD, dtype)
    finite_B, nonzero_B = image_flags[0] & text_flags[0], image_flags[1] & text_flags[1]
    good_B = finite_B & nonzero_B
    for item, finite, good in zip(batch, finite_B, good_B, strict=True):
        pair = item.pair
        if good:
            columns.kept.append(_Kept(pair.ordinal, pair.key, pair.caption, pair.url, *item.size))
        else:
            reason = Reason.ZERO_VECTOR if finite else Reason.NOT_FINITE
            columns.drops.append(Drop(pair.ordinal, pair.key, Stage.ENCODE, reason))
    columns.image.append(image_BD[good_B])
    columns.text.append(text_BD[good_B])


def _finish(columns: _Columns, ledger: _Ledger, dim: int, dtype: str) -> EmbeddedShard:
    none = np.empty((0, dim), dtype)
    kept = columns.kept
    rows = Rows(
        ordinals=[item.ordinal for item in kept],
        keys=[item.key for item in kept],
        captions=[item.caption for item in kept],
        urls=[item.url for item in kept],
        widths=[item.width for item in kept],
        heights=[item.height for item in kept],
        image_ND=np.concatenate([none, *columns.image]),
        text_ND=np.concatenate([none, *columns.text]),
    )
    drops = sorted([*ledger.drops, *columns.drops], key=lambda drop: drop.ordinal)
    return EmbeddedShard(rows, drops, dict(ledger.seconds))
