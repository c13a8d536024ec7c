"""A reference is searched as by float64 brute force, to the last bit, however it is cut; repeats, ties, scale and bad input."""

from typing import Any

import numpy as np
import pytest
from brute_cosines import brute, clustered
from hypothesis import given, settings
from hypothesis import strategies as st

from tda.errors import UserError
from tda.geometry.neighbors import best_match
from tda.geometry.neighbors.reference import Reference
from tda.geometry.neighbors.sizes import cell_count


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("k", [1, 3])
def test_exact_is_brute_force_to_the_last_bit(rows: tuple[Any, Any], best_40: tuple[Any, Any], k: int) -> None:
    for got, wanted in zip(best_match(*rows, k=k), best_40, strict=True):
        np.testing.assert_array_equal(got.reshape(-1, k), wanted[:, :k])


def test_exact_agrees_with_faiss(rows: tuple[Any, Any]) -> None:
    import faiss

    queries, reference = (np.ascontiguousarray(x / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True), np.float32) for x in rows)
    wanted, _ = faiss.knn(queries, reference, 4, metric=faiss.METRIC_INNER_PRODUCT)
    cosine, index = best_match(*rows, k=4)
    np.testing.assert_allclose(cosine, wanted, atol=1e-5)
    own = np.sum(queries[:, None, :].astype(np.float64) * reference[index], axis=2)
    np.testing.assert_allclose(own, wanted, atol=1e-5)


def test_probing_every_cell_is_exact_and_a_query_that_is_there_has_cosine_1(rows: tuple[Any, Any]) -> None:
    queries_ND, reference_MD = rows
    reference = Reference(reference_MD, cells=40)
    assert reference.centroids is not None
    for probes in (None, 10_000, len(reference.centroids)):
        for got, wanted in zip(reference.search(queries_ND, probes), best_match(*rows), strict=True):
            np.testing.assert_array_equal(got[:, 0], wanted)
    cosine, index = best_match(queries_ND[:50], reference_MD, probes=1)
    assert (np.float32(cosine) == 1).all()
    np.testing.assert_array_equal(reference_MD[index], queries_ND[:50])


def test_few_probes_find_rows_that_are_real_and_never_better_than_the_best(rows: tuple[Any, Any]) -> None:
    exact, _ = best_match(*rows)
    cosine, index = best_match(*rows, probes=2)
    assert (cosine <= exact).all()
    np.testing.assert_array_equal(cosine, [brute(q[None], rows[1][i : i + 1], 1)[0][0, 0] for q, i in zip(rows[0], index, strict=True)])


@given(st.integers(1, 60), st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_small_integers_tie_and_ties_go_to_the_earlier_row(m: int, dim: int, k: int, threads: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference_MD, queries_ND = (rng.integers(-1, 2, (n, dim)).astype(np.float32) for n in (m, 20))
    for x_ND in (reference_MD, queries_ND):
        x_ND[~x_ND.any(axis=1), 0] = 1
    k = min(k, m)
    for got, wanted in zip(
        Reference(reference_MD, cells=4).search(queries_ND, None, k, threads), brute(queries_ND, reference_MD, k), strict=True
    ):
        np.testing.assert_array_equal(got, wanted)


def test_a_reference_of_one_row_repeated_is_kept_once() -> None:
    reference = Reference(np.repeat(np.eye(1, 8, dtype=np.float16), 50_000, axis=0), cells=1)
    assert len(reference.table) == 1
    cosine, index = reference.search(np.ones((3, 8), np.float16), None, k=4)
    np.testing.assert_array_equal(index, np.tile(np.arange(4), (3, 1)))
    np.testing.assert_allclose(cosine, 8**-0.5)


def test_scale_does_not_matter(rows: tuple[Any, Any]) -> None:
    queries_ND, reference_MD = (x.astype(np.float32) for x in rows)
    factor_M = 2.0 ** np.random.default_rng(0).integers(-8, 8, len(reference_MD)).astype(np.float32)
    for got, wanted in zip(best_match(queries_ND * 4, reference_MD * factor_M[:, None]), best_match(queries_ND, reference_MD), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda q, r: (q, np.where(np.arange(len(r))[:, None] == 7, np.nan, r)), {}, "reference: row 7 has norm nan"),
        (lambda q, r: (q, np.where(np.arange(len(r))[:, None] == 7, 0, r)), {"probes": 2}, "reference: row 7 has norm 0"),
        (lambda q, r: (np.where(np.arange(len(q))[:, None] == 3, np.inf, q), r), {}, "queries: row 3 has norm inf"),
        (lambda q, r: (q[:, :5], r), {}, "queries have 5 dimensions, the reference has 8"),
        (lambda q, r: (q, r[:0]), {}, r"reference have shape \(0, 8\)"),
        (lambda q, r: (q[:0], r), {}, r"queries have shape \(0, 8\)"),
        (lambda q, r: (q, r), {"k": 31}, "k=31 must be from 1 to 30, the rows of the reference"),
        (lambda q, r: (q, r), {"k": 0}, "k=0 must be from 1 to 30"),
        (lambda q, r: (q, r), {"probes": 0}, "probes=0 must be at least 1"),
    ],
)
def test_what_has_no_answer_is_refused(spoil: Any, options: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        best_match(*spoil(clustered(10, 8, 2, 0.5, 0), clustered(30, 8, 2, 0.5, 1)), **options)


def test_where_the_probed_cells_hold_fewer_rows_than_k_the_rest_is_empty() -> None:
    reference_MD = np.eye(4, dtype=np.float32)
    cosine, index = Reference(reference_MD, cells=4).search(reference_MD, probes=1, k=3)
    np.testing.assert_array_equal(index, [[i, -1, -1] for i in range(4)])
    assert np.isnan(cosine[:, 1:]).all()


def test_cells_balance_finding_them_with_searching_them() -> None:
    assert (cell_count(300_000, 8), cell_count(300_000), cell_count(1), cell_count(5, 8)) == (1549, 1095, 1, 5)
