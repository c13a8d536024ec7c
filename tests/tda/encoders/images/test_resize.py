"""Resizing by other means than Pillow: within a level or two of it, the same whatever else is in the batch.

H x W pixels of an image, S of what a model takes.
"""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tda.encoders.formats.open_clip import image_transform
from tda.encoders.images.resize import Frame, frame_of, resize_many, resize_one

SIZES = [(48, 64), (64, 48), (37, 41), (32, 32), (9, 200), (1, 1), (300, 210)]
MODES = [("shortest", "bicubic"), ("squash", "bicubic"), ("shortest", "bilinear")]


def image_of(height: int, width: int) -> np.ndarray[Any, Any]:
    """Ramps, an edge and noise."""
    rng = np.random.default_rng(height * width)
    y_HW, x_HW = np.mgrid[:height, :width]
    ramps = np.stack([y_HW * 255 // height, x_HW * 255 // width, np.where(x_HW > y_HW, 230, 20)], axis=-1)
    return np.clip(ramps + rng.integers(-40, 41, ramps.shape), 0, 255).astype(np.uint8)


def pillows(pixels_HW3: np.ndarray[Any, Any], frame: Frame) -> np.ndarray[Any, Any]:
    """Across, then down: Pillow itself takes the order that is cheaper, from release 13 on."""
    kind = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}[frame.interpolation]
    (height, width), (top, left) = frame.fit(*pixels_HW3.shape[:2])
    resized = Image.fromarray(pixels_HW3).resize((width, pixels_HW3.shape[0]), kind).resize((width, height), kind)
    return np.asarray(resized)[top : top + frame.size[0], left : left + frame.size[1]].transpose(2, 0, 1)


def on_canvas(images: list[np.ndarray[Any, Any]], frame: Frame) -> torch.Tensor:
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    canvas = torch.full((len(images), height, width, 3), 77, dtype=torch.uint8)  # what lies beyond an image has no say
    for place, image in zip(canvas, images, strict=True):
        place[: image.shape[0], : image.shape[1]] = torch.from_numpy(image)
    return resize_many(canvas, [image.shape[:2] for image in images], frame)


@pytest.mark.parametrize(("mode", "interpolation"), MODES)
def test_both_ways_are_pillows_within_two_levels(mode: str, interpolation: str) -> None:
    frame = Frame((32, 32), mode, interpolation)
    images = [image_of(*size) for size in SIZES]
    many = on_canvas(images, frame)
    for image, batched in zip(images, many, strict=True):
        wanted = pillows(image, frame).astype(int)
        for found in (resize_one(image, frame).numpy(), batched.numpy()):
            assert found.shape == (3, 32, 32)
            apart = np.abs(found.astype(int) - wanted)
            assert (apart.max(), (apart > 0).mean()) <= (2, 0.03)


def test_the_batch_has_no_part_in_an_images_pixels() -> None:
    frame = Frame((32, 32), "shortest", "bicubic")
    images = [image_of(*size) for size in SIZES]
    many = on_canvas(images, frame)
    for image, batched in zip(images, many, strict=True):
        assert torch.equal(on_canvas([image], frame)[0], batched)


@pytest.mark.parametrize(("mode", "interpolation"), MODES)
def test_an_even_area_and_an_image_of_the_right_size_stay_as_they_are(mode: str, interpolation: str) -> None:
    frame = Frame((32, 32), mode, interpolation)
    even, fitting = np.full((50, 91, 3), 201, np.uint8), image_of(32, 32)
    for found in (resize_one(even, frame), on_canvas([even], frame)[0]):
        assert found.unique().tolist() == [201]
    for found in (resize_one(fitting, frame), on_canvas([fitting], frame)[0]):
        assert np.array_equal(found.permute(1, 2, 0).numpy(), fitting)


@pytest.mark.parametrize("mode", ["shortest", "squash"])
def test_sizes_and_crops_are_torchvisions(mode: str) -> None:
    settings = {"size": 32, "resize_mode": mode, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3}
    transform, frame = image_transform(settings), frame_of(settings)
    assert frame is not None
    for height, width in [(h, w) for h in range(30, 75, 4) for w in range(31, 130, 7)]:
        marked = Image.fromarray(image_of(height, width))
        for step in transform.transforms[:-2]:
            marked = step(marked)
        ours = resize_one(image_of(height, width), frame).permute(1, 2, 0).numpy().astype(int)
        assert np.abs(ours - np.asarray(marked).astype(int)).mean() < 1, (height, width)  # a crop one pixel off is far beyond


def test_what_only_open_clip_does_has_no_frame() -> None:
    known = {"size": 32, "resize_mode": "shortest", "interpolation": "bicubic"}
    assert frame_of(known) == Frame((32, 32), "shortest", "bicubic")
    for other in ({"resize_mode": "longest"}, {"interpolation": "random"}, {"size": [32, 48]}):
        assert frame_of({**known, **other}) is None
    assert frame_of({**known, "size": [32, 48], "resize_mode": "squash"}) == Frame((32, 48), "squash", "bicubic")
    assert frame_of({"made_of": "width"}) is None
