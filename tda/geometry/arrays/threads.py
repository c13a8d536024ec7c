"""Work on several cores, with single-threaded BLAS in each thread: a multi-threaded product waits for its slowest core.

A separate file, because `spectrum` and `neighbors` both need it, and nothing else in `arrays` needs threadpoolctl.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_info, threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def threaded(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, begin: Callable[[], object] | None = None
) -> Iterator[Result]:
    """Results of `function` in the order of `items`, from a pool of `threads`, in which BLAS uses one thread.

    `begin` is called once in every thread of the pool.
    """
    with threadpool_limits(1), ThreadPoolExecutor(threads, initializer=begin or (lambda: None)) as pool:
        yield from pool.map(function, items)


def blas_threads() -> int:
    """Number of threads that NumPy's BLAS uses in this process: by default the cores that it may use."""
    return max([library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"], default=1)
