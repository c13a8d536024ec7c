"""Resizing as in open_clip's transform, by the fastest method of the device: Pillow's filters, without Pillow.

On a CPU, torch's kernel for 8-bit images: one image at a time, on the decoding thread, in a fifth of Pillow's time. On another device,
two batched matrix products with the filters' weights in fixed point, so that a float32 product is exact integer arithmetic: the pixels do
not depend on the order of summation, hence not on the batch or its canvas. Both round to 8 bits after each of the two passes, as Pillow
does, and differ from it by a level or two in some thousandths of the values.

Legend: B images, H x W pixels of an image or its canvas, S x T pixels of what the model takes, O output and I input pixels along an axis.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

FILTERS = {"bicubic": 2.0, "bilinear": 1.0}  # support in input pixels, for images that are not made smaller
_UNIT = 2.0**15  # of a weight: 255 levels times the sum of a row's absolute weights (under 1.4) stay below float32's 2**24
_CHUNK_BYTES = 256 * 2**20  # of canvases in float32 at once


@dataclass(frozen=True)
class Frame:
    """Target size (height, width) in pixels and the resizing mode; `shortest` resizes the shortest side and crops the centre."""

    size: tuple[int, int]
    mode: str
    interpolation: str

    def fit(self, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Size (height, width) to resize an image to, and the corner (top, left) of the crop, both by torchvision's rounding."""
        if self.mode == "squash":
            return self.size, (0, 0)
        side, shortest = self.size[0], min(height, width)
        resized = side * height // shortest, side * width // shortest
        return resized, (round((resized[0] - side) / 2.0), round((resized[1] - side) / 2.0))


def frame_of(image: Mapping[str, Any]) -> Frame | None:
    """The frame of an encoder's image settings; None if only open_clip's own transform supports them."""
    size, mode, interpolation = image.get("size"), image.get("resize_mode"), image.get("interpolation")
    height, width = (size, size) if isinstance(size, int) else size or (0, 0)
    known = mode == "squash" or (mode == "shortest" and height == width)
    return Frame((int(height), int(width)), str(mode), str(interpolation)) if height and known and interpolation in FILTERS else None


def resize_one(pixels_HW3: NDArray[np.uint8], frame: Frame) -> Tensor:
    """One decoded image -> uint8 (3, S, T), on the CPU, on the calling thread."""
    height, width = pixels_HW3.shape[:2]
    resized, (top, left) = frame.fit(height, width)
    x_13HW = torch.from_numpy(pixels_HW3).permute(2, 0, 1)[None]
    if resized != (height, width):
        x_13HW = functional.interpolate(x_13HW, size=resized, mode=frame.interpolation, antialias=True)
    return x_13HW[0, :, top : top + frame.size[0], left : left + frame.size[1]].contiguous()


def resize_many(canvas_BHW3: Tensor, sizes: list[tuple[int, int]], frame: Frame) -> Tensor:
    """Images at the top left of equal canvases, `sizes` their (height, width) -> uint8 (B, 3, S, T), on the canvas's device."""
    rows = max(1, _CHUNK_BYTES // (canvas_BHW3[0].numel() * 4))
    parts = [_resize(canvas_BHW3[at : at + rows], sizes[at : at + rows], frame) for at in range(0, len(sizes), rows)]
    return torch.cat(parts)


def _resize(canvas_BHW3: Tensor, sizes: list[tuple[int, int]], frame: Frame) -> Tensor:
    fits = [frame.fit(*size) for size in sizes]
    x_B3HW = canvas_BHW3.permute(0, 3, 1, 2).float()
    across_BTW, down_BSH = (
        _weights(
            torch.tensor([(size[axis], *(part[axis] for part in fit)) for size, fit in zip(sizes, fits, strict=True)]).to(x_B3HW.device),
            (frame.size[axis], canvas_BHW3.shape[1 + axis]),
            frame.interpolation,
        )
        for axis in (1, 0)
    )
    x_B3HT = _levels(x_B3HW @ across_BTW.transpose(1, 2)[:, None])
    return _levels(down_BSH[:, None] @ x_B3HT).to(torch.uint8)


def _levels(x: Tensor) -> Tensor:
    return (x + 0.5).floor_().clamp_(0, 255)


def _weights(axis_B3: Tensor, shape: tuple[int, int], interpolation: str) -> Tensor:
    """(B, O, I) float32 weights of Pillow's antialiased filter along an axis, in steps of 2**-15, each row's sum exactly 1.

    `axis_B3` holds for each image its pixels, its pixels after resizing, and the first of those that is kept; `shape` is (O, I).
    """
    device = axis_B3.device
    in_B11, out_B11, start_B11 = axis_B3.double()[:, :, None, None].unbind(1)
    scale_B11 = in_B11 / out_B11
    wide_B11 = scale_B11.clamp(min=1)  # the filter is as wide as an output pixel in input pixels
    centre_BO1 = (torch.arange(shape[0], device=device)[None, :, None] + start_B11 + 0.5) * scale_B11
    at_11I, reach_B11 = torch.arange(shape[1], device=device)[None, None, :], FILTERS[interpolation] * wide_B11
    first_BO1, end_BO1 = (centre_BO1 - reach_B11 + 0.5).trunc().clamp(min=0), torch.minimum((centre_BO1 + reach_B11 + 0.5).trunc(), in_B11)
    raw_BOI = _FILTERS[interpolation](((at_11I - centre_BO1 + 0.5) / wide_B11).abs())
    raw_BOI = torch.where((at_11I >= first_BO1) & (at_11I < end_BO1), raw_BOI, 0)
    steps_BOI = (raw_BOI / raw_BOI.sum(-1, keepdim=True) * _UNIT).round()
    largest_BO1 = steps_BOI.argmax(-1, keepdim=True)
    rest_BO1 = _UNIT - steps_BOI.sum(-1, keepdim=True)  # so that a uniform area keeps its level
    return (steps_BOI.scatter_add(-1, largest_BO1, rest_BO1) / _UNIT).float()


def _bicubic(x: Tensor) -> Tensor:
    """Keys' cubic with a = -0.5 at a distance x >= 0, as Pillow has it."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = -0.5 * (((x - 5) * x + 8) * x - 4)
    return torch.where(x < 1, near, torch.where(x < 2, far, 0))


def _bilinear(x: Tensor) -> Tensor:
    return (1 - x).clamp(min=0)


_FILTERS = {"bicubic": _bicubic, "bilinear": _bilinear}
