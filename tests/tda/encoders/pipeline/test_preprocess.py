"""What a tower is fed: exactly open_clip's pixels by one way, nearly them by the other, made once for all that want them.

B batch, N rows, D dimensions, H x W pixels.
"""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from tda.encoders import load
from tda.encoders.base import Encoder
from tda.encoders.formats.open_clip import build, image_transform, preprocessing_of
from tda.encoders.images.resize import frame_of
from tda.encoders.pipeline.preprocess import DEVICE_PIXELS, ExactFeed, FastFeed, OwnFeed, feed_of, ready
from tda.store.images.decode import decode_pixels

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny(shared_golden: Path) -> Encoder:
    return load(
        "open_clip", str(shared_golden / "openclip_vit_tiny.safetensors"), str(shared_golden / "openclip_vit_tiny.json"), device="cpu"
    )


@pytest.fixture(scope="module")
def coco(shared_data: Path) -> list[np.ndarray[Any, Any]]:
    """The decoded images of 100 real pairs."""
    with tarfile.open(shared_data / "coco100.tar") as tar:
        jpegs = [tar.extractfile(member).read() for member in tar if member.name.endswith(".jpg")]  # type: ignore[union-attr]  # files
    return [decode_pixels(jpeg, 10**7) for jpeg in jpegs]


def encoder_of(config: dict[str, Any]) -> Encoder:
    """The model at its full size, with random weights."""
    torch.manual_seed(0)
    preprocessing = preprocessing_of(config)
    return Encoder(
        build(config),
        preprocess=image_transform(preprocessing["image"]),
        tokenize=lambda texts: torch.zeros(len(texts), 77, dtype=torch.int64),
        dim=config["embed_dim"],
        weights_sha256="",
        preprocessing=preprocessing,
        device="cpu",
    )


def on_device(encoder: Encoder) -> FastFeed:
    """What a CUDA encoder is fed by; the same code runs here."""
    frame = frame_of(encoder.preprocessing["image"])
    assert frame is not None
    return FastFeed(frame, on_device=True)


def fed(encoder: Encoder, feed: Any, images: list[np.ndarray[Any, Any]]) -> torch.Tensor:
    return ready(encoder, feed.collate([feed.prepare(image) for image in images], CPU))


def by_open_clip(encoder: Encoder, images: list[np.ndarray[Any, Any]]) -> torch.Tensor:
    return torch.stack([encoder.preprocess(Image.fromarray(image)) for image in images])


def cosines(x_ND: torch.Tensor, y_ND: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cosine_similarity(x_ND.double(), y_ND.double())


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
def test_the_exact_way_is_open_clips_bit_for_bit(mode: str, coco: list[np.ndarray[Any, Any]]) -> None:
    config = {"embed_dim": 8, "vision_cfg": {"image_size": 48, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16}}
    settings = {"model_cfg": {**config, "text_cfg": {"vocab_size": 9, "width": 8, "heads": 1, "layers": 1}}}
    encoder = encoder_of(settings["model_cfg"])
    encoder.preprocessing = preprocessing_of({**settings, "preprocess_cfg": {"resize_mode": mode, "mean": [0.5, 0.4, 0.3]}})
    encoder.preprocess = image_transform(encoder.preprocessing["image"])
    feed = feed_of(encoder, "image", "exact")
    assert isinstance(feed, ExactFeed)
    assert torch.equal(fed(encoder, feed, coco[:5]), by_open_clip(encoder, coco[:5]))
    assert isinstance(feed_of(encoder, "image", "fast"), ExactFeed if mode == "longest" else FastFeed)


def test_the_fast_way_gives_a_golden_models_vectors(tiny: Encoder, coco: list[np.ndarray[Any, Any]]) -> None:
    wanted_ND = tiny.encode_image(by_open_clip(tiny, coco))
    for feed in (feed_of(tiny, "image", "fast"), on_device(tiny)):
        assert cosines(tiny.encode_image(fed(tiny, feed, coco)), wanted_ND).min() > 0.9999


def test_the_fast_way_gives_a_full_size_models_vectors(coco: list[np.ndarray[Any, Any]]) -> None:
    encoder, some = encoder_of(open_clip.get_model_config("ViT-B-16")), coco[::25]
    wanted_ND = encoder.encode_image(by_open_clip(encoder, some))
    for feed in (feed_of(encoder, "image", "fast"), on_device(encoder)):
        assert cosines(encoder.encode_image(fed(encoder, feed, some)), wanted_ND).min() >= 0.9995


def test_a_device_is_sent_decoded_images_in_order_but_no_giants(tiny: Encoder) -> None:
    rng = np.random.default_rng(0)
    side = int(DEVICE_PIXELS**0.5)
    images = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((40, 60), (70, 50), (side + 1, side + 1), (41, 59), (32, 32))]
    feed = on_device(tiny)
    items = [feed.prepare(image) for image in images]
    assert [isinstance(item, np.ndarray) for item in items] == [True, True, False, True, True]
    batch_B3HW = feed.collate(items, CPU)
    assert (batch_B3HW.dtype, tuple(batch_B3HW.shape)) == (torch.uint8, (5, 3, 32, 32))
    for row, item in enumerate(items):
        assert torch.equal(feed.collate([item], CPU)[0], batch_B3HW[row])
    assert torch.equal(feed.collate(items[2:3], CPU)[0], items[2])


def test_models_of_one_size_share_pixels_whatever_their_mean(tiny: Encoder) -> None:
    other = encoder_of(json.loads(json.dumps(tiny.preprocessing["model"])))
    other.preprocessing["image"] = {**other.preprocessing["image"], "mean": [0.5] * 3, "std": [0.5] * 3}
    for way in ("fast", "exact"):
        assert feed_of(tiny, "image", way).key == feed_of(other, "image", way).key
    assert feed_of(tiny, "image", "fast").key != feed_of(tiny, "image", "exact").key
    batch_B3HW = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    assert ready(other, batch_B3HW).unique().tolist() == [1.0]
    assert not torch.equal(ready(tiny, batch_B3HW), ready(other, batch_B3HW))
    other.preprocessing["image"] = {**other.preprocessing["image"], "size": 48}
    assert feed_of(tiny, "image", "fast").key != feed_of(other, "image", "fast").key


def test_texts_and_transforms_of_an_encoders_own_are_left_to_it(tiny: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = feed_of(tiny, "text", "fast")
    assert isinstance(texts, OwnFeed)
    assert torch.equal(texts.collate(["a cat", "two"], CPU), tiny.tokenize(["a cat", "two"]))
    monkeypatch.setattr(tiny, "preprocess", lambda image: torch.full((3, 2, 2), float(image.size[0])))
    own = feed_of(tiny, "image", "fast")
    assert isinstance(own, OwnFeed)
    assert ready(tiny, own.collate([own.prepare(np.zeros((4, 7, 3), np.uint8))], CPU)).unique().tolist() == [7.0]


def test_decoded_bytes_are_let_through_untouched() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (9, 8, 7)).save(buffer, "PNG")
    frame = frame_of({"size": 32, "resize_mode": "shortest", "interpolation": "bicubic"})
    assert frame is not None
    pixels = FastFeed(frame, on_device=False).prepare(decode_pixels(buffer.getvalue(), 10_000))
    assert [channel.unique().tolist() for channel in pixels] == [[9], [8], [7]]
