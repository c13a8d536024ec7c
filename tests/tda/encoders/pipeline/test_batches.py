"""Batches of a shard: the same for any number of threads, prepared once for each distinct feed, every lost pair a drop.

B batch, H x W pixels.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bad_shards import BAD_PAIRS, bad_members, good_pairs, picture, write_tar
from PIL import Image
from text_pairs import MODALITIES, story, write_lines
from torch import Tensor

from tda.config.stages import EmbedConfig
from tda.encoders.base import Encoder
from tda.encoders.pipeline import batches as module
from tda.encoders.pipeline.batches import Batch, Feeds, Kept, Reader, Select
from tda.encoders.pipeline.streams import CpuLane
from tda.encoders.pipeline.timing import Seconds
from tda.errors import ShardError
from tda.store.images.decode import decode_pixels
from tda.store.shards.webdataset import RawPair
from tda.store.types import Drop, Reason, Stage

CPU = torch.device("cpu")


def small(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image.resize((4, 4)))).permute(2, 0, 1).float()


def lengths(texts: list[str]) -> Tensor:
    return torch.tensor([[len(text)] for text in texts])


def encoder(
    made_of: str = "pixels", *, preprocess: Callable[[Image.Image], Tensor] = small, tokenize: Callable[[list[str]], Tensor] = lengths
) -> Encoder:
    """An encoder whose images are fed alike where `made_of` is the same."""
    preprocessing: dict[str, Any] = {"image": {"made_of": made_of}, "text": {}}
    return Encoder(
        torch.nn.Linear(1, 1), preprocess=preprocess, tokenize=tokenize, dim=4, weights_sha256="", preprocessing=preprocessing, device="cpu"
    )


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def reader(url: Path, pool: Executor, encoders: Mapping[str, Encoder] | None = None, select: Select | None = None, **limits: Any) -> Reader:
    feeds = Feeds(encoders or {"e": encoder()}, "fast")
    given = EmbedConfig(**limits)
    return Reader(url=str(url), feeds=feeds, limits=given, pool=pool, lane=CpuLane(CPU), seconds=Seconds(), drops=[], select=select)


def keys(found: list[Batch]) -> list[list[str]]:
    return [[pair.key for pair in batch.pairs] for batch in found]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_batches_are_in_order_and_full_but_the_last(tmp_path: Path, pool: Executor, size: int) -> None:
    names = [f"{i:06d}" for i in range(7)]
    one = reader(write_tar(tmp_path / "a.tar", good_pairs(7)), pool)
    assert keys(list(one.batches(size))) == [names[start : start + size] for start in range(0, 7, size)]
    assert one.drops == []
    assert one.seconds.sums.keys() == {"read", "decode", "resize", "batch"}


def test_a_batch_holds_what_its_row_needs_and_the_tensors_of_its_pairs(tmp_path: Path, pool: Executor) -> None:
    one = reader(write_tar(tmp_path / "a.tar", good_pairs(3)), pool)
    (batch,) = one.batches(8)
    assert batch.pairs[1] == Kept(1, "000001", "picture number 1 of many", None, 60, 44)
    image, text = (one.feeds.of("e", modality) for modality in ("image", "text"))
    expected = torch.stack([small(Image.fromarray(decode_pixels(picture(i), 10_000))) for i in range(3)])
    assert torch.equal(batch.tensor(image, one.lane), expected)
    assert batch.tensor(text, one.lane).tolist() == [[24]] * 3
    assert torch.equal(batch.tensor(image, one.lane, [2, 0]), expected[[2, 0]]), "some rows are collated anew"


def test_threads_change_no_batch(tmp_path: Path) -> None:
    shard, found = write_tar(tmp_path / "a.tar", good_pairs(20)), []
    for threads in (1, 5):
        with ThreadPoolExecutor(threads) as pool:
            one = reader(shard, pool)
            image = one.feeds.of("e", "image")
            found.append([(batch.pairs, batch.tensor(image, one.lane)) for batch in one.batches(6)])
    for (pairs, pixels), (others, other_pixels) in zip(*found, strict=True):
        assert pairs == others
        assert torch.equal(pixels, other_pixels)


def test_a_batch_of_giants_is_cut_short(tmp_path: Path, pool: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [len(data) for name, data in good_pairs(6) if name.endswith(".jpg")]
    monkeypatch.setattr(module, "BATCH_BYTES", max(sizes) + 60)  # captions count too: two pairs go beyond it
    shard = write_tar(tmp_path / "a.tar", good_pairs(6))
    assert [len(batch.pairs) for batch in reader(shard, pool).batches(100)] == [2, 2, 2]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_every_lost_pair_is_a_drop_of_its_stage(tmp_path: Path, pool: Executor) -> None:
    one = reader(write_tar(tmp_path / "bad.tar", bad_members()), pool)
    kept = [pair.key for batch in one.batches(3) for pair in batch.pairs]
    assert kept == [key for key, (_, reason) in BAD_PAIRS.items() if reason is None]
    assert {drop.key: drop.reason.value for drop in one.drops} == {key: reason for key, (_, reason) in BAD_PAIRS.items() if reason}
    stages = {drop.reason: drop.stage for drop in one.drops}
    assert stages[Reason.MISSING_CAPTION] is Stage.READ
    assert stages[Reason.IMAGE_TRUNCATED] is Stage.DECODE


def test_a_batch_without_a_good_pair_is_empty(tmp_path: Path, pool: Executor) -> None:
    one = reader(write_tar(tmp_path / "a.tar", [("0.jpg", b"no"), ("0.txt", b"x")]), pool)
    (batch,) = one.batches(4)
    assert (batch.pairs, batch.staged, batch.mark) == ([], {}, None)
    assert list(reader(write_tar(tmp_path / "none.tar", []), pool).batches(4)) == []


def test_limits_are_those_of_the_configuration(tmp_path: Path, pool: Executor) -> None:
    shard = write_tar(tmp_path / "a.tar", good_pairs(2))
    reasons = []
    for limits in ({"max_pixels": 100}, {"max_caption_bytes": 4}, {"max_member_bytes": 10}):
        one = reader(shard, pool, **limits)
        assert sum(len(batch.pairs) for batch in one.batches(4)) == 0
        reasons.append({drop.reason for drop in one.drops})
    assert reasons == [{Reason.IMAGE_TOO_LARGE}, {Reason.CAPTION_TOO_LONG}, {Reason.MEMBER_TOO_LARGE}]


def test_alike_feeds_are_prepared_once(tmp_path: Path, pool: Executor) -> None:
    made: Counter[str] = Counter()

    def counting(name: str) -> Encoder:
        def preprocess(image: Image.Image) -> Tensor:
            made[name] += 1
            return small(image)

        return encoder("others" if name == "c" else "pixels", preprocess=preprocess)

    one = reader(write_tar(tmp_path / "a.tar", good_pairs(5)), pool, {name: counting(name) for name in "abc"})
    assert one.feeds.of("a", "image") is one.feeds.of("b", "image") is not one.feeds.of("c", "image")
    assert one.feeds.of("a", "text") is one.feeds.of("c", "text")
    assert len(one.feeds.all()) == 3
    (batch,) = one.batches(8)
    assert made == {"a": 5, "c": 5}
    assert batch.items.keys() == batch.staged.keys() == {feed.key for feed in one.feeds.all()}


def test_a_feed_that_fails_fails_for_its_own_encoders(tmp_path: Path, pool: Executor) -> None:
    def picky(texts: list[str]) -> Tensor:
        if "picture number 2 of many" in texts:
            raise RuntimeError("cannot take 2")
        return lengths(texts)

    one = reader(write_tar(tmp_path / "a.tar", good_pairs(4)), pool, {"picky": encoder(tokenize=picky)})
    (batch,) = one.batches(8)
    with pytest.raises(RuntimeError, match="cannot take 2"):
        batch.tensor(one.feeds.of("picky", "text"), one.lane)
    assert len(batch.tensor(one.feeds.of("picky", "image"), one.lane)) == 4
    assert batch.tensor(one.feeds.of("picky", "text"), one.lane, [0, 1, 3]).tolist() == [[24]] * 3


def test_selected_pairs_keep_their_ordinals(tmp_path: Path, pool: Executor) -> None:
    def odd(stream: Iterator[Any]) -> Iterator[Any]:
        return (pair for pair in stream if pair.ordinal % 2)

    one = reader(write_tar(tmp_path / "a.tar", [*good_pairs(5), ("x.jpg", b"no"), ("x.txt", b"x")]), pool, select=odd)
    assert [pair.ordinal for batch in one.batches(2) for pair in batch.pairs] == [1, 3]
    assert [drop.ordinal for drop in one.drops] == [5]


def test_two_texts_have_no_image_to_decode(tmp_path: Path, pool: Executor) -> None:
    texts = encoder()
    texts.modalities = MODALITIES
    one = reader(write_lines(tmp_path / "a.jsonl", [story(0), b"{\n", story(2)]), pool, {"e": texts})
    (batch,) = one.batches(8)
    assert [(pair.ordinal, pair.caption, pair.width, pair.height) for pair in batch.pairs] == [
        (i, story(i)["review"], None, None) for i in (0, 2)
    ]
    assert [drop.reason for drop in one.drops] == [Reason.BAD_ROW]
    assert batch.tensor(one.feeds.of("e", "passage"), one.lane).tolist() == [[len(story(i)["passage"])] for i in (0, 2)]


def test_encoders_of_one_run_have_the_same_modalities() -> None:
    texts = encoder()
    texts.modalities = MODALITIES
    with pytest.raises(ValueError, match="too many values"):
        Feeds({"a": encoder(), "b": texts}, "fast")


def test_a_fault_at_the_end_of_a_shard_is_raised_after_the_batches_before_it(tmp_path: Path, pool: Executor) -> None:
    shard = write_tar(tmp_path / "a.tar", good_pairs(6))
    (tmp_path / "a_stats.json").write_text('{"successes": 7}')
    batches = reader(shard, pool).batches(2)
    assert len(next(batches).pairs) == 2
    with pytest.raises(ShardError, match=r"count \(6 pairs"):
        list(batches)


class Counting(Executor):
    """Does the first `work` submissions at once and leaves the others pending."""

    def __init__(self, work: int) -> None:
        self.work, self.pending, self.submitted = work, list[Future[Any]](), 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.submitted += 1
        if self.submitted <= self.work:
            future.set_result(fn(*args, **kwargs))
        else:
            self.pending.append(future)
        return future


def test_one_batch_is_decoded_ahead_and_given_up_with_its_reader(tmp_path: Path) -> None:
    pool = Counting(work=3)
    batches = reader(write_tar(tmp_path / "a.tar", good_pairs(12)), pool).batches(3)
    assert len(next(batches).pairs) == 3
    assert pool.submitted == 6, "the batch after it is being decoded, and no other"
    batches.close()  # type: ignore[attr-defined] # a generator
    assert len(pool.pending) == 3
    assert all(future.cancelled() for future in pool.pending)


def test_every_step_is_reported(tmp_path: Path, pool: Executor) -> None:
    steps: list[int] = []
    one = reader(write_tar(tmp_path / "a.tar", good_pairs(4)), pool)
    one.seconds.moved_on = lambda: steps.append(1)
    list(one.batches(2))
    assert len(steps) == 5 + 4 + 4 + 2, "each pair and the end read, each decoded, each resized, each batch made"


def test_drops_of_the_reader_come_as_they_are(tmp_path: Path, pool: Executor) -> None:
    lost = Drop(0, "k", Stage.READ, Reason.BAD_ROW)
    one = reader(write_tar(tmp_path / "a.tar", []), pool, select=lambda _: iter([lost, RawPair(1, "x", picture(0), "y")]))
    assert keys(list(one.batches(2))) == [["x"]]
    assert one.drops == [lost]
