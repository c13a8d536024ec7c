"""Numba kernels, compiled once a machine and cached on disk.

Apart, because geometry and store both use it and may not import each other.
"""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """As numba's `njit(**options)`, with its cache on disk, so that only the first process on a machine waits for the compiler."""

    def compile_kept(function: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # neither the source folder nor the user's cache can be written
            return njit(**options)(function)

    return compile_kept
