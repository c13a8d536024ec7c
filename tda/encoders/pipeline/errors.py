"""Causes of an encoder's failure on a batch: too large a batch, a lost device, single pairs, or the model."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from tda.errors import LacunaError

Item = TypeVar("Item")

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "cublas_status_alloc_failed")
_LOST_WORDS = ("cuda error", "device-side assert", "unspecified launch failure", "hip error")


class DeviceLostError(LacunaError):
    """The device's context is lost: nothing can run on it again in this process."""


class ModelAtFaultError(Exception):
    """More pairs fail than pass, so the model is at fault; the cause is the failure of the batch."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may help."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _MEMORY_WORDS)


def is_device_lost(error: BaseException) -> bool:
    """Whether CUDA will raise this error for every later call too."""
    if is_out_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    return any(word in str(error).lower() for word in _LOST_WORDS)


def isolate(items: Sequence[Item], attempt: Callable[[Sequence[Item]], object], *, spare: int = 0) -> dict[Item, Exception]:
    """The single items of a failing batch on which `attempt` fails, each with its error, found by halving.

    `spare`: items that `attempt` has passed before. Raises ModelAtFaultError as soon as more items fail than pass in total; errors that
    no smaller batch avoids (memory, a lost device) are raised unchanged.
    """
    at_fault: dict[Item, Exception] = {}
    _halve(items, attempt, at_fault, most=(len(items) + spare) / 2)
    return at_fault


def _halve(items: Sequence[Item], attempt: Callable[[Sequence[Item]], object], at_fault: dict[Item, Exception], most: float) -> None:
    try:
        attempt(items)
    except Exception as error:
        if is_out_of_memory(error) or is_device_lost(error):
            raise
        if len(items) > 1:
            middle = len(items) // 2
            _halve(items[:middle], attempt, at_fault, most)
            _halve(items[middle:], attempt, at_fault, most)
            return
        at_fault[items[0]] = error
        if len(at_fault) > most:
            raise ModelAtFaultError from error
