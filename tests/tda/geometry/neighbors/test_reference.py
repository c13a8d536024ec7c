"""The K best rows are those of float64 brute force, to the last bit, however the reference is cut."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tda.errors import UserError
from tda.geometry.neighbors import best_match
from tda.geometry.neighbors import bfloat16_tiles as brief_scan
from tda.geometry.neighbors import cell_scan as scan
from tda.geometry.neighbors import tiles as candidates
from tda.geometry.neighbors.kmeans import arrange
from tda.geometry.neighbors.reference import Reference
from tda.geometry.neighbors.search import nearest_rows, search
from tda.geometry.neighbors.sizes import cell_count
from tda.geometry.neighbors.table import Queries, Table, pair_cosines
from tda.geometry.neighbors.top_k import best_of


def clustered(n: int, dim: int, centres: int, noise: float, seed: int) -> Any:
    """Unit rows about a few centres, some of them exact repeats of earlier ones."""
    rng = np.random.default_rng(seed)
    centre_CD = np.random.default_rng(7).standard_normal((centres, dim))
    x_ND = centre_CD[rng.integers(0, centres, n)] + noise * rng.standard_normal((n, dim))
    x_ND[n // 2 : n // 2 + n // 8] = x_ND[: n // 8]
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)


def brute(queries_ND: Any, reference_MD: Any, k: int) -> tuple[Any, Any]:
    """Every cosine by the same elementwise arithmetic, then a stable sort."""
    one = Table(torch.from_numpy(reference_MD), torch.arange(len(reference_MD)), np.array([0, len(reference_MD)]))
    queries = Queries(torch.from_numpy(queries_ND))
    n, m = len(queries_ND), len(reference_MD)
    pairs = torch.arange(n).repeat_interleave(m), torch.arange(m).repeat(n)
    cosine_NM = pair_cosines(queries, pairs[0], one, pairs[1]).reshape(n, m).numpy()
    index_NK = np.argsort(-cosine_NM, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(cosine_NM, index_NK, axis=1), index_NK


@pytest.fixture(scope="module", params=["float16", "float32", "float64"])
def rows(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    reference_MD = clustered(3000, 48, 9, 0.2, 0).astype(request.param)
    queries_ND = clustered(700, 48, 9, 0.2, 1).astype(request.param)
    queries_ND[:50] = reference_MD[100:150]
    return queries_ND, reference_MD


@pytest.fixture(scope="module")
def best_40(rows: tuple[Any, Any]) -> tuple[Any, Any]:
    """Brute force's answer for `rows`; its first columns are the answer for fewer."""
    return brute(*rows, 40)


