"""Rows as they are stored: norms, unit tiles, cosines that depend on two rows alone, refusals, buffers. M rows, N queries, L pairs."""

import threading
from typing import Any

import numpy as np
import pytest
import torch
from brute_cosines import clustered, table_of

from tda.errors import UserError
from tda.geometry.neighbors.table import Queries, Table, band, joined, pair_cosines, scratch


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_norms_and_unit_rows_are_numpys(dtype: str) -> None:
    rows_MD = (7 * clustered(200, 20, 4, 0.3, 0)).astype(dtype)
    table, queries = table_of(rows_MD), Queries(torch.from_numpy(rows_MD[:30]))
    norm_M = np.linalg.norm(rows_MD.astype(np.float64), axis=1)
    np.testing.assert_allclose(table.norm_M, norm_M, rtol=1e-14)
    unit_MD = rows_MD / norm_M[:, None]
    tile_TD = table.tile(slice(50, 90), torch.empty(64, 20))
    assert (tile_TD.shape, tile_TD.dtype) == ((40, 20), torch.float32)
    np.testing.assert_allclose(tile_TD, unit_MD[50:90], rtol=3 * 2.0**-24)
    np.testing.assert_allclose(queries.unit_ND, unit_MD[:30], rtol=3 * 2.0**-24)
    np.testing.assert_allclose(queries.brief.float(), unit_MD[:30], rtol=2.0**-8 + 1e-6)
    assert (len(table), len(queries)) == (200, 30)


def test_a_tile_stands_in_the_memory_it_is_given() -> None:
    out = torch.zeros(8, 20)
    tile_TD = table_of(clustered(50, 20, 2, 0.3, 0)).tile(slice(3, 8), out)
    assert tile_TD.data_ptr() == out.data_ptr()
    assert (out[5:] == 0).all()


@pytest.mark.parametrize("dim", [1, 7, 512])
def test_a_float32_product_of_unit_rows_keeps_to_the_band(dim: int) -> None:
    rows_MD = clustered(300, dim, 3, 0.2, 0).astype(np.float32)
    table, queries = table_of(rows_MD), Queries(torch.from_numpy(rows_MD[::-1].copy()))
    score_NM = (queries.unit_ND @ table.tile(slice(0, 300), torch.empty(300, dim)).T).numpy()
    unit_MD = rows_MD.astype(np.float64) / np.linalg.norm(rows_MD.astype(np.float64), axis=1, keepdims=True)
    assert np.abs(score_NM - unit_MD[::-1] @ unit_MD.T).max() <= band(dim)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_cosine_has_the_same_bits_among_any_rows(dtype: str) -> None:
    rows_MD = clustered(100, 33, 3, 0.2, 0).astype(dtype)
    queries_ND = clustered(40, 33, 3, 0.2, 1).astype(dtype)
    query_L, row_L = torch.arange(40).repeat_interleave(100), torch.arange(100).repeat(40)
    found_L = pair_cosines(Queries(torch.from_numpy(queries_ND)), query_L, table_of(rows_MD), row_L, threads=2)
    wide_ND, wide_MD = (x.astype(np.float64) for x in (queries_ND, rows_MD))
    wanted_NM = wide_ND @ wide_MD.T / np.linalg.norm(wide_ND, axis=1)[:, None] / np.linalg.norm(wide_MD, axis=1)
    np.testing.assert_allclose(found_L.reshape(40, 100), wanted_NM, atol=1e-14)
    for query, row in ((0, 0), (39, 99), (17, 63)):
        one = Queries(torch.from_numpy(queries_ND[query : query + 1])), table_of(rows_MD[row : row + 1])
        zero = torch.zeros(1, dtype=torch.int64)
        assert torch.equal(pair_cosines(one[0], zero, one[1], zero), found_L[query * 100 + row][None])


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "norm 0;"), (np.nan, "norm nan;"), (np.inf, "norm inf;"), (1e-31, "norm 1"), (1e31, "norm 1e")]
)
def test_rows_without_a_float32_direction_are_named_by_position(value: float, shown: str) -> None:
    rows_MD = np.ones((6, 1))
    rows_MD[[2, 4]] = value
    with pytest.raises(UserError, match=f"^reference: row 11 has {shown}.*every row needs a finite norm above 1e-30$"):
        Table(torch.from_numpy(rows_MD), torch.tensor([30, 31, 32, 10, 11, 12]), np.array([0, 6]))
    with pytest.raises(UserError, match=f"^queries: row 1002 has {shown}"):
        Queries(torch.from_numpy(rows_MD), first=1000)


def test_candidates_of_steps_are_joined_in_order() -> None:
    steps = [(torch.tensor([i]), torch.tensor([10 * i]), torch.tensor([i / 8])) for i in range(3)]
    query_L, row_L, score_L = joined(steps, torch.device("cpu"))
    assert (query_L.tolist(), row_L.tolist(), score_L.tolist()) == ([0, 1, 2], [0, 10, 20], [0, 0.125, 0.25])
    assert [(len(part), part.dtype) for part in joined([], torch.device("cpu"))] == [(0, torch.int64), (0, torch.int64), (0, torch.float32)]


def test_a_buffer_is_kept_by_name_and_grows() -> None:
    first = scratch("test_table", (3, 4))
    assert (first == 0).all()
    first[:] = 7
    again = scratch("test_table", (2, 4))
    assert again.data_ptr() == first.data_ptr()
    assert (again == 7).all()
    larger = scratch("test_table", (5, 4))
    assert larger.shape == (5, 4)
    assert (larger == 0).all()
    assert scratch("test_table", (3, 4)).data_ptr() == larger.data_ptr()
    assert scratch("test_table_brief", (3, 4), torch.bfloat16).dtype == torch.bfloat16


def test_each_thread_has_its_own_buffer() -> None:
    mine, places = scratch("test_threads", (2, 2)), list[Any]()
    thread = threading.Thread(target=lambda: places.append(scratch("test_threads", (2, 2)).data_ptr()))
    thread.start()
    thread.join()
    assert places[0] != mine.data_ptr()
