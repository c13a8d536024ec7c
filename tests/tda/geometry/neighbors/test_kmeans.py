"""Cells of a reference: centroids of planted clusters, the nearest cells of a row, heavy cells cut. S rows of a sample, C cells."""

from typing import Any

import numpy as np
import pytest
import torch
from brute_cosines import clustered

from tda.errors import UserError
from tda.geometry.neighbors import kmeans
from tda.geometry.neighbors.kmeans import _mean, arrange, cells_of, centroid_table, nearest_cells, spherical_kmeans
from tda.geometry.neighbors.table import Queries


def test_each_centroid_is_the_unit_mean_of_the_rows_nearest_to_it() -> None:
    """Where Lloyd's steps end; with four cells a planted cluster, no cluster is without one."""
    rng = np.random.default_rng(0)
    x_SD = np.eye(6, 12)[rng.integers(6, size=900)] + 0.05 * rng.standard_normal((900, 12))
    x_SD = (x_SD / np.linalg.norm(x_SD, axis=1, keepdims=True)).astype(np.float32)
    found_CD = spherical_kmeans(x_SD, 24, seed=1, iterations=60)
    assert (found_CD.shape, found_CD.dtype) == ((24, 12), np.float32)
    nearest_S = (x_SD @ found_CD.T).argmax(axis=1)
    mean_CD = np.stack([x_SD[nearest_S == c].mean(axis=0) for c in range(24)])
    np.testing.assert_allclose(found_CD, mean_CD / np.linalg.norm(mean_CD, axis=1, keepdims=True), atol=1e-5)
    assert (found_CD @ np.eye(12, 6)).max(axis=0).min() > 0.98


def test_cells_are_by_angle_where_clusters_are_unevenly_wide() -> None:
    """Half the rows in a narrow cone, half all over the sphere: means of euclidean cells would not be the cells' own directions."""
    rng = np.random.default_rng(0)
    x_SD = np.concatenate([np.eye(1, 6) + 0.05 * rng.standard_normal((300, 6)), rng.standard_normal((300, 6))])
    x_SD = (x_SD / np.linalg.norm(x_SD, axis=1, keepdims=True)).astype(np.float32)
    found_CD = spherical_kmeans(x_SD, 5, seed=1, iterations=200)
    nearest_S = (x_SD @ found_CD.T).argmax(axis=1)
    mean_CD = np.stack([x_SD[nearest_S == c].mean(axis=0) for c in range(5)])
    np.testing.assert_allclose(found_CD, mean_CD / np.linalg.norm(mean_CD, axis=1, keepdims=True), atol=1e-5)


