"""The K best rows by every way of searching: blocks, parts, probed cells, with and without cosines. N queries, M rows, K matches."""

import threading
from typing import Any

import numpy as np
import pytest
import torch
from brute_cosines import clustered, table_of
from hypothesis import given, settings
from hypothesis import strategies as st

from tda.errors import UserError
from tda.geometry.neighbors import search as module
from tda.geometry.neighbors.search import _kth_score, _within, best_rows, nearest_rows, query_blocks, search
from tda.geometry.neighbors.table import Queries, Table
from tda.geometry.neighbors.top_k import best_of


def small_blocks(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(module, "QUERIES", rows)
    monkeypatch.setattr(module, "FEWEST", 1)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("k", [1, 3, 40])
def test_rows_without_their_cosines_are_the_same_rows(rows: tuple[Any, Any], best_40: tuple[Any, Any], k: int) -> None:
    """With repeated rows about, so that float32 alone leaves some undecided."""
    queries_ND, reference_MD = rows
    found = nearest_rows(table_of(reference_MD), Queries(torch.from_numpy(queries_ND)), k, threads=2)
    np.testing.assert_array_equal(found, np.sort(best_40[1][:, :k], axis=1))


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


@pytest.mark.parametrize("probed", [False, True])
def test_blocks_of_queries_change_no_bit(probed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    reference_MD, queries_ND = clustered(400, 16, 4, 0.3, 0), clustered(101, 16, 4, 0.3, 1)
    cells_NP = np.random.default_rng(0).integers(-1, 4, (101, 2)) if probed else None
    table, queries = table_of(reference_MD, [0, 100, 200, 300, 400]), torch.from_numpy(queries_ND)
    whole = search(table, queries, 3, cells_NP)
    small_blocks(monkeypatch, 17)
    for one, other in zip(search(table, queries, 3, cells_NP, threads=2), whole, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("k", "probes", "rows"),
    [
        (1, None, module.QUERIES),
        (2, 100_000, module.FEWEST),
        (256, None, module.ROOM // (256 * module.OF_ALL)),
        (64, 16, module.ROOM // (64 * 16)),
    ],
)
def test_a_block_has_as_many_queries_as_their_candidates_have_room(k: int, probes: int | None, rows: int) -> None:
    count = 70_000
    blocks = list(query_blocks(torch.ones(count, 1), k, probes))
    assert [block.first for block in blocks] == list(range(0, count, rows))
    assert [len(block) for block in blocks] == [rows] * (count // rows) + [count % rows]


def test_a_query_that_is_zero_is_named_by_its_place_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch, 10)
    queries_ND = clustered(40, 4, 2, 0.3, 0)
    queries_ND[33] = 0
    with pytest.raises(UserError, match="queries: row 33 has norm 0"):
        search(table_of(clustered(20, 4, 2, 0.3, 0)), torch.from_numpy(queries_ND), 1)


def test_what_was_not_compared_is_nan_and_minus_one() -> None:
    table, queries = table_of(np.eye(6), [0, 2, 6]), torch.from_numpy(np.eye(6))
    cosine_NK, row_NK = search(table, queries, 3, np.array([[0], [-1], [1], [1], [1], [1]]))
    assert row_NK[0].tolist() == [0, 1, -1]
    assert row_NK[1].tolist() == [-1, -1, -1]
    np.testing.assert_array_equal(np.isnan(cosine_NK), row_NK < 0)
    cosine_NK, row_NK = search(table, queries[:0], 3)
    assert cosine_NK.shape == row_NK.shape == (0, 3)


def test_positions_decide_ties_and_rows_are_those_of_the_table() -> None:
    """Two pairs of equal rows; the table holds the later position first."""
    rows_MD = torch.eye(2, dtype=torch.float64)[[0, 1, 0, 1]]
    table = Table(rows_MD, torch.tensor([9, 8, 2, 3]), np.array([0, 4]))
    cosine_NK, row_NK = best_rows(table, Queries(torch.eye(2, dtype=torch.float64)), 2)
    assert row_NK.tolist() == [[2, 0], [3, 1]]
    assert (cosine_NK == 1).all()
    assert nearest_rows(table, Queries(torch.eye(2, dtype=torch.float64)), 1).tolist() == [[2], [3]]


def test_torchs_threads_are_set_back() -> None:
    """In this thread and in those that start later, which inherit the number."""
    before, later = torch.get_num_threads(), list[int]()
    search(table_of(clustered(500, 8, 2, 0.3, 0)), torch.from_numpy(clustered(100, 8, 2, 0.3, 1)), 2, threads=2)
    assert torch.get_num_threads() == before
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [before]


@pytest.mark.parametrize("k", [1, 2, 7])
def test_the_kth_score_and_what_is_within_the_margin_of_it(k: int) -> None:
    """As torch does it on a GPU, against a sort of each query; the kernel of a CPU leaves the same."""
    made = torch.Generator().manual_seed(k)
    query_L, score_L = torch.randint(1, 20, (200,), generator=made), torch.randn(200, generator=made)  # queries 0 and 20 have none
    kth_N = _kth_score(query_L, score_L, 21, k)
    for query in range(21):
        own = torch.sort(score_L[query_L == query], descending=True).values
        assert kth_N[query] == (own[k - 1] if len(own) >= k else -torch.inf)
    near_L = _within(query_L, score_L, 21, k, 0.25)
    places = torch.nonzero(near_L)[:, 0] if near_L.dtype == torch.bool else near_L
    assert sorted(places.tolist()) == torch.nonzero(score_L >= kth_N[query_L] - 0.25)[:, 0].tolist()
