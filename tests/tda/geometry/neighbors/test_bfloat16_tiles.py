"""Tiles by way of bfloat16 find what tiles without find, and a table for which it is no use is known by its first crowd."""

from typing import Any

import numpy as np
import pytest
import torch
from brute_cosines import brute, table_of

from tda.geometry.neighbors import bfloat16_tiles, cell_scan
from tda.geometry.neighbors.bfloat16_tiles import MOST, briefly, tile_by_tile
from tda.geometry.neighbors.search import search
from tda.geometry.neighbors.table import Queries, Table, band


def unit(rows: Any) -> Any:
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def drawn(count: int, dim: int) -> Any:
    return unit(np.random.default_rng(count).standard_normal((count, dim)))


def test_it_is_used_where_it_pays_and_for_few_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bfloat16_tiles, "pays", lambda dim: dim == 96)
    table = table_of(drawn(50, 96))
    assert briefly(table, 1)
    assert briefly(table, MOST)
    assert not briefly(table, MOST + 1)
    assert not briefly(table_of(drawn(50, 48)), 1)
    table.crowded = True
    assert not briefly(table, 1)


@pytest.mark.parametrize("k", [1, 5])
def test_the_best_are_among_few_candidates(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that begins inside the table and asks for queries out of order; scores are those of float32."""
    monkeypatch.setattr(bfloat16_tiles, "pays", lambda _: True)
    monkeypatch.setattr(bfloat16_tiles, "TILE", 100)
    rows_MD, queries_ND = drawn(900, 96).astype(np.float32), drawn(60, 96).astype(np.float32)
    table, queries, asking = table_of(rows_MD), Queries(torch.from_numpy(queries_ND)), torch.tensor([50, 2, 17, 3])
    query_L, row_L, score_L = (part.numpy() for part in tile_by_tile(table, queries, k, (asking, slice(150, 870))))
    assert set(query_L.tolist()) == set(asking.tolist())
    wanted_NK = brute(queries_ND, rows_MD[150:870], k)[1] + 150
    for query in asking.tolist():
        assert set(wanted_NK[query].tolist()) <= set(row_L[query_L == query].tolist())
    assert (row_L >= 150).all()
    assert (row_L < 870).all()
    assert len(row_L) < 4 * 720 / 4
    np.testing.assert_allclose(score_L, (queries_ND[query_L] * rows_MD[row_L]).sum(axis=1, dtype=np.float64), atol=2 * band(96))
    assert not table.crowded


@pytest.mark.parametrize("cells", [[0, 3000], [0, 1000, 1900, 3000]])
def test_a_table_that_is_crowded_is_searched_without(cells: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bfloat16_tiles, "pays", lambda _: False)
    rng = np.random.default_rng(0)
    rows_MD = torch.from_numpy(unit(1 + 1e-3 * rng.standard_normal((3000, 96))).astype(np.float32))
    queries_ND = torch.from_numpy(unit(1 + 1e-3 * rng.standard_normal((40, 96))).astype(np.float32))
    cells_NP = None if len(cells) == 2 else np.tile(np.arange(3), (40, 1))
    tables = [Table(rows_MD, torch.arange(3000), np.array(cells)) for _ in range(2)]
    wanted = search(tables[0], queries_ND, 2, cells_NP)
    assert not tables[0].crowded
    monkeypatch.setattr(bfloat16_tiles, "pays", lambda _: True)
    for _ in range(2):
        for got, expected in zip(search(tables[1], queries_ND, 2, cells_NP), wanted, strict=True):
            np.testing.assert_array_equal(got, expected)
        assert tables[1].crowded


@pytest.mark.parametrize("k", [1, 8, 40, 65])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("cells", [[0, 833], [0, 525, 833]])
def test_several_tiles_are_searched_as_without(cells: list[int], dtype: str, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than a tile, more queries than a product, and near copies in both of one row."""
    monkeypatch.setattr(bfloat16_tiles, "TILE", 256)
    monkeypatch.setattr(bfloat16_tiles, "AT_ONCE", 64)
    rows_MD, queries_ND = drawn(833, 96), drawn(150, 96)
    rows_MD[300:340] = queries_ND[5] + 1e-4 * drawn(40, 96)
    queries_ND[20:40] = rows_MD[600:620]
    rows, queries = (torch.from_numpy(x.astype(dtype)) for x in (rows_MD, queries_ND))
    cells_NP = None if len(cells) == 2 else np.tile(np.arange(2), (150, 1))
    found = []
    for pays in (False, True):
        monkeypatch.setattr(bfloat16_tiles, "pays", lambda _, pays=pays: pays)
        table = Table(rows, torch.arange(833), np.array(cells))
        monkeypatch.setattr(cell_scan, "LARGEST", 0)
        found.append(search(table, queries, k, cells_NP, threads=2))
        assert not table.crowded
    for got, expected in zip(*found, strict=True):
        np.testing.assert_array_equal(got, expected)
