"""A shard to unit rows: every pair once, every encoder as if it were alone.

N rows, D dimensions.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bad_shards import BAD_PAIRS, bad_files, bad_members, good_pairs, write_tar
from PIL import Image
from torch import Tensor

from tda.config import EmbedConfig
from tda.encoders import load
from tda.encoders.base import Encoder
from tda.encoders.pipeline import embed_shard
from tda.errors import ShardError
from tda.store.webdata import RawPair, read_pairs


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
    assert {"read", "decode", "batch", "encode"} <= made.seconds.keys()


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
        x_BD[1] *= value
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
