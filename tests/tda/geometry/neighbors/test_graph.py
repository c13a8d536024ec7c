"""Neighbour graphs: exact against scikit-learn, a few cells by recall. N rows, D dimensions."""

from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.neighbors import graph
from tda.geometry.neighbors.graph import Knn, knn_graph, nearest_of


def rows(count: int, dim: int = 16, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(count, dim))


def test_exact_neighbours_are_scikit_learns() -> None:
    from sklearn.neighbors import NearestNeighbors

    x_ND = rows(300)
    distance_NK, index_NK = NearestNeighbors(n_neighbors=10, metric="cosine", algorithm="brute").fit(x_ND).kneighbors()
    knn = knn_graph(x_ND, 10)
    assert knn.exact
    assert np.array_equal(knn.index_NK, index_NK)
    np.testing.assert_allclose(knn.distance_NK, distance_NK, atol=1e-6)  # float32 rounding of distances near 1


def test_tiles_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    x_ND = rows(200)
    whole = knn_graph(x_ND, 7)
    monkeypatch.setattr(graph, "TILE_BYTES", 4096)
    tiled = knn_graph(x_ND, 7)
    assert np.array_equal(whole.index_NK, tiled.index_NK)
    assert np.array_equal(whole.distance_NK, tiled.distance_NK)


def test_length_of_rows_and_a_rotation_leave_no_trace() -> None:
    x_ND = rows(200, 32)
    turn_DD = np.linalg.qr(rows(32, 32, seed=1))[0]
    knn, turned = knn_graph(x_ND, 9), knn_graph(3.0 * x_ND @ turn_DD, 9)
    assert np.array_equal(knn.index_NK, turned.index_NK)
    assert np.array_equal(knn.distance_NK, turned.distance_NK)


def test_equal_rows_are_at_distance_zero_and_never_their_own_neighbours() -> None:
    x_ND = np.repeat(rows(20), 4, axis=0)
    knn = knn_graph(x_ND, 5)
    assert not (knn.index_NK == np.arange(80)[:, None]).any()
    assert (knn.distance_NK[:, :3] == 0).all()
    assert (knn.distance_NK[:, 3:] > 0).all()


def topics(count: int, dim: int = 64) -> Any:
    """Rows in 30 clusters, each with neighbours in it and far from the others."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, dim))[rng.integers(30, size=count)] + 0.3 * rng.normal(size=(count, dim))


@pytest.mark.parametrize("x_ND", [topics(400), topics(400).astype(np.float16), np.repeat(rows(20), 20, axis=0)])
def test_a_search_finds_what_tiles_find(x_ND: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tiled, tiled_of = knn_graph(x_ND, 9), nearest_of(x_ND[:50], x_ND, 9)
    monkeypatch.setattr(graph, "TILED_ROWS", 10)
    found, found_of = knn_graph(x_ND, 9), nearest_of(x_ND[:50], x_ND, 9)
    assert found.exact
    assert not (found.index_NK == np.arange(400)[:, None]).any()
    np.testing.assert_array_equal(found.distance_NK, tiled.distance_NK)
    np.testing.assert_array_equal(found_of.distance_NK, tiled_of.distance_NK)
    if len(np.unique(x_ND, axis=0)) == 400:  # of many rows that are equal, tiles take any
        np.testing.assert_array_equal(found.index_NK, tiled.index_NK)
        np.testing.assert_array_equal(found_of.index_NK, tiled_of.index_NK)


def test_a_few_cells_hold_nearly_all_neighbours() -> None:
    x_ND = topics(3000)
    exact, found = knn_graph(x_ND, 10, method="exact"), knn_graph(x_ND, 10, method="approximate")
    shared = [len(np.intersect1d(a, b)) for a, b in zip(exact.index_NK, found.index_NK, strict=True)]
    assert np.mean(shared) / 10 > graph.RECALL - 0.01  # which is that of a sample
    assert not found.exact
    assert not (found.index_NK == np.arange(3000)[:, None]).any()


def test_rows_that_cells_do_not_part_are_all_compared() -> None:
    x_ND = rows(1500, 64)
    exact, found = knn_graph(x_ND, 10, method="exact"), knn_graph(x_ND, 10, method="approximate")
    assert found.exact
    np.testing.assert_array_equal(found.index_NK, exact.index_NK)


def test_cells_with_too_few_rows_still_fill_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "RECALL", 0)
    monkeypatch.setattr(graph, "FIRST_PROBES", 1)
    knn = knn_graph(topics(1200), 60, method="approximate")
    assert not knn.exact
    assert (np.diff(np.sort(knn.index_NK, axis=1), axis=1) > 0).all()
    assert (knn.index_NK >= 0).all()
    knn = knn_graph(np.repeat(rows(4), 50, axis=0), 10, method="approximate")
    assert (knn.index_NK >= 0).all()
    assert (knn.distance_NK == 0).all()


def test_a_graph_cut_is_the_smaller_graph() -> None:
    x_ND = rows(150)
    assert np.array_equal(knn_graph(x_ND, 40).cut(6).index_NK, knn_graph(x_ND, 6).index_NK)
    with pytest.raises(UserError, match="41 neighbours are wanted of a graph that holds 40"):
        knn_graph(x_ND, 40).cut(41)


def test_a_row_of_the_base_is_its_own_nearest() -> None:
    x_ND = rows(100)
    assert nearest_of(x_ND[:3], x_ND, 1).index_NK.ravel().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: knn_graph(np.where(np.arange(40).reshape(10, 4) == 13, np.nan, 1.0), 3), "row 3 has norm nan"),
        (lambda: knn_graph(np.zeros((10, 4)), 3), "row 0 has norm 0"),
        (lambda: knn_graph(rows(10), 10), "10 rows have no 10 neighbours each; ask for 1 to 9"),
        (lambda: knn_graph(rows(10), 3, method="guess"), "method='guess' is unknown"),
        (lambda: knn_graph(rows(10), 3, device="tpu"), "device='tpu' is unknown"),
        (lambda: nearest_of(rows(2, 3), rows(10), 3), "the dimensions must agree"),
        (lambda: knn_graph(np.zeros(10), 3), "no table"),
    ],
)
def test_mistakes_are_one_clear_line(call: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_half_precision_rows_are_read_as_stored() -> None:
    x_ND = rows(100).astype(np.float16)
    assert np.array_equal(knn_graph(x_ND, 5).index_NK, knn_graph(x_ND.astype(np.float64), 5).index_NK)
    assert isinstance(knn_graph(x_ND, 5), Knn)


@pytest.mark.parametrize("method", ["exact", "approximate"])
@pytest.mark.parametrize("rows", [1, 33, 64])
def test_blocks_of_any_size_make_the_same_graph(method: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "TILED_ROWS", 10)
    x_ND = np.random.default_rng(3).standard_normal((130, 6)).astype(np.float32)
    x_ND[40:60] = x_ND[7]  # more equal rows than neighbours
    whole = knn_graph(x_ND, 5, method=method, device="cpu")
    monkeypatch.setattr(graph, "GRAPH_ROWS", rows)
    cut = knn_graph(x_ND, 5, method=method, device="cpu")
    np.testing.assert_array_equal(cut.index_NK, whole.index_NK)
    np.testing.assert_array_equal(cut.distance_NK, whole.distance_NK)
    assert cut.exact == whole.exact
