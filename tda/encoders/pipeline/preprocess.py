"""Preprocessing between decoding and the towers: each distinct preparation of a run is made once, for all encoders that share it.

An image is resized to 8 bits a channel, by threads or on the device, then converted to float and normalised on the device by each
encoder's mean and std, with the same operations as open_clip's transform. Resizing is `fast` or `exact` (open_clip's own steps); the mode
is part of the identity of the vectors.

Legend: B batch, H x W pixels, L tokens.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from tda.encoders.base import Encoder
from tda.encoders.images.resize import Frame, frame_of, resize_many, resize_one

DEVICE_PIXELS = 640 * 640  # larger images are resized on the decoding thread, so that batches stay small
CANVAS_STEP = 64  # pixels: canvas sizes are multiples, so that images of similar size share one


class Feed(Protocol):
    """A preparation of one modality. `prepare` works on any thread; `ready` turns the result of `collate` into a tower's input."""

    key: str

    def prepare(self, member: Any) -> Any: ...
    def collate(self, items: Sequence[Any], device: torch.device) -> Tensor: ...


class OwnFeed:
    """The encoder's own preparation and batching: for texts, and for images of an encoder with another transform than open_clip's."""

    def __init__(self, encoder: Encoder, modality: str) -> None:
        self.key, self._encoder, self._modality = encoder.fed(modality), encoder, modality

    def prepare(self, member: Any) -> Any:
        return self._encoder.prepare(self._modality, Image.fromarray(member) if isinstance(member, np.ndarray) else member)

    def collate(self, items: Sequence[Any], device: torch.device) -> Tensor:
        return _sent(self._encoder.batch(self._modality, items), device)


class ExactFeed:
    """The byte steps of open_clip's own transform, which are Pillow's."""

    def __init__(self, image: Mapping[str, Any], steps: Sequence[Callable[[Image.Image], Image.Image]]) -> None:
        self.key, self._steps = _key("exact", {name: value for name, value in image.items() if name not in ("mean", "std")}), steps

    def prepare(self, member: NDArray[np.uint8]) -> Tensor:
        image = Image.fromarray(member)
        for step in self._steps:
            image = step(image)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()

    def collate(self, items: Sequence[Tensor], device: torch.device) -> Tensor:
        return _sent(torch.stack(list(items)), device)


class FastFeed:
    """`tda.encoders.images.resize`: on the decoding thread for an encoder on the CPU, else on its device, except large images."""

    def __init__(self, frame: Frame, on_device: bool) -> None:
        self.key, self._frame, self._on_device = _key("fast", vars(frame)), frame, on_device

    def prepare(self, member: NDArray[np.uint8]) -> Any:
        if self._on_device and member.shape[0] * member.shape[1] <= DEVICE_PIXELS:
            return member
        return resize_one(member, self._frame)

    def collate(self, items: Sequence[Any], device: torch.device) -> Tensor:
        """uint8 (B, 3, H, W) in the order of `items`; decoded images are sent unresized, those of similar size on one canvas."""
        raw = [row for row, item in enumerate(items) if isinstance(item, np.ndarray)]
        if not raw:
            return _sent(torch.stack(list(items)), device)
        out_B3HW = torch.empty(len(items), 3, *self._frame.size, dtype=torch.uint8, device=device)
        if done := [row for row, item in enumerate(items) if not isinstance(item, np.ndarray)]:
            out_B3HW[_rows(done, device)] = _sent(torch.stack([items[row] for row in done]), device)
        for (height, width), rows in _by_canvas(items, raw).items():
            canvas_BHW3 = _pinned((len(rows), height, width, 3), device)
            for place, row in zip(canvas_BHW3.numpy(), rows, strict=True):
                place[: items[row].shape[0], : items[row].shape[1]] = items[row]
            sizes = [items[row].shape[:2] for row in rows]
            out_B3HW[_rows(rows, device)] = resize_many(canvas_BHW3.to(device, non_blocking=True), sizes, self._frame)
        return out_B3HW


def feed_of(encoder: Encoder, modality: str, resize: str) -> Feed:
    """The feed of `encoder` for `modality`; `resize`, one of `tda.config.RESIZES`, applies to open_clip's transforms."""
    steps = getattr(encoder.preprocess, "transforms", None)
    if modality != "image" or steps is None:
        return OwnFeed(encoder, modality)
    image = encoder.preprocessing["image"]
    frame = frame_of(image) if resize == "fast" else None
    return ExactFeed(image, steps[:-2]) if frame is None else FastFeed(frame, on_device=encoder.device.type != "cpu")


def ready(encoder: Encoder, batch: Tensor) -> Tensor:
    """The input of the encoder's tower: 8-bit pixels become float and normalised, bit for bit as in open_clip's transform."""
    if batch.dtype != torch.uint8:
        return batch
    image = encoder.preprocessing["image"]
    mean_C11, std_C11 = (torch.tensor(image[name], device=batch.device)[:, None, None] for name in ("mean", "std"))
    return batch.float().div_(255).sub_(mean_C11).div_(std_C11)


def _key(way: str, settings: Mapping[str, Any]) -> str:
    return json.dumps([way, settings], sort_keys=True)


def _by_canvas(items: Sequence[Any], rows: Sequence[int]) -> dict[tuple[int, int], list[int]]:
    """Canvas (height, width) -> rows of that canvas size."""
    found: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        height, width = (-(-side // CANVAS_STEP) * CANVAS_STEP for side in items[row].shape[:2])
        found.setdefault((height, width), []).append(row)
    return found


def _rows(rows: Sequence[int], device: torch.device) -> Tensor:
    return _sent(torch.tensor(rows), device)


def _pinned(shape: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.empty(shape, dtype=torch.uint8, pin_memory=device.type == "cuda")


def _sent(x: Tensor, device: torch.device) -> Tensor:
    """Copy to the device; to CUDA through pinned memory, so that the copy overlaps with computation."""
    if device.type != "cuda":
        return x.to(device)
    return x.pin_memory().to(device, non_blocking=True)
