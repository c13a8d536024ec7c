"""Ranks of drawn queries: those of all pairs at these rows, with intervals that hold the truth as often as they claim."""

import tracemalloc
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from tda.errors import UserError
from tda.geometry import query_ranks, retrieval
from tda.geometry.arrays.equal_rows import first_equal
from tda.geometry.query_ranks import Queries, median_interval, query_counts, ranking_flops, sampled_metrics, sampled_summary
from tda.geometry.shared_positives import best_positives
from tda.store.datasets.sampling import seeded


def pairs(n: int, dim: int, noise: float, seed: int = 0, dtype: str = "float16") -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    image_ND = rng.standard_normal((n, dim))
    text_ND = image_ND + noise * rng.standard_normal((n, dim))
    return image_ND.astype(dtype), text_ND.astype(dtype)


def asked(image_ND: Any, text_ND: Any, chosen_Q: Any, cuts: tuple[int, ...] = (), tile: int = 2048) -> tuple[Any, Any]:
    """Ranks of the chosen rows, from candidates in blocks."""
    true_N = retrieval.true_cosines(image_ND, text_ND)
    both = best_positives(true_N, first_equal(image_ND + 0), first_equal(text_ND + 0))
    queries = Queries.of(image_ND[chosen_Q], text_ND[chosen_Q], (both[0].cosine_N[chosen_Q], both[1].cosine_N[chosen_Q]))
    edges = [0, *cuts, len(image_ND)]
    blocks = [slice(start, stop) for start, stop in pairwise(edges)]
    found = [query_counts(queries, image_ND[block], text_ND[block], first=block.start, tile=tile) for block in blocks]
    more = [one.more_N[chosen_Q] for one in both]
    return sum(one for one, _ in found) - more[0], sum(two for _, two in found) - more[1]


def require_equal(image_ND: Any, text_ND: Any, chosen_Q: Any, **blocks: Any) -> None:
    whole = retrieval.ranks(image_ND, text_ND)
    for own_Q, all_N in zip(asked(image_ND, text_ND, chosen_Q, **blocks), whole, strict=True):
        np.testing.assert_array_equal(own_Q, all_N[chosen_Q])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("n", "dim", "noise"), [(1500, 64, 2.0), (700, 512, 6.0), (900, 7, 0.5)])
def test_a_query_has_the_rank_that_it_has_among_all_pairs(dtype: str, n: int, dim: int, noise: float) -> None:
    image_ND, text_ND = pairs(n, dim, noise, dtype=dtype)
    image_ND[20:40], text_ND[30:50] = image_ND[3], text_ND[3]
    chosen_Q = np.union1d(seeded(n, 200, 1), np.arange(15, 55))
    require_equal(image_ND, text_ND, chosen_Q, cuts=(1, 130, 600), tile=97)
    require_equal(image_ND, text_ND, chosen_Q)


def test_more_queries_than_one_product_takes() -> None:
    image_ND, text_ND = pairs(2500, 16, 1.0)
    require_equal(image_ND, text_ND, np.arange(2300), cuts=(1200,))


def test_cosines_crowded_below_float32() -> None:
    image_ND, text_ND = (1e-4 * x for x in pairs(400, 32, 1.0, dtype="float64"))
    image_ND[:, 0] += 1
    text_ND[:, 0] += 1
    require_equal(image_ND, text_ND, np.arange(0, 400, 3), cuts=(150,))


def test_a_collapsed_encoder_is_last_everywhere() -> None:
    image_ND, text_ND = pairs(600, 16, 1.0)
    text_ND[:] = text_ND[0]
    from_images_Q, _ = asked(image_ND, text_ND, np.arange(100), cuts=(50,))
    assert (from_images_Q == 600).all()
    require_equal(image_ND, text_ND, np.arange(100))


def test_memory_does_not_grow_with_the_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_ranks, "blas_threads", lambda: 1)  # of two, chance decides whether their tiles are largest at once
    image_ND, text_ND = pairs(20_000, 16, 1.0)
    queries = Queries.of(image_ND[:500], text_ND[:500])
    peaks = []
    for count in (4000, 20_000):
        tracemalloc.start()
        query_counts(queries, image_ND[:count], text_ND[:count], tile=512)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_a_bad_row_is_named_by_its_place() -> None:
    image_ND, text_ND = pairs(50, 8, 1.0)
    queries = Queries.of(image_ND[:5], text_ND[:5])
    text_ND[33] = 0
    with pytest.raises(UserError, match="text: row 1033 has norm 0"):
        query_counts(queries, image_ND, text_ND, first=1000, tile=10)


def test_the_truth_lies_within_its_interval_in_95_of_100_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The truth is known: ranks of all pairs. A thousand draws, so that chance decides little."""
    monkeypatch.setattr(query_ranks, "interval", cache(query_ranks.interval))
    whole = retrieval.ranks(*pairs(3000, 24, 1.6, seed=3))
    for rank_N in whole:
        truth = {f"top{k}": float((rank_N <= k).mean()) for k in (1, 5, 10)} | {"median_rank": float(np.median(rank_N))}
        assert 0.05 < truth["top1"] < 0.9, "a truth that an interval can miss"
        drawn = [sampled_summary(rank_N[seeded(len(rank_N), 150, seed)])["ci95"] for seed in range(1000)]
        for name, value in truth.items():
            assert sum(low <= value <= high for low, high in (one[name] for one in drawn)) >= 950, name


def test_an_interval_narrows_with_the_queries() -> None:
    rank_N = retrieval.ranks(*pairs(3000, 24, 1.6, seed=3))[0]
    widths = [np.diff(sampled_summary(rank_N[seeded(3000, most, 0)])["ci95"]["top1"])[0] for most in (50, 200, 800)]
    assert widths[0] > 1.5 * widths[1] > 2.2 * widths[2]


@pytest.mark.parametrize("n", [6, 25, 1000])
def test_the_median_lies_between_order_statistics_of_binomial_places(n: int) -> None:
    low, high = median_interval(np.random.default_rng(0).permutation(n) + 1)
    assert low + high == n + 1
    assert binom.cdf(n - low, n, 0.5) - binom.cdf(low - 1, n, 0.5) >= 0.95
    assert binom.cdf(n - low - 1, n, 0.5) - binom.cdf(low, n, 0.5) < 0.95, "the narrowest"
    assert median_interval(np.array([7, 2])) == [2.0, 7.0]


def test_metrics_have_the_words_of_all_pairs_and_the_count() -> None:
    found = sampled_metrics(np.array([1, 1, 5, 6, 30]), np.array([1, 2, 3, 4, 5]), candidates=99)
    whole = retrieval.metrics(np.array([1, 1, 5, 6, 30]), np.array([1, 2, 3, 4, 5]))
    assert (found["pairs_used"], found["n_queries"]) == (99, 5)
    for way in ("image_to_text", "text_to_image"):
        assert {name: found[way][name] for name in whole[way]} == whole[way]
        assert set(found[way]["ci95"]) == {"top1", "top5", "top10", "median_rank"}
    assert found["image_to_text"]["top10"] == 0.8


def test_operations_are_linear_in_the_pairs_only_with_queries() -> None:
    assert ranking_flops(2_000_000, 20_000, 512) == 2 * ranking_flops(1_000_000, 20_000, 512)
    assert ranking_flops(2_000_000, None, 512) == 4 * ranking_flops(1_000_000, None, 512) == ranking_flops(2_000_000, 9_000_000, 512)
