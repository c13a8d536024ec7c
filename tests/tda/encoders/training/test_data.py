"""Training pairs: the pixels and tokens of embedding, decoded once; what cannot be used is counted.

N pairs, B batch, H x W pixels, L tokens.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from bad_shards import BAD_PAIRS, bad_files, bad_members, good_pairs, picture, write_tar

from tda.encoders import load
from tda.encoders.formats.open_clip import build, preprocessing_of
from tda.encoders.tokens import tokenizer_for
from tda.encoders.training.data import TrainingPairs, read_training_pairs
from tda.errors import ShardError, UserError
from tda.store.images.decode import decode_rgb

SETTINGS = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 40, "vocab_size": 512, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("shards")
    return [str(write_tar(folder / f"{i}.tar", good_pairs(4, first=10 * i))) for i in range(2)]


def test_pixels_are_those_of_the_embedding(shards: list[str], tmp_path: Path) -> None:
    import json

    torch.save(build(SETTINGS).state_dict(), tmp_path / "model.pt")
    (tmp_path / "model.json").write_text(json.dumps(SETTINGS))
    encoder = load("open_clip", str(tmp_path / "model.pt"), str(tmp_path / "model.json"), device="cpu")
    rows = [5, 0, 3]
    pixels_B3HW, tokens_BL = read_training_pairs(shards, SETTINGS).batch(torch.tensor(rows))
    names = [i % 4 + 10 * (i // 4) for i in rows]
    fed_B3HW = torch.stack([encoder.preprocess(decode_rgb(picture(name), 10_000)) for name in names])
    torch.testing.assert_close(pixels_B3HW, fed_B3HW, rtol=0, atol=1e-5)
    assert torch.equal(tokens_BL, encoder.tokenize([f"picture number {name} of many" for name in names]))


def test_pairs_are_held_as_bytes_in_order_of_the_shards(shards: list[str]) -> None:
    pairs = read_training_pairs(shards, SETTINGS)
    assert (len(pairs), pairs.drops) == (8, 0)
    assert (pairs.pixels_N3HW.dtype, tuple(pairs.pixels_N3HW.shape)) == (torch.uint8, (8, 3, 16, 16))
    captions = [f"picture number {i} of many" for i in (0, 1, 2, 3, 10, 11, 12, 13)]
    assert torch.equal(pairs.tokens_NL, tokenizer_for(512, 40)(captions))
    backwards = read_training_pairs(shards[::-1], SETTINGS)
    assert torch.equal(backwards.pixels_N3HW, torch.cat([pairs.pixels_N3HW[4:], pairs.pixels_N3HW[:4]]))


def test_the_mean_and_deviation_are_those_of_the_configuration(shards: list[str]) -> None:
    pairs = read_training_pairs(shards, {"model_cfg": SETTINGS, "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.25, 1.0]}})
    assert (pairs.mean.shape, pairs.std.shape) == ((3, 1, 1), (3, 1, 1))
    pixels_B3HW, _ = pairs.batch(torch.tensor([2]))
    expected_3HW = pairs.pixels_N3HW[2].numpy() / 255
    for channel, (mean, std) in enumerate(((0.1, 0.5), (0.2, 0.25), (0.3, 1.0))):
        np.testing.assert_allclose(pixels_B3HW[0, channel], (expected_3HW[channel] - mean) / std, atol=1e-6)
    default = preprocessing_of(SETTINGS)["image"]
    assert read_training_pairs(shards, SETTINGS).mean.flatten().tolist() == pytest.approx(list(default["mean"]))


def test_a_batch_leaves_the_pairs_as_they_are(shards: list[str]) -> None:
    pairs = read_training_pairs(shards, SETTINGS)
    before = pairs.pixels_N3HW.clone()
    for _ in range(2):
        pixels_B3HW, _ = pairs.batch(torch.tensor([0, 0, 1]))
    assert torch.equal(pairs.pixels_N3HW, before)
    assert pixels_B3HW.dtype == torch.float32
    assert torch.equal(pixels_B3HW[0], pixels_B3HW[1])


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_pairs_that_cannot_be_used_are_counted_and_move_no_other(tmp_path: Path) -> None:
    shard = str(write_tar(tmp_path / "a.tar", [*bad_members(), *good_pairs(2)]))
    pairs = read_training_pairs([shard], SETTINGS)
    bad = sum(reason is not None for _, reason in BAD_PAIRS.values())
    assert (len(pairs), pairs.drops) == (len(BAD_PAIRS) - bad + 2, bad)
    alone = read_training_pairs([str(write_tar(tmp_path / "b.tar", good_pairs(2)))], SETTINGS)
    assert torch.equal(pairs.pixels_N3HW[-2:], alone.pixels_N3HW)
    assert torch.equal(pairs.tokens_NL[-2:], alone.tokens_NL)


def test_images_beyond_the_limit_are_not_decoded(shards: list[str], tmp_path: Path) -> None:
    members = [*good_pairs(1), ("big.png", picture(1, kind="PNG", size=(100, 100))), ("big.txt", b"x")]
    pairs = read_training_pairs([str(write_tar(tmp_path / "a.tar", members))], SETTINGS, max_pixels=60 * 44)
    assert (len(pairs), pairs.drops) == (1, 1)
    with pytest.raises(UserError, match=r"dataset\.shards hold no pair that can be trained on"):
        read_training_pairs(shards, SETTINGS, max_pixels=10)
    with pytest.raises(UserError, match="no pair"):
        read_training_pairs([], SETTINGS)


def test_a_shard_that_cannot_be_read_is_an_error_and_not_a_smaller_data_set(shards: list[str], tmp_path: Path) -> None:
    for name, reason in bad_files(tmp_path, Path(shards[0])).items():
        with pytest.raises(ShardError, match=name) as caught:
            read_training_pairs([shards[1], str(tmp_path / name)], SETTINGS)
        assert caught.value.reason == reason


def test_pairs_travel_to_a_device_whole(shards: list[str]) -> None:
    pairs = read_training_pairs(shards, SETTINGS)
    moved = TrainingPairs(pairs.pixels_N3HW, pairs.tokens_NL, pairs.mean, pairs.std, drops=7).to(torch.device("meta"))
    assert {x.device.type for x in (moved.pixels_N3HW, moved.tokens_NL, moved.mean, moved.std)} == {"meta"}
    assert (len(moved), moved.drops) == (8, 7)
    pixels_B3HW, tokens_BL = moved.batch(torch.zeros(2, dtype=torch.int64))
    assert {pixels_B3HW.device.type, tokens_BL.device.type} == {"meta"}, "a batch is made where the pairs are"
