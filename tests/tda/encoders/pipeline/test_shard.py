"""A shard to unit rows: every pair once, every encoder as if it were alone.

N rows, D dimensions.
"""

import threading
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bad_shards import BAD_PAIRS, bad_files, bad_members, good_pairs, write_tar
from PIL import Image
from torch import Tensor

from tda.config.stages import EmbedConfig
from tda.encoders import load
from tda.encoders.base import Encoder
from tda.encoders.pipeline.errors import DeviceLostError
from tda.encoders.pipeline.shard import EmbeddedShard, Pipeline, embed_shard
from tda.errors import ShardError
from tda.store.shards.webdataset import RawPair, read_pairs


@pytest.fixture(scope="module")
def tiny(shared_golden: Path) -> Encoder:
    return _load(shared_golden, "openclip_vit_tiny")


@pytest.fixture(scope="module")
def quick(shared_golden: Path) -> Encoder:
    return _load(shared_golden, "openclip_vit_tiny_quickgelu")


def _load(folder: Path, name: str) -> Encoder:
    return load("open_clip", str(folder / f"{name}.safetensors"), str(folder / f"{name}.json"), device="cpu")


class BrokenTowers(torch.nn.Module):
    """An image tower whose answer for a pair is decided by its brightness; `rows` maps a pixel value to what is wrong."""

    def __init__(self, answer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.answer = answer

    def encode_image(self, pixels_B3HW: Tensor) -> Tensor:
        return self.answer(pixels_B3HW)

    def encode_text(self, tokens_BL: Tensor) -> Tensor:
        return torch.ones(len(tokens_BL), 4)


def broken(answer: Callable[[Tensor], Tensor]) -> Encoder:
    def preprocess(image: Image.Image) -> Tensor:
        return torch.full((3, 2, 2), float(image.size[0]))

    def tokenize(texts: list[str]) -> Tensor:
        return torch.zeros(len(texts), 3, dtype=torch.int64)

    preprocessing: dict[str, Any] = {"image": {"made_of": "width"}, "text": {}}
    return Encoder(
        BrokenTowers(answer), preprocess=preprocess, tokenize=tokenize, dim=4, weights_sha256="", preprocessing=preprocessing, device="cpu"
    )


def test_rows_are_the_models_own_normalised(tiny: Encoder, tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "a.tar", good_pairs(7))
    made = embed_shard(str(shard), {"tiny": tiny}, EmbedConfig(dtype="float32", batch_size=3))["tiny"]
    pairs = [pair for pair in read_pairs(str(shard)) if isinstance(pair, RawPair)]
    assert made.rows.ordinals == list(range(7))
    assert made.rows.captions == [pair.caption for pair in pairs]
    assert (made.rows.widths, made.rows.heights) == ([60] * 7, [44] * 7)
    text_ND = tiny.encode_text(tiny.tokenize([pair.caption for pair in pairs])).numpy()
    np.testing.assert_allclose(made.rows.text_ND, text_ND / np.linalg.norm(text_ND, axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(made.rows.image_ND, axis=1), 1, atol=1e-6)
    assert {"read", "decode", "resize", "batch", "encode", "wait", "span"} <= made.seconds.keys()
    assert made.speed["batch_size"] == 3
    assert 0 < made.speed["device_busy"] <= 1
    assert made.speed["roofline"] > 0
    assert made.speed["binds"] in ("read", "decode", "batch", "encode")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest puts away our own filter
def test_every_bad_pair_is_a_row_or_a_named_drop(tiny: Encoder, tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "bad.tar", bad_members())
    made = embed_shard(str(shard), {"tiny": tiny}, EmbedConfig(batch_size=4))["tiny"]
    wanted = {key: reason for key, (_, reason) in BAD_PAIRS.items() if reason}
    assert {drop.key: drop.reason.value for drop in made.drops} == wanted
    assert sorted(made.rows.keys) == sorted(BAD_PAIRS.keys() - wanted.keys())
    assert sorted([*made.rows.ordinals, *(drop.ordinal for drop in made.drops)]) == list(range(len(BAD_PAIRS)))


def test_two_encoders_at_once_are_two_runs(tiny: Encoder, quick: Encoder, tmp_path: Path) -> None:
    shard = str(write_tar(tmp_path / "a.tar", good_pairs(9)))
    limits = EmbedConfig(batch_size=4)
    both = embed_shard(shard, {"tiny": tiny, "quick": quick}, limits)
    for name, encoder in (("tiny", tiny), ("quick", quick)):
        alone = embed_shard(shard, {name: encoder}, limits)[name]
        assert np.array_equal(both[name].rows.image_ND, alone.rows.image_ND)
        assert np.array_equal(both[name].rows.text_ND, alone.rows.text_ND)
    assert not np.array_equal(both["tiny"].rows.image_ND, both["quick"].rows.image_ND)


def test_the_same_pixels_are_made_once(tiny: Encoder, quick: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Counter[str] = Counter()

    def counting(name: str, preprocess: Callable[[Image.Image], Tensor]) -> Callable[[Image.Image], Tensor]:
        def run(image: Image.Image) -> Tensor:
            made[name] += 1
            return preprocess(image)

        return run

    for name, encoder in (("tiny", tiny), ("quick", quick)):
        monkeypatch.setattr(encoder, "preprocess", counting(name, encoder.preprocess))
    embed_shard(str(write_tar(tmp_path / "a.tar", good_pairs(5))), {"tiny": tiny, "quick": quick}, EmbedConfig())
    assert made.total() == 5


@pytest.mark.parametrize(("value", "reason"), [(float("nan"), "not_finite"), (float("inf"), "not_finite"), (0.0, "zero_vector")])
def test_a_vector_without_direction_is_dropped_for_its_encoder_alone(tiny: Encoder, tmp_path: Path, value: float, reason: str) -> None:
    def second_of_each_batch_is_bad(pixels_B3HW: Tensor) -> Tensor:
        x_BD = torch.ones(len(pixels_B3HW), 4)
        x_BD[1:2] *= value
        return x_BD

    shard = str(write_tar(tmp_path / "a.tar", good_pairs(4)))
    made = embed_shard(shard, {"tiny": tiny, "broken": broken(second_of_each_batch_is_bad)}, EmbedConfig())
    assert [(drop.key, drop.stage.value, drop.reason.value) for drop in made["broken"].drops] == [("000001", "encode", reason)]
    assert made["broken"].rows.ordinals == [0, 2, 3]
    assert (len(made["tiny"].rows), made["tiny"].drops) == (4, [])


def test_an_encoder_that_fails_fails_the_shard_by_name(tmp_path: Path) -> None:
    def out_of_order(_: Tensor) -> Tensor:
        raise RuntimeError("no such kernel")

    shard = str(write_tar(tmp_path / "a.tar", good_pairs(2)))
    with pytest.raises(ShardError, match=r"a\.tar: encoder failed \(mine, pairs 000000 to 000001: RuntimeError: no such kernel\)"):
        embed_shard(shard, {"mine": broken(out_of_order)}, EmbedConfig())


def widths(first: int, count: int) -> list[tuple[str, bytes]]:
    """Pairs whose image is `first`, `first` + 1, ... pixels wide, which is what the broken towers see."""
    members = []
    for i in range(count):
        buffer = BytesIO()
        Image.new("RGB", (first + i, 8)).save(buffer, "PNG")
        members += [(f"{i:06d}.png", buffer.getvalue()), (f"{i:06d}.txt", b"caption")]
    return members


def test_a_pair_that_an_encoder_cannot_take_is_quarantined_alone(tmp_path: Path) -> None:
    def no_seventeens(pixels_B3HW: Tensor) -> Tensor:
        if (pixels_B3HW == 17).any():
            raise RuntimeError("cannot take 17")
        return pixels_B3HW[:, :2, 0].flatten(1)

    shard = str(write_tar(tmp_path / "a.tar", widths(10, 20)))
    made = embed_shard(shard, {"picky": broken(no_seventeens), "easy": broken(lambda x: torch.ones(len(x), 4))}, EmbedConfig(batch_size=16))
    (drop,) = made["picky"].drops
    assert (drop.ordinal, drop.key, drop.stage.value, drop.reason.value) == (7, "000007", "encode", "encoder_failed")
    assert drop.detail == "RuntimeError: cannot take 17"
    assert made["picky"].rows.ordinals == [i for i in range(20) if i != 7]
    assert (len(made["easy"].rows), made["easy"].drops) == (20, [])


def test_the_last_pair_alone_in_its_batch_can_be_at_fault(tmp_path: Path) -> None:
    def no_fourteens(pixels_B3HW: Tensor) -> Tensor:
        if (pixels_B3HW == 14).any():
            raise RuntimeError("cannot take 14")
        return torch.ones(len(pixels_B3HW), 4)

    shard = str(write_tar(tmp_path / "a.tar", widths(10, 5)))
    made = embed_shard(shard, {"picky": broken(no_fourteens)}, EmbedConfig(batch_size=4))["picky"]
    assert [drop.key for drop in made.drops] == ["000004"]


def test_the_neighbours_of_a_pair_at_fault_are_encoded_together(tmp_path: Path) -> None:
    sizes: list[int] = []

    def picky(pixels_B3HW: Tensor) -> Tensor:
        if (pixels_B3HW == 12).any():
            raise RuntimeError("cannot take 12")
        sizes.append(len(pixels_B3HW))
        return torch.ones(len(pixels_B3HW), 4)

    embed_shard(str(write_tar(tmp_path / "a.tar", widths(10, 8))), {"picky": broken(picky)}, EmbedConfig(batch_size=8))
    assert 7 in sizes


class Memory:
    """Towers that have room for `most` images at once."""

    def __init__(self, most: int) -> None:
        self.most, self.seen = most, list[int]()

    def __call__(self, pixels_B3HW: Tensor) -> Tensor:
        self.seen.append(len(pixels_B3HW))
        if len(pixels_B3HW) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return pixels_B3HW[:, :2, 0].flatten(1)


def test_a_batch_size_that_does_not_fit_is_halved_and_remembered(tmp_path: Path) -> None:
    towers = Memory(most=5)
    encoders = {"mine": broken(towers)}
    shards = [str(write_tar(tmp_path / f"{name}.tar", widths(10, 20))) for name in "ab"]
    pipeline = Pipeline(EmbedConfig(batch_size=16))
    first, second = (pipeline.embed_shard(shard, encoders)["mine"] for shard in shards)
    pipeline.close()
    assert [made.speed["batch_size"] for made in (first, second)] == [4, 4]
    assert [len(made.rows) for made in (first, second)] == [20, 20]
    assert towers.seen[:3] == [16, 8, 4]
    assert max(towers.seen[2:]) == 4  # a shard is of one batch size, from its first pair on
    whole = embed_shard(shards[0], {"mine": broken(Memory(most=99))}, EmbedConfig(batch_size=4))["mine"]
    assert np.array_equal(whole.rows.image_ND, first.rows.image_ND)


def test_a_pair_that_fits_no_memory_fails_the_shard(tmp_path: Path) -> None:
    shard = str(write_tar(tmp_path / "a.tar", widths(10, 3)))
    with pytest.raises(ShardError, match=r"a\.tar: out of memory \(on a single pair: CUDA out of memory\)"):
        embed_shard(shard, {"mine": broken(Memory(most=0))}, EmbedConfig(batch_size=2))


def test_a_lost_device_is_no_pairs_fault(tmp_path: Path) -> None:
    def lost(_: Tensor) -> Tensor:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be ...")

    with pytest.raises(DeviceLostError, match=r"^mine: RuntimeError: CUDA error: an illegal memory access was encountered$"):
        embed_shard(str(write_tar(tmp_path / "a.tar", widths(10, 3))), {"mine": broken(lost)}, EmbedConfig())


def test_neither_threads_nor_neighbours_change_a_byte(tiny: Encoder, tmp_path: Path) -> None:
    """One decoding thread or five, alone or beside another shard, by a pipeline that is new or has worked before: the same bytes."""
    urls = [str(write_tar(tmp_path / f"{i}.tar", good_pairs(23, first=100 * i))) for i in range(4)]
    limits = EmbedConfig(batch_size=8, decode_threads=1)
    alone = [embed_shard(url, {"tiny": tiny}, limits)["tiny"] for url in urls]
    pipeline = Pipeline(limits, threads=5)
    together: dict[str, EmbeddedShard] = {}

    def work(mine: list[str]) -> None:
        for url in mine:
            together[url] = pipeline.embed_shard(url, {"tiny": tiny})["tiny"]

    workers = [threading.Thread(target=work, args=(urls[i::2],)) for i in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    pipeline.close()
    for url, wanted in zip(urls, alone, strict=True):
        for column in ("image_ND", "text_ND"):
            assert getattr(together[url].rows, column).tobytes() == getattr(wanted.rows, column).tobytes()
        assert together[url].rows.keys == wanted.rows.keys


def test_a_second_shard_is_decoded_while_the_device_is_at_the_first(tmp_path: Path) -> None:
    """The device does not go on with the first shard until batches of the second wait for it: without a second one in flight, never."""
    urls = [str(write_tar(tmp_path / f"{i}.tar", widths(10 + 100 * i, 6))) for i in range(2)]
    second_was_read = threading.Event()

    def first_waits(pixels_B3HW: Tensor) -> Tensor:
        if pixels_B3HW.max() < 100:
            assert second_was_read.wait(60)
        return torch.ones(len(pixels_B3HW), 4)

    pipeline, encoders = Pipeline(EmbedConfig(batch_size=2)), {"mine": broken(first_waits)}
    first = threading.Thread(target=pipeline.embed_shard, args=(urls[0], encoders))
    first.start()
    read: list[int] = []

    def noting(pairs: Any) -> Any:
        for pair in pairs:
            read.append(pair.ordinal)
            if len(read) == 6:
                second_was_read.set()
            yield pair

    made = pipeline.embed_shard(urls[1], encoders, noting)["mine"]
    first.join()
    pipeline.close()
    assert len(made.rows) == 6


def test_a_shard_of_drops_alone_has_no_rows(tiny: Encoder, tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "a.tar", [("0.jpg", b"no"), ("0.txt", b"caption")])
    made = embed_shard(str(shard), {"tiny": tiny}, EmbedConfig())["tiny"]
    assert (made.rows.image_ND.shape, len(made.drops)) == ((0, tiny.dim), 1)


def test_unusable_shards_are_named(tiny: Encoder, tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "whole.tar", good_pairs(3))
    found = {}
    for name in (wanted := bad_files(tmp_path, whole)):
        with pytest.raises(ShardError, match=name) as caught:
            embed_shard(str(tmp_path / name), {"tiny": tiny}, EmbedConfig())
        found[name] = caught.value.reason
    assert found == wanted
