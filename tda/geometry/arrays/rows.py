"""Rows of an array, on the host or on a GPU: transfer, checks, samples, distinct rows.

N rows, D dimensions, U distinct rows, S rows of a sample.
"""

from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.equal_rows import first_equal
from tda.geometry.arrays.namespace import namespace


def on_device(x_ND: Any) -> bool:
    """Whether the array is in the memory of a CUDA device."""
    return hasattr(x_ND, "__cuda_array_interface__")


def to_host(x_ND: Any) -> Any:
    """The array as a NumPy array."""
    return x_ND.get() if on_device(x_ND) else np.asarray(x_ND)


def check_rows(x_ND: Any, what: str = "rows", first: int = 0) -> None:
    """Raise UserError unless the array is (N, D) and finite, naming the first row that is not.

    `what` (a name) and `first` (the position of row 0 in its set) are for the message.
    """
    xp = namespace(x_ND)
    if x_ND.ndim != 2 or 0 in x_ND.shape:
        raise UserError(f"{what} have shape {tuple(x_ND.shape)}; they must be (N, D) with N and D at least 1")
    good_N = xp.all(xp.isfinite(x_ND), axis=1)
    if not bool(xp.all(good_N)):
        row = int(xp.argmin(xp.astype(good_N, xp.int8)))
        raise UserError(f"{what}: row {first + row} holds a value that is not finite; remove it first")


def sample_rows(count: int, size: int, seed: int) -> Any:
    """Positions (S,) of min(`size`, `count`) of `count` rows, drawn by `seed` without replacement, ascending."""
    if size >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, size, replace=False))


def distinct(x_ND: Any) -> tuple[Any, Any]:
    """Positions (U,) of the first of each set of equal rows, ascending, and the number (N,) of each row among the U. NumPy arrays.

    By `first_equal`, which compares bytes; here 0.0 and -0.0 are equal, as they are for a distance.
    """
    first_N = first_equal(to_host(x_ND) + 0)  # -0.0 + 0 is 0.0: equal values get equal bytes
    first_U = np.flatnonzero(first_N == np.arange(len(first_N)))
    return first_U, np.searchsorted(first_U, first_N)
