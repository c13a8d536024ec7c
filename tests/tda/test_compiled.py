"""Kernels are stored where they can be, and compiled all the same where they cannot."""

from typing import Any

import numpy as np

from tda.compiled import compiled


def test_where_nothing_can_be_stored_the_kernel_is_compiled_all_the_same() -> None:
    made: dict[str, Any] = {}
    exec("def double(x_N):\n    x_N *= 2", made)  # noqa: S102 # a function of no file: numba has no folder for it
    x_N = np.ones(3)
    compiled(nogil=True)(made["double"])(x_N)
    assert x_N.tolist() == [2, 2, 2]
