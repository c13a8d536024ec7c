"""Steps over the cells that queries probe, and the candidates of a step. N queries, P probed cells, C cells, L (query, cell) pairs."""

import numpy as np
import pytest
import torch
from brute_cosines import brute, clustered, table_of

from tda.geometry.neighbors import bfloat16_tiles, cell_scan
from tda.geometry.neighbors.cell_scan import ScanStep, asked, prepare, scan, scan_steps
from tda.geometry.neighbors.search import search
from tda.geometry.neighbors.table import Queries


def queries_of(count: int) -> Queries:
    return Queries(torch.ones(count, 1))


def pairs_of(steps: list[ScanStep]) -> list[tuple[int, tuple[int, int]]]:
    """Every (query, rows of a cell) of some steps."""
    found = []
    for step in steps:
        assert len(step.row_bounds) == len(step.query_bounds)
        for cell in range(len(step.row_bounds) - 1):
            rows = int(step.row_bounds[cell]), int(step.row_bounds[cell + 1])
            found += [(int(query), rows) for query in step.query_L[step.query_bounds[cell] : step.query_bounds[cell + 1]]]
    return found


def test_queries_are_sorted_by_the_cells_they_probe() -> None:
    cells_NP = np.array([[2, 0], [0, -1], [-1, -1], [3, 0]])
    query_L, bounds = asked(cells_NP, 5)
    assert bounds.tolist() == [3, 6, 6, 7, 8, 8]  # three -1 come before cell 0
    assert [query_L[bounds[c] : bounds[c + 1]].tolist() for c in range(5)] == [[0, 1, 3], [], [0], [3], []]
    query_L, bounds = asked(np.zeros((3, 0), np.int64), 2)
    assert (len(query_L), bounds.tolist()) == (0, [0, 0, 0])


@pytest.mark.parametrize(("rows", "queries"), [(1024, 2048), (10, 2048), (1024, 5), (1, 1), (7, 9)])
def test_steps_cover_every_pair_once_within_their_size(rows: int, queries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_scan, "ROWS", rows)
    monkeypatch.setattr(cell_scan, "ASKED", queries)
    rng = np.random.default_rng(rows)
    sizes = rng.choice([0, 1, 3, 8, 20], 30)
    bounds, cells_NP = np.cumsum([0, *sizes]), rng.integers(-1, 30, (40, 3))
    cells_NP[rng.random(cells_NP.shape) < 0.5] = 4
    steps = list(scan_steps(table_of(np.ones((bounds[-1], 1)), bounds), queries_of(40), asked(cells_NP, 30)))
    wanted = [(n, (int(bounds[c]), int(bounds[c + 1]))) for n, row in enumerate(cells_NP) for c in row if c >= 0 and sizes[c]]
    assert sorted(pairs_of(steps)) == sorted(wanted)
    for step in steps:
        several = len(step.row_bounds) > 2
        assert (np.diff(step.query_bounds) > 0).all() or not several
        assert not several or (step.row_bounds[-1] - step.row_bounds[0] <= rows and len(step.query_L) <= queries)
        assert len(step.query_L) <= max(queries, 1)


def test_a_table_searched_whole_is_one_cell_that_every_query_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_scan, "ASKED", 30)
    steps = list(scan_steps(table_of(np.ones((50, 1)), [0, 20, 50]), queries_of(70), None))
    assert [len(step.query_L) for step in steps] == [30, 30, 10]
    assert pairs_of(steps) == [(query, (0, 50)) for query in range(70)]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("k", [1, 4])
def test_a_steps_candidates_hold_the_best_of_each_of_its_cells(k: int) -> None:
    """Three cells from row 100 of the table on; query 5 probes two of them."""
    reference_MD, queries_ND = clustered(600, 80, 5, 0.3, 0).astype(np.float32), clustered(40, 80, 5, 0.3, 1).astype(np.float32)
    table, queries = table_of(reference_MD, [0, 100, 180, 181, 400, 600]), Queries(torch.from_numpy(queries_ND))
    step = ScanStep(np.array([100, 180, 181, 400]), np.array([5, 9, 5, 3, 39]), np.array([0, 2, 3, 5]))
    prepare(table, queries, k)
    query_L, row_L, score_L = (part.numpy() for part in scan(table, queries, k, step))
    for query, rows in pairs_of([step]):
        wanted = brute(queries_ND[query : query + 1], reference_MD[slice(*rows)], min(k, rows[1] - rows[0]))[1][0] + rows[0]
        inside = (query_L == query) & (row_L >= rows[0]) & (row_L < rows[1])
        assert set(wanted.tolist()) <= set(row_L[inside].tolist())
    assert set(zip(query_L.tolist(), row_L.tolist(), strict=True)) <= {(q, r) for q, rows in pairs_of([step]) for r in range(*rows)}
    np.testing.assert_allclose(score_L, (queries_ND[query_L] * reference_MD[row_L]).sum(axis=1), atol=1e-6)


def test_a_crowd_that_overflows_the_kernels_room_is_found_by_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far more rows within two bands of the best than the kernel has room for: the tiles' answer, from float64."""
    monkeypatch.setattr(bfloat16_tiles, "pays", lambda _: False)
    used = []
    original = cell_scan.candidates
    monkeypatch.setattr(cell_scan, "candidates", lambda *given: (used.append(1), original(*given))[1])
    reference_MD, queries_ND = clustered(900, 24, 1, 1e-6, 0), clustered(10, 24, 1, 1e-6, 3)
    cosine_NK, row_NK = search(table_of(reference_MD), torch.from_numpy(queries_ND), 2)
    for got, wanted in zip((cosine_NK, row_NK), brute(queries_ND, reference_MD, 2), strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert used


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("k", [1, 4])
def test_cells_are_searched_as_by_brute_force_for_any_pattern_of_probes(k: int) -> None:
    """Cells without rows and with many, probed by no query, by a few and by more than one step takes; -1 probes none."""
    rng = np.random.default_rng(k)
    sizes = [3, 0, 40, 1, 700, 1100, 2, 154]
    bounds, reference_MD = np.cumsum([0, *sizes]), clustered(2000, 12, 5, 0.3, 0).astype(np.float16)
    queries_ND = clustered(2500, 12, 5, 0.3, 1).astype(np.float16)
    cells_NP = np.stack([np.full(2500, 2), rng.choice([-1, 0, 1, 4, 5, 7], 2500), np.where(np.arange(2500) < 9, 3, -1)], axis=1)
    cells_NP[2400:] = -1
    cosine_NK, row_NK = search(table_of(reference_MD, bounds), torch.from_numpy(queries_ND), k, cells_NP, threads=2)
    cell_M = np.repeat(np.arange(len(sizes)), sizes)
    chosen = [*range(12), *range(1000, 1050), 2399, 2400]
    for query, *ranked in zip(chosen, *brute(queries_ND[chosen], reference_MD, 2000), strict=True):
        looked = np.isin(cell_M[ranked[1]], cells_NP[query])
        wanted = [column[looked][:k] for column in ranked]
        there = row_NK[query] >= 0
        np.testing.assert_array_equal(row_NK[query][there], wanted[1])
        np.testing.assert_array_equal(cosine_NK[query][there], wanted[0])
