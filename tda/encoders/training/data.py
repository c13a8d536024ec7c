"""Pairs for training, decoded once and held in memory: an epoch reads pixels, not JPEGs.

Shapes: N pairs, B batch, H height, W width, L tokens of the context.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tda.encoders.formats.open_clip import image_transform, preprocessing_of
from tda.encoders.tokens import tokenizer_for
from tda.errors import UserError
from tda.store.images.decode import PixelError, decode_rgb
from tda.store.shards.units.read import read_unit
from tda.store.shards.units.unit import is_unit
from tda.store.shards.webdataset import read_pairs
from tda.store.types import Drop


@dataclass(frozen=True)
class TrainingPairs:
    """All pairs of a data set: uint8 pixels, resized and cropped by the model's preprocessing, and tokens.

    mean, std: of the channels, in [0, 1], each (3, 1, 1). drops: number of pairs that could not be read or decoded.
    """

    pixels_N3HW: Tensor
    tokens_NL: Tensor
    mean: Tensor
    std: Tensor
    drops: int = 0

    def __len__(self) -> int:
        return len(self.tokens_NL)

    def to(self, device: torch.device) -> "TrainingPairs":
        return TrainingPairs(self.pixels_N3HW.to(device), self.tokens_NL.to(device), self.mean.to(device), self.std.to(device), self.drops)

    def require(self, batch_size: int) -> None:
        """Raise UserError where a batch is larger than the data set."""
        if len(self) < batch_size:
            raise UserError(f"train.batch_size={batch_size} is larger than the data set: {len(self)} pairs")

    def batch(self, rows_B: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) float32 normalised as at embedding time, and (B, L) tokens, on the device of the pairs."""
        rows_B = rows_B.to(self.pixels_N3HW.device)
        return normalised(self.pixels_N3HW[rows_B], self.mean, self.std), self.tokens_NL[rows_B]


def normalised(pixels_B3HW: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Bytes to float32, normalised as at embedding time."""
    return pixels_B3HW.to(torch.float32).div_(255).sub_(mean).div_(std)


def steps_on_bytes(fed: dict[str, Any]) -> list[Any]:
    """The preprocessing of images but for the float conversion and the normalisation."""
    return list(image_transform(fed["image"]).transforms[:-2])


def read_training_pairs(
    shards: Iterable[str], settings: dict[str, Any], max_pixels: int = 64_000_000, most_bytes: int | None = None
) -> TrainingPairs:
    """Decode every pair of `shards` by the preprocessing of the model's JSON configuration `settings`.

    Unusable pairs are counted and left out. Raises ShardError for a shard that cannot be read, UserError if no pair is left, or their
    pixels take more than `most_bytes` (None: half of this machine's memory).
    """
    fed = preprocessing_of(settings)
    resize = steps_on_bytes(fed)
    most = most_bytes or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    images, captions, drops = list[Any](), list[str](), 0
    for pair in (pair for url in shards for pair in (read_unit(url) if is_unit(url) else read_pairs(url))):
        pixels = None if isinstance(pair, Drop) else pixels_of(pair.image, resize, max_pixels)
        if isinstance(pair, Drop) or pixels is None:
            drops += 1
            continue
        if (len(images) + 1) * pixels.nbytes > most:
            raise UserError(
                f"the pixels of dataset.shards take more than {most / 2**30:.1f} GiB: train.stream=true reads the shards at each epoch"
            )
        images.append(pixels)
        captions.append(pair.caption)
    if not images:
        raise UserError("dataset.shards hold no pair that can be trained on")
    tokens_NL = tokenizer_for(fed["text"]["vocab_size"], fed["text"]["context_length"], fed["text"]["tokenizer"])(captions)
    mean, std = (torch.tensor(fed["image"][name], dtype=torch.float32).view(3, 1, 1) for name in ("mean", "std"))
    return TrainingPairs(torch.from_numpy(np.stack(images)), tokens_NL, mean, std, drops)


def pixels_of(data: bytes, resize: list[Any], max_pixels: int) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
    """(3, H, W) of a picture, resized and cropped; None where it cannot be decoded."""
    try:
        image = decode_rgb(data, max_pixels)
    except PixelError:
        return None
    for step in resize:
        image = step(image)
    return np.asarray(image).transpose(2, 0, 1)
