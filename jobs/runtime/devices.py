"""Values of tasks between a GPU and Ray: what a task takes and returns is on the host, so that any node can read it."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from tda.geometry.arrays.devices import cuda
from tda.geometry.arrays.rows import to_host

Value = TypeVar("Value")


def moved(value: Value, move: Callable[[Any], Any]) -> Value:
    """The value with `move` applied to each array in it, also inside tuples and the fields of dataclasses."""
    found: Any = value
    if is_dataclass(found) and not isinstance(found, type):
        return replace(found, **{field.name: moved(getattr(found, field.name), move) for field in fields(found)})  # type: ignore[return-value]
    if isinstance(found, tuple):
        return tuple(moved(one, move) for one in found)  # type: ignore[return-value]
    return move(found) if hasattr(found, "__array_interface__") or hasattr(found, "__cuda_array_interface__") else value


def placed(value: Value, device: str) -> Value:
    """The value with its arrays on the GPU where `device` means one, else as it is."""
    cupy = cuda(device)
    return value if cupy is None else moved(value, cupy.asarray)


def fetched(value: Value) -> Value:
    """The value with its arrays on the host."""
    return moved(value, to_host)