def test_centroids_have_length_1_and_repeat_and_number_the_rows_at_most() -> None:
    x_SD = clustered(200, 8, 5, 0.4, 0).astype(np.float32)
    found_CD = spherical_kmeans(x_SD, 20, seed=3)
    np.testing.assert_allclose(np.linalg.norm(found_CD, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(found_CD, spherical_kmeans(x_SD, 20, seed=3))
    assert not np.array_equal(found_CD, spherical_kmeans(x_SD, 20, seed=4))
    assert len(spherical_kmeans(x_SD[:3], 20)) <= 3


@pytest.mark.parametrize("probes", [1, 3, 20, 99])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_nearest_cells_of_rows_of_any_length(probes: int, dtype: Any) -> None:
    centroids_CD = clustered(20, 16, 20, 0.3, 0).astype(np.float32)
    x_ND = (3 * clustered(150, 16, 6, 0.3, 1)).astype(dtype)
    unit_ND = x_ND.astype(np.float64) / np.linalg.norm(x_ND.astype(np.float64), axis=1, keepdims=True)
    order_NC = np.argsort(-(unit_ND @ centroids_CD.astype(np.float64).T), axis=1, kind="stable")
    found_NP = nearest_cells(centroid_table(centroids_CD), torch.from_numpy(x_ND), probes, threads=2)
    np.testing.assert_array_equal(np.sort(found_NP, axis=1), np.sort(order_NC[:, :probes], axis=1))
    assert (np.diff(found_NP, axis=1) > 0).all(), "by number"
    one_block = cells_of(centroid_table(centroids_CD), Queries(torch.from_numpy(x_ND[:40])), probes)
    np.testing.assert_array_equal(one_block, found_NP[:40])


def test_of_equally_near_cells_the_first_is_taken() -> None:
    centroids_CD = np.eye(4, dtype=np.float32)[[1, 0, 1, 0]]
    x_ND = torch.from_numpy(np.eye(4, dtype=np.float32)[:2])
    assert nearest_cells(centroid_table(centroids_CD), x_ND).tolist() == [[1], [0]]
    assert nearest_cells(centroid_table(centroids_CD), x_ND, 2).tolist() == [[1, 3], [0, 2]]
    assert nearest_cells(centroid_table(centroids_CD), x_ND[:0], 2).shape == (0, 2)


def test_a_row_without_direction_is_named() -> None:
    x_ND = torch.ones(5, 4)
    x_ND[3] = 0
    with pytest.raises(UserError, match="queries: row 3 has norm 0"):
        nearest_cells(centroid_table(np.eye(4, dtype=np.float32)), x_ND)


def test_light_cells_stay_whole_in_the_order_of_their_rows() -> None:
    label_M = np.array([2, 0, 2, 2, 0, 5])
    x_MD = clustered(6, 6, 3, 0.3, 0).astype(np.float16)
    order_M, bounds, found_CD = arrange(x_MD, label_M, np.eye(6, dtype=np.float32), bound=3)
    assert order_M.tolist() == [1, 4, 0, 2, 3, 5]
    assert bounds.tolist() == [0, 2, 5, 6]  # labels 1, 3 and 4 have no rows
    np.testing.assert_array_equal(found_CD, np.stack([_mean(x_MD[rows]) for rows in ([1, 4], [0, 2, 3], [5])]))
    order_M, bounds, found_CD = arrange(x_MD[:0], label_M[:0], np.eye(6, dtype=np.float32), bound=3)
    assert (order_M.tolist(), bounds.tolist(), found_CD.shape) == ([], [0], (0, 6))


def test_each_centroid_is_the_mean_of_its_own_members_whatever_it_was_before() -> None:
    x_MD = (3 * clustered(900, 12, 9, 0.5, 0)).astype(np.float32)  # lengths do not count
    label_M = np.random.default_rng(1).integers(7, size=900)
    order_M, bounds, found_CD = arrange(x_MD, label_M, np.zeros((7, 12), np.float32), bound=100)
    unit_MD = x_MD.astype(np.float64) / np.linalg.norm(x_MD.astype(np.float64), axis=1, keepdims=True)
    for centroid_D, begin, end in zip(found_CD, bounds[:-1], bounds[1:], strict=True):
        mean_D = unit_MD[order_M[begin:end]].mean(axis=0)
        np.testing.assert_allclose(centroid_D, mean_D / np.linalg.norm(mean_D), atol=1e-6)


def test_a_heavy_cell_is_cut_along_its_clusters() -> None:
    """Two clusters under one label: no part has rows of both, and each centroid lies in its part."""
    rng = np.random.default_rng(0)
    side_M = rng.integers(2, size=100)
    x_MD = (np.eye(2, 8)[side_M] + 0.02 * rng.standard_normal((100, 8))).astype(np.float32)
    order_M, bounds, centroids_CD = arrange(x_MD, np.zeros(100, np.int64), np.ones((1, 8), np.float32), bound=80)
    for centroid_D, begin, end in zip(centroids_CD, bounds[:-1], bounds[1:], strict=True):
        (side,) = set(side_M[order_M[begin:end]].tolist())
        assert centroid_D.argmax() == side


def test_the_centroid_of_a_part_is_the_unit_mean_of_its_directions_or_its_first_row() -> None:
    """Rows of other lengths count alike; opposite rows have no mean direction."""
    np.testing.assert_allclose(_mean(np.array([[5, 0], [0, 1]], np.float16)), [0.5**0.5, 0.5**0.5], atol=1e-6)
    np.testing.assert_array_equal(_mean(np.array([[0, 3], [0, -2]], np.float32)), [0, 1])
    x_MD = np.tile(np.array([[1, 0], [-1, 0]], np.float32), (20, 1))
    centroids_CD = arrange(x_MD, np.zeros(40, np.int64), np.ones((1, 2), np.float32), bound=4)[2]
    np.testing.assert_allclose(np.linalg.norm(centroids_CD, axis=1), 1, atol=1e-6)


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


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_rank_of_a_cell_is_the_number_of_cells_with_which_it_is_searched(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmeans, "RANKED", 16)
    monkeypatch.setattr(kmeans, "RANKED_CELLS", 7)
    rng = np.random.default_rng(5)
    x_ND = rng.standard_normal((50, 12)).astype(dtype)
    centroids_CD = rng.standard_normal((30, 12)).astype(np.float32)
    centroids_CD[20] = centroids_CD[3]  # the higher number comes later
    table, cell_N = centroid_table(centroids_CD / np.linalg.norm(centroids_CD, axis=1, keepdims=True)), rng.integers(0, 30, 50)
    cell_N[:4] = 3, 20, 3, 20
    rank_N = kmeans.cell_ranks(table, torch.from_numpy(x_ND), cell_N)
    for probes in range(1, 31):
        searched_NP = nearest_cells(table, torch.from_numpy(x_ND), probes)
        np.testing.assert_array_equal((searched_NP == cell_N[:, None]).any(axis=1), rank_N <= probes)
