"""One device of a process, used by one shard at a time, with what was measured of it and its models."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tda.encoders.base import Encoder
from tda.encoders.pipeline.roofline import flops_of, gemm_rate
from tda.encoders.pipeline.streams import lane_of
from tda.encoders.pipeline.timing import Seconds

AUTO = "auto"
ON_CPU = 64  # limited by caches, not memory; chosen, not measured
# (bytes of memory, pairs): what fits beside a ViT-L/14 in 16 bits; larger batches are no faster
_BY_MEMORY = ((60 * 2**30, 1024), (30 * 2**30, 512), (14 * 2**30, 256), (0, 128))


@dataclass
class BatchSize:
    """Pairs of a batch. The first size depends on the device's total memory, not on its free memory: equal devices start equally."""

    pairs: int

    @classmethod
    def of(cls, setting: Any, device: torch.device) -> "BatchSize":
        """`setting` is a number of pairs, or `auto`."""
        if setting != AUTO:
            return cls(int(setting))
        if device.type != "cuda":
            return cls(ON_CPU)
        return cls(by_memory(torch.cuda.get_device_properties(device).total_memory))

    def halve(self) -> bool:
        """Halve; returns whether that was possible."""
        self.pairs, before = max(1, self.pairs // 2), self.pairs
        return before > 1


def by_memory(total: int) -> int:
    """First batch size on a device of `total` bytes."""
    return next(pairs for least, pairs in _BY_MEMORY if total >= least)


class Device:
    """Its lane, the batch size that fits, its rate in each precision, and the FLOPs of each model."""

    def __init__(self, device: torch.device, batch_size: Any) -> None:
        self.lane = lane_of(device)
        self.size = BatchSize.of(batch_size, device)
        self._taken, self._known = threading.Lock(), threading.Lock()
        self._freed: float | None = None  # when it last finished a shard
        self._rates: dict[str, float] = {}  # precision -> FLOP/s
        self._flops: dict[str, float] = {}  # encoder -> FLOP a pair

    @contextmanager
    def turn(self, seconds: Seconds, asked: float) -> Iterator[None]:
        """Reserve the device for the caller inside the block.

        `seconds` grow by `span`, since the end of the turn before, and by `wait`, until this one; the first span begins when the caller
        `asked` for the device.
        """
        with self._taken:
            began = asked if self._freed is None else self._freed
            seconds.add("wait", max(0.0, time.perf_counter() - began))
            try:
                yield
            finally:
                self._freed = time.perf_counter()
                seconds.add("span", self._freed - began)

    def shrink(self, tried: int) -> bool:
        """Halve the batch size after `tried` was too large, unless another thread has; returns whether a smaller size can be tried."""
        self.lane.relieve()
        with self._known:
            return self.size.pairs < tried or self.size.halve()

    def rate(self, encoders: Mapping[str, Encoder]) -> float:
        """FLOP/s in the precision of the encoders, measured once; the lowest of several precisions."""
        with self._known:
            for precision in {encoder.precision for encoder in encoders.values()} - self._rates.keys():
                self._rates[precision] = gemm_rate(self.lane.device, precision)
            return min(self._rates[encoder.precision] for encoder in encoders.values())

    def flops(self, name: str) -> float:
        """FLOP of a pair under an encoder; 0 if they could not be counted."""
        return self._flops.get(name, 0.0)

    def count(self, name: str, encoder: Encoder, inputs: Callable[[str], Tensor]) -> None:
        """Count FLOPs once for each encoder, on a few `inputs` of each modality."""
        if name in self._flops:
            return
        try:
            self._flops[name] = sum(flops_of(encoder, modality, inputs(modality)) for modality in encoder.modalities)
        except Exception:  # noqa: BLE001 (only a reported figure is lost)
            self._flops[name] = 0.0