@pytest.fixture(params=["scanned", "tiled", "scanned briefly", "tiled briefly"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ways to compare rows: small tables by the kernel, large ones tile by tile, either by way of bfloat16 or not."""
    monkeypatch.setattr(brief_scan, "pays", lambda _: "briefly" in request.param)
    if "tiled" in request.param:
        monkeypatch.setattr(scan, "LARGEST", 0)
    return str(request.param)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("k", [1, 3])
def test_exact_is_brute_force_to_the_last_bit(rows: tuple[Any, Any], best_40: tuple[Any, Any], k: int) -> None:
    for got, wanted in zip(best_match(*rows, k=k), best_40, strict=True):
        np.testing.assert_array_equal(got.reshape(-1, k), wanted[:, :k])


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("k", [1, 3, 40])
def test_rows_without_their_cosines_are_the_same_rows(rows: tuple[Any, Any], best_40: tuple[Any, Any], k: int) -> None:
    """With repeated rows about, so that float32 alone leaves some undecided."""
    queries_ND, reference_MD = rows
    table = Table(torch.from_numpy(reference_MD), torch.arange(len(reference_MD)), np.array([0, len(reference_MD)]))
    found = nearest_rows(table, Queries(torch.from_numpy(queries_ND)), k, threads=2)
    np.testing.assert_array_equal(found, np.sort(best_40[1][:, :k], axis=1))


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


@given(st.lists(st.integers(0, 400), max_size=4), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_the_best_of_the_bests_of_any_parts_is_the_best(cuts: list[int], k: int) -> None:
    reference_MD, queries_ND = (torch.from_numpy(clustered(n, 16, 3, 1e-4, n).astype(np.float16)) for n in (400, 30))
    found = []
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), 400], strict=True):
        if start < stop:
            table = Table(reference_MD[start:stop], torch.arange(start, stop), np.array([0, stop - start]))
            cosine_NK, row_NK = search(table, queries_ND, k)
            there = row_NK >= 0
            found.append((np.nonzero(there)[0], cosine_NK[there], row_NK[there] + start))
    query, cosine, position = (np.concatenate(part) for part in zip(*found, strict=True))
    got_NK, place_NK = best_of(query, cosine, position, count=30, k=k)
    whole = search(Table(reference_MD, torch.arange(400), np.array([0, 400])), queries_ND, k)
    np.testing.assert_array_equal(got_NK, whole[0])
    np.testing.assert_array_equal(position[place_NK], whole[1])


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("k", [1, 4])
def test_cells_are_searched_as_by_brute_force_whoever_asks_for_them(k: int) -> None:
    """Cells of no rows and of many, asked for by nobody, by a few and by more queries than one step takes; -1 asks for none."""
    rng = np.random.default_rng(k)
    sizes = [3, 0, 40, 1, 700, 1100, 2, 154]
    bounds, reference_MD = np.cumsum([0, *sizes]), clustered(2000, 12, 5, 0.3, 0).astype(np.float16)
    queries_ND = clustered(2500, 12, 5, 0.3, 1).astype(np.float16)
    cells_NP = np.stack([np.full(2500, 2), rng.choice([-1, 0, 1, 4, 5, 7], 2500), np.where(np.arange(2500) < 9, 3, -1)], axis=1)
    cells_NP[2400:] = -1
    table = Table(torch.from_numpy(reference_MD), torch.arange(2000), bounds)
    cosine_NK, row_NK = search(table, torch.from_numpy(queries_ND), k, cells_NP, threads=2)
    cell_M = np.repeat(np.arange(len(sizes)), sizes)
    chosen = [*range(12), *range(1000, 1050), 2399, 2400]
    for query, *ranked in zip(chosen, *brute(queries_ND[chosen], reference_MD, 2000), strict=True):
        looked = np.isin(cell_M[ranked[1]], cells_NP[query])
        wanted = [column[looked][:k] for column in ranked]
        there = row_NK[query] >= 0
        np.testing.assert_array_equal(row_NK[query][there], wanted[1])
        np.testing.assert_array_equal(cosine_NK[query][there], wanted[0])


@pytest.mark.usefixtures("way")
def test_a_crowd_of_nearly_equal_rows_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = candidates._near_in_float64
    monkeypatch.setattr(candidates, "_near_in_float64", lambda *given: (calls.append(1), original(*given))[1])
    reference_MD, queries_ND = clustered(2000, 24, 2, 1e-5, 0).astype(np.float32), clustered(40, 24, 2, 1e-5, 3).astype(np.float32)
    for k in (1, 3):
        for got, wanted in zip(Reference(reference_MD, 1).search(queries_ND, None, k), brute(queries_ND, reference_MD, k), strict=True):
            np.testing.assert_array_equal(got, wanted)
    assert calls


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
    ("spoil", "options", "told"),
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
def test_what_has_no_answer_is_refused(spoil: Any, options: dict[str, int], told: str) -> None:
    with pytest.raises(UserError, match=told):
        best_match(*spoil(clustered(10, 8, 2, 0.5, 0), clustered(30, 8, 2, 0.5, 1)), **options)


def test_where_the_probed_cells_hold_fewer_rows_than_k_the_rest_is_empty() -> None:
    reference_MD = np.eye(4, dtype=np.float32)
    cosine, index = Reference(reference_MD, cells=4).search(reference_MD, probes=1, k=3)
    np.testing.assert_array_equal(index, [[i, -1, -1] for i in range(4)])
    assert np.isnan(cosine[:, 1:]).all()


def test_heavy_cells_are_cut_and_every_row_is_somewhere() -> None:
    x_MD = clustered(1000, 16, 2, 0.1, 0).astype(np.float32)
    x_MD[100:300] = x_MD[100]
    label_M = np.zeros(1000, np.int64)
    label_M[:10] = 2
    order_M, bounds, centroids_CD = arrange(x_MD, label_M, np.eye(3, 16, dtype=np.float32), bound=60)
    np.testing.assert_array_equal(np.sort(order_M), np.arange(1000))
    assert np.diff(bounds).max() <= 60
    assert np.diff(bounds).min() > 0
    assert len(centroids_CD) == len(bounds) - 1
    np.testing.assert_allclose(np.linalg.norm(centroids_CD, axis=1), 1, atol=1e-5)


def test_cells_balance_finding_them_with_searching_them() -> None:
    assert (cell_count(300_000, 8), cell_count(300_000), cell_count(1), cell_count(5, 8)) == (1549, 1095, 1, 5)
