"""The roofline: the FLOPs of a model for a pair, and the device's rate of matrix products.

Legend: B batch.
"""

import threading
import time
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from tda.encoders.base import Encoder

_SIDES = {"cuda": 8192, "cpu": 768}  # of the square matrices: large enough for the full rate, small enough for a tenth of a second
_SECONDS = 0.1
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_counting = threading.Lock()  # attention's fast path is switched for the whole process


def flops_of(encoder: Encoder, modality: str, batch: Tensor) -> float:
    """FLOP of one item of `batch` (a multiplication and an addition are two), counted row by row and averaged.

    Row by row, because a text tower may run only to the longest caption of a batch: padding does not count.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    with _counting:
        torch.backends.mha.set_fastpath_enabled(False)  # its fused kernel cannot be counted
        try:
            with FlopCounterMode(display=False) as counter:
                for row in range(len(batch)):
                    encoder.encode(modality, batch[row : row + 1])
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
    return float(counter.get_total_flops()) / max(1, len(batch))


def gemm_rate(device: torch.device, precision: str) -> float:
    """FLOP/s of the device in square matrix products of the precision: the best of a short run, to reduce the effect of other load."""
    side, dtype = _SIDES.get(device.type, _SIDES["cpu"]), _DTYPES[precision]
    draws = torch.Generator().manual_seed(0)  # constant numbers switch fewer transistors: a GPU multiplies them faster than any real ones
    a, b = (torch.randn(side, side, generator=draws).to(device, dtype) for _ in range(2))
    _multiply(a, b)  # the first product selects a kernel
    end, best = time.perf_counter() + _SECONDS, _multiply(a, b)
    while time.perf_counter() < end:
        best = min(best, _multiply(a, b))
    return float(2 * side**3 / best)


def _multiply(a: Any, b: Any) -> float:
    """Seconds of one product."""
    start = time.perf_counter()
    a @ b
    if a.device.type == "cuda":
        torch.cuda.synchronize(a.device)
    return time.perf_counter() - start
