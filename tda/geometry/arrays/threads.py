"""Work on several cores: threads of one core each wait for nobody, where a product that cores share waits for the slowest of them."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_info, threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def threaded(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, begin: Callable[[], object] | None = None
) -> Iterator[Result]:
    """Results in order; inside, a product takes one thread. `begin` is called once in every thread."""
    with threadpool_limits(1), ThreadPoolExecutor(threads, initializer=begin or (lambda: None)) as pool:
        yield from pool.map(function, items)


def blas_threads() -> int:
    """Threads that this process lets a product of NumPy's take: the cores that it may use."""
    return max([library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"], default=1)
