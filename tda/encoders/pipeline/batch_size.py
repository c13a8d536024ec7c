"""The batch size: given, or found by halving what does not fit, and kept for the life of whoever holds it."""

from dataclasses import dataclass
from typing import Any

import torch

AUTO = "auto"
ON_CPU = 64  # its caches, not its memory, decide; a choice, not a measurement
# (bytes of memory, pairs): what a ViT-L/14 in 16 bits leaves room for; larger batches do not raise a device's rate further
_BY_MEMORY = ((60 * 2**30, 1024), (30 * 2**30, 512), (14 * 2**30, 256), (0, 128))


@dataclass
class BatchSize:
    """Pairs of a batch. It starts from the device's whole memory, not from what is free at the moment: equal devices begin alike."""

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
        """Whether there was something to halve."""
        self.pairs, before = max(1, self.pairs // 2), self.pairs
        return before > 1


def by_memory(total: int) -> int:
    """Pairs to begin with on a device of `total` bytes."""
    return next(pairs for least, pairs in _BY_MEMORY if total >= least)
