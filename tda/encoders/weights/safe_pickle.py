"""Reads pickled arrays from untrusted pickles.

A pickle is a program: every name in it is imported and called. This reader resolves all names itself. NumPy arrays and their Haiku and
JAX wrappers become the stand-ins below, which only hold values; every other name is refused before anything is imported. So a pickle can
only build dicts, lists, tuples, numbers, strings and arrays.
"""

import pickle
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tda.encoders.weights.bounds import require_bounded_pickle_file
from tda.errors import UserError

_DTYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
_DAMAGED = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
)


def read_arrays(path: Path) -> Any:
    """The pickle's value: plain containers, numbers and strings, with NumPy arrays of numbers at the leaves.

    Raises UserError, without running or importing anything, if the pickle has another name or is damaged.
    """
    try:
        require_bounded_pickle_file(path)
        with path.open("rb") as file:
            return _finished(_ArrayUnpickler(file).load())
    except _DAMAGED as error:
        reported = str(error) or type(error).__name__
        raise UserError(f"checkpoint {path} is no pickle of arrays and plain containers: {reported.splitlines()[0][:200]}") from None


class _Dtype:
    """Stands for `numpy.dtype`: a code, and later a byte order."""

    def __init__(self, code: str, *_: Any) -> None:
        if code not in _DTYPES:
            raise pickle.UnpicklingError(f"it holds an array of type {code!r}, which is not a number")
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


class _Array:
    """Stands for `numpy.ndarray`: empty until its state is set."""

    value: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
            raise pickle.UnpicklingError("it holds an array whose content is not numbers")
        flat = np.frombuffer(raw, dtype=np.dtype(dtype.order + dtype.code))
        if flat.size != prod(shape):
            raise pickle.UnpicklingError(f"it holds {flat.size} numbers for an array of shape {shape}")
        native = flat.astype(flat.dtype.newbyteorder("="))  # a copy, which can be written to
        self.value = native.reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _device_array(make: Any, _args: Any, state: Any, *_: Any) -> _Array:
    """JAX wraps the three parts of a NumPy array: constructor, arguments, state."""
    if make is not _reconstruct:
        raise pickle.UnpicklingError("it wraps something that is not an array as a device array")
    array = _Array()
    array.__setstate__(state)
    return array


def _mapping(values: Any = None, *_: Any) -> dict[Any, Any]:
    if values is None:  # an OrderedDict is made empty, and filled by the pickle
        return {}
    if not isinstance(values, Mapping):
        raise pickle.UnpicklingError("it wraps something that is not a dict as a mapping")
    return dict(values)


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},  # NumPy 1 and 2
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("collections", "OrderedDict"): _mapping,
    **{("haiku._src.data_structures", name): _mapping for name in ("FlatMapping", "FlatMap", "frozendict")},
    **{(module, "reconstruct_device_array"): _device_array for module in ("jax._src.device_array", "jax.interpreters.xla")},
    ("jax._src.array", "_reconstruct_array"): _device_array,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which was not imported")
        return _STAND_INS[module, name]


def _finished(value: Any, done: dict[int, Any] | None = None) -> Any:
    """`value` with every stand-in replaced by what it stands for; a container that is held twice is made once."""
    done = {} if done is None else done
    if isinstance(value, dict | list | tuple):
        if id(value) not in done:  # `value` is held by the pickle's own tree, so that no other takes its id
            done[id(value)] = _finished_container(value, done)
        return done[id(value)]
    if isinstance(value, _Array):
        if value.value is None:
            raise pickle.UnpicklingError("it holds an array with no content")
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise pickle.UnpicklingError(f"it holds a {type(value).__name__}")


def _finished_container(value: Any, done: dict[int, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _finished(item, done) for key, item in value.items()}
    return type(value)(_finished(item, done) for item in value)
