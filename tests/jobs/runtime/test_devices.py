"""Arrays inside values move, all else stays."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.runtime.devices import fetched, moved, placed
from tda.geometry.parts.pair_stats import PairStats


@dataclass(frozen=True)
class Inner:
    rows_ND: Any
    name: str


@dataclass(frozen=True)
class Outer:
    parts: tuple[Any, ...]
    count: int
    inner: Inner
    missing: Any = None


def test_arrays_move_at_any_depth() -> None:
    value = Outer((np.zeros(2), 3), 7, Inner(np.ones((2, 2)), "x"))
    found = moved(value, lambda x: x + 5)
    assert found.parts[0].tolist() == [5, 5]
    assert found.inner.rows_ND.tolist() == [[6, 6], [6, 6]]
    assert (found.parts[1], found.count, found.inner.name, found.missing) == (3, 7, "x", None)
    assert value.parts[0].tolist() == [0, 0]


def test_on_the_host_nothing_changes() -> None:
    rng = np.random.default_rng(0)
    stats = PairStats.of_set(*rng.standard_normal((2, 30, 4)))
    assert placed(stats, "cpu") is stats
    assert fetched(stats).spectrum_metrics("float32") == stats.spectrum_metrics("float32")
    assert fetched(stats).cosine_metrics() == stats.cosine_metrics()
