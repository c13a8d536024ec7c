"""Scores in bfloat16 keep to their bound, whatever the processor, and a table for which they are no use is known by its first crowd."""

from typing import Any

import numpy as np
import pytest
import torch

from tda.geometry.neighbors import bfloat16_tiles as brief_scan
from tda.geometry.neighbors import cell_scan as scan
from tda.geometry.neighbors.bfloat16 import LEAST_DIM, BriefRows, brief_band, pays
from tda.geometry.neighbors.search import search
from tda.geometry.neighbors.table import Table


def unit(rows: Any) -> Any:
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def drawn(count: int, dim: int, kind: str) -> Any:
    rng = np.random.default_rng(count)
    if kind == "halfway":  # every component as far from its bfloat16 as can be, and all to one side
        return unit(np.full((count, dim), 1 + 2.0**-8 - 1e-6) * rng.choice([1, 2, 4], (count, dim)))
    return unit(rng.standard_normal((count, dim)) + 5 * (kind == "a narrow cone"))


@pytest.mark.parametrize("kind", ["any direction", "a narrow cone", "halfway"])
@pytest.mark.parametrize("dim", [1, 48, 512, 1500])
def test_no_score_is_further_off_than_the_band(kind: str, dim: int) -> None:
    rows_TD, queries_ND = drawn(70, dim, kind), drawn(19, dim, kind)
    for count in (70, 64, 1):
        brief = BriefRows(torch.from_numpy(rows_TD[:count]).float())
        for asking in ([0, 7, 18], [2, 3, 4], [18], list(range(19))):
            bits = brief.scores(torch.from_numpy(queries_ND).float().to(torch.bfloat16), torch.tensor(asking))
            score = (bits[: len(asking), :count].astype(np.uint32) << 16).view(np.float32)
            assert np.abs(score - queries_ND[asking] @ rows_TD[:count].T).max() <= brief_band(dim)


def test_few_dimensions_do_not_pay() -> None:
    assert not pays(LEAST_DIM - 1)


@pytest.mark.parametrize("cells", [[0, 3000], [0, 1000, 1900, 3000]])
def test_a_table_that_is_crowded_is_searched_without(cells: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brief_scan, "pays", lambda _: False)
    rng = np.random.default_rng(0)
    rows_MD = torch.from_numpy(unit(1 + 1e-3 * rng.standard_normal((3000, 96))).astype(np.float32))
    queries_ND = torch.from_numpy(unit(1 + 1e-3 * rng.standard_normal((40, 96))).astype(np.float32))
    cells_NP = None if len(cells) == 2 else np.tile(np.arange(3), (40, 1))
    tables = [Table(rows_MD, torch.arange(3000), np.array(cells)) for _ in range(2)]
    wanted = search(tables[0], queries_ND, 2, cells_NP)
    assert not tables[0].crowded
    monkeypatch.setattr(brief_scan, "pays", lambda _: True)
    for _ in range(2):
        for got, expected in zip(search(tables[1], queries_ND, 2, cells_NP), wanted, strict=True):
            np.testing.assert_array_equal(got, expected)
        assert tables[1].crowded


@pytest.mark.parametrize("k", [1, 8, 40, 65])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("cells", [[0, 833], [0, 525, 833]])
def test_several_tiles_are_searched_as_without(cells: list[int], dtype: str, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than a tile, more queries than a product, and near copies in both of one row."""
    monkeypatch.setattr(brief_scan, "TILE", 256)
    monkeypatch.setattr(brief_scan, "AT_ONCE", 64)
    rows_MD, queries_ND = drawn(833, 96, "any direction"), drawn(150, 96, "any direction")
    rows_MD[300:340] = queries_ND[5] + 1e-4 * drawn(40, 96, "any direction")
    queries_ND[20:40] = rows_MD[600:620]
    rows, queries = (torch.from_numpy(x.astype(dtype)) for x in (rows_MD, queries_ND))
    cells_NP = None if len(cells) == 2 else np.tile(np.arange(2), (150, 1))
    found = []
    for briefly in (False, True):
        monkeypatch.setattr(brief_scan, "pays", lambda _, briefly=briefly: briefly)
        table = Table(rows, torch.arange(833), np.array(cells))
        monkeypatch.setattr(scan, "LARGEST", 0)
        found.append(search(table, queries, k, cells_NP, threads=2))
        assert not table.crowded
    for got, expected in zip(*found, strict=True):
        np.testing.assert_array_equal(got, expected)
