"""Memory that a thread keeps for its next step: fresh pages cost more than what is done with them."""

import threading

import torch

_kept = threading.local()


def scratch(name: str, shape: tuple[int, int], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """A tensor of this shape in memory of this thread, with what an earlier use of the name left there: finite numbers, first zeros."""
    count = shape[0] * shape[1]
    kept = getattr(_kept, name, None)
    if kept is None or kept.numel() < count:
        kept = torch.zeros(count, dtype=dtype)
        setattr(_kept, name, kept)
    return kept[:count].view(shape)
