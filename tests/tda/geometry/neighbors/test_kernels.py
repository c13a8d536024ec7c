"""`within` keeps the candidates that are near the K-th best of their query. N queries, L candidates."""

from typing import Any

import numpy as np
import pytest

from tda.geometry.neighbors.kernels import within


def brute(query_L: Any, score_L: Any, count: int, k: int, margin: float) -> set[int]:
    kept = set()
    for query in range(count):
        places = np.flatnonzero(query_L == query)
        least = np.sort(score_L[places])[-k] - np.float32(margin) if len(places) >= k else -np.inf
        kept |= set(places[score_L[places] >= least].tolist())
    return kept


@pytest.mark.parametrize("k", [1, 2, 5, 40])
@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_it_is_a_sort_of_each_query(k: int, margin: float) -> None:
    rng = np.random.default_rng(k)
    query_L, score_L = rng.integers(1, 29, 400), np.round(rng.standard_normal(400), 1).astype(np.float32)  # queries 0 and 29 have none
    found = within(query_L, score_L, 30, k, np.float32(margin))
    assert len(set(found.tolist())) == len(found)
    assert set(found.tolist()) == brute(query_L, score_L, 30, k, margin)
    assert (np.diff(query_L[found]) >= 0).all()


def test_no_candidates_are_none() -> None:
    assert len(within(np.zeros(0, np.int64), np.zeros(0, np.float32), 3, 2, np.float32(0))) == 0
