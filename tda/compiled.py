"""Kernels that are compiled once a machine, where there is a folder to keep them in."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """As numba's `njit(**options)`, and stored, so that only the first process on a machine waits for the compiler."""

    def compile_kept(function: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # neither beside the source nor in the user's cache is a folder that can be written
            return njit(**options)(function)

    return compile_kept
