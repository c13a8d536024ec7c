"""Candidates by float32 products, tile by tile: no true match is missing, few others are there. B queries, M rows, K matches."""

from typing import Any

import numpy as np
import pytest
import torch
from brute_cosines import brute, clustered, table_of

from tda.geometry.neighbors import tiles
from tda.geometry.neighbors.reference import Reference
from tda.geometry.neighbors.table import Queries, band
from tda.geometry.neighbors.tiles import candidates, cell_steps, whole_steps


def by_query(found: Any, count: int) -> list[set[int]]:
    query_L, row_L, _ = (part.numpy() for part in found)
    assert len(set(zip(query_L.tolist(), row_L.tolist(), strict=True))) == len(query_L), "no candidate twice"
    return [set(row_L[query_L == query].tolist()) for query in range(count)]


@pytest.mark.parametrize("tile", [16, 250, 1024])
@pytest.mark.parametrize("k", [1, 5, 300])
def test_the_best_are_among_the_candidates_of_any_tiles(k: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "TILE", tile)
    reference_MD, queries_ND = clustered(700, 24, 5, 0.3, 0).astype(np.float32), clustered(60, 24, 5, 0.3, 1).astype(np.float32)
    found = candidates(table_of(reference_MD), Queries(torch.from_numpy(queries_ND)), k, (torch.arange(60), slice(100, 600)))
    cosine_NK, wanted_NK = brute(queries_ND, reference_MD[100:600], k)
    for query, rows in enumerate(by_query(found, 60)):
        assert set((wanted_NK[query] + 100).tolist()) <= rows
        assert rows <= set(range(100, 600))
    if tile == 1024:  # in one tile, what is left is within the bound of the K-th best
        query_L, row_L, score_L = (part.numpy() for part in found)
        unit = (queries_ND[query_L] * reference_MD[row_L]).sum(axis=1)
        np.testing.assert_allclose(score_L, unit, atol=2 * band(24))
        assert (score_L >= cosine_NK[query_L, -1] - 4 * band(24)).all()


def test_only_the_queries_of_the_step_are_compared_and_keep_their_numbers() -> None:
    rows_MD = clustered(300, 24, 5, 0.3, 0).astype(np.float32)
    table, queries, asking = table_of(rows_MD), Queries(torch.from_numpy(rows_MD)), torch.tensor([7, 3, 250])
    query_L, row_L, _ = candidates(table, queries, 1, (asking, slice(0, 300)))
    assert set(query_L.tolist()) == {7, 3, 250}
    assert {(3, 3), (7, 7), (250, 250)} <= set(zip(query_L.tolist(), row_L.tolist(), strict=True))


def test_a_large_product_is_the_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy's BLAS above `LARGE` scores, torch's below: the same candidates."""
    rows_MD = clustered(600, 24, 5, 0.3, 0).astype(np.float32)
    table, queries, step = table_of(rows_MD), Queries(torch.from_numpy(rows_MD[:90])), (torch.arange(90), slice(0, 600))
    found = []
    for large in (1, 2**40):
        monkeypatch.setattr(tiles, "LARGE", large)
        found.append(by_query(candidates(table, queries, 3, step), 90))
    for one, other, true_K in zip(*found, brute(rows_MD[:90], rows_MD, 3)[1], strict=True):
        assert set(true_K.tolist()) <= one & other


def test_whole_steps_compare_every_query_with_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "BLOCK", 40)
    table, queries = table_of(np.eye(9)), Queries(torch.from_numpy(np.eye(9)[np.arange(150) % 9]))
    for threads, blocks in ((1, 4), (2, 4), (8, 8)):
        steps = list(whole_steps(table, queries, threads))
        assert len(steps) == blocks
        assert torch.cat([query_B for query_B, _ in steps]).tolist() == list(range(150))
        assert {(rows.start, rows.stop) for _, rows in steps} == {(0, 9)}


def test_cell_steps_pair_each_cell_with_the_queries_that_probe_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cell 1 has no rows, cell 2 no queries; cell 3 has more queries than one step takes."""
    monkeypatch.setattr(tiles, "WIDE", 4)
    table, queries = table_of(np.eye(9), [0, 2, 2, 5, 9]), Queries(torch.from_numpy(np.eye(9)))
    query_L, query_bounds = np.array([0, 8, 3, 1, 2, 4, 5, 6, 7]), np.array([0, 2, 3, 3, 9])
    steps = [(query_B.tolist(), (rows.start, rows.stop)) for query_B, rows in cell_steps(table, queries, query_L, query_bounds)]
    assert steps == [([0, 8], (0, 2)), ([1, 2, 4, 5], (5, 9)), ([6, 7], (5, 9))]


@pytest.mark.usefixtures("way")
def test_a_crowd_of_nearly_equal_rows_is_resolved_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = tiles._near_in_float64
    monkeypatch.setattr(tiles, "_near_in_float64", lambda *given: (calls.append(1), original(*given))[1])
    reference_MD, queries_ND = clustered(2000, 24, 2, 1e-5, 0).astype(np.float32), clustered(40, 24, 2, 1e-5, 3).astype(np.float32)
    for k in (1, 3):
        for got, wanted in zip(Reference(reference_MD, 1).search(queries_ND, None, k), brute(queries_ND, reference_MD, k), strict=True):
            np.testing.assert_array_equal(got, wanted)
    assert calls


def test_a_crowd_leaves_few_candidates() -> None:
    """Of 2,000 rows that are equal within the error of float32, float64 leaves a few."""
    reference_MD, queries_ND = clustered(2000, 24, 1, 1e-6, 0), clustered(20, 24, 1, 1e-6, 3)
    found = candidates(table_of(reference_MD), Queries(torch.from_numpy(queries_ND)), 1, (torch.arange(20), slice(0, 2000)))
    assert len(found[0]) < 20 * 2000 / 10
    for query, rows in enumerate(by_query(found, 20)):
        assert brute(queries_ND, reference_MD, 1)[1][query, 0] in rows
