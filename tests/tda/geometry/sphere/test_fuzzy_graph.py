"""The fuzzy graph against umap-learn given the same neighbours, and against its definition. N rows, K neighbours, M new rows."""

from typing import Any

import numpy as np
import pytest
from numba import get_num_threads

from tda.errors import UserError
from tda.geometry.neighbors.graph import knn_graph, nearest_of
from tda.geometry.sphere.fuzzy_graph import fuzzy_graph, fuzzy_rows


def rows(count: int, dim: int = 16, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(count, dim))


def bandwidth(distance_K: Any, total: float) -> float:
    """The sigma for which the memberships exp(-d / sigma) add up to `total`."""
    low, high = 1e-9, 1e3
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.exp(-distance_K / middle).sum() < total else (low, middle)
    return low


def test_fuzzy_graph_is_umap_learns() -> None:
    from umap.umap_ import fuzzy_simplicial_set

    x_ND = rows(150)
    unit_ND = x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)
    distance_NN = np.maximum(1 - unit_ND @ unit_ND.T, 0)
    np.fill_diagonal(distance_NN, 0)  # 1e-16 would count as the nearest neighbour
    found = fuzzy_graph(knn_graph(x_ND, 60), 10, device="cpu")  # first: it has umap-learn keep what it compiles
    index_NK = np.argsort(distance_NN, axis=1)[:, :10]
    near = {"knn_indices": index_NK, "knn_dists": np.take_along_axis(distance_NN, index_NK, axis=1).astype(np.float32)}
    expected = fuzzy_simplicial_set(x_ND, 10, None, "cosine", **near)[0].tocsr()
    assert abs(found - found.T).max() == 0
    assert found.data.max() <= 1 + 1e-6  # 1 + 1 - 1 in float32
    assert found.data.min() > 0
    assert abs(expected - found).max() < 1e-4  # its bisection for the bandwidth stops at 1e-5


def test_fuzzy_graph_by_its_definition() -> None:
    """Of each row exp(-(d - rho) / sigma), rho the nearest distance, adding up to log2(n_neighbors); both directions by a + b - ab."""
    knn = knn_graph(rows(80), 30)
    one_NN = np.zeros((80, 80))
    for row, (index_K, distance_K) in enumerate(zip(knn.index_NK[:, :11], knn.distance_NK[:, :11].astype(np.float64), strict=True)):
        beyond_K = distance_K - distance_K[0]
        one_NN[row, index_K] = np.exp(-beyond_K / bandwidth(beyond_K, np.log2(12)))
    expected_NN = one_NN + one_NN.T - one_NN * one_NN.T
    found = fuzzy_graph(knn, 12, device="cpu")
    assert found.format == "csr"
    np.testing.assert_allclose(found.toarray(), expected_NN, atol=1e-4)  # umap-learn's bisection stops at 1e-5


def test_memberships_of_new_rows_fall_with_distance() -> None:
    x_ND = rows(100)
    knn = nearest_of(rows(5, seed=1), x_ND, 8)
    weight_MK = fuzzy_rows(knn)
    assert weight_MK.shape == (5, 8)
    assert (np.diff(weight_MK, axis=1) <= 0).all()


def test_memberships_of_new_rows_by_their_definition() -> None:
    """exp(-d / sigma) without a nearest distance taken off; those beyond the first add up to log2(K)."""
    knn = nearest_of(rows(20, seed=1), rows(100), 8)
    for distance_K, weight_K in zip(knn.distance_NK.astype(np.float64), fuzzy_rows(knn), strict=True):
        np.testing.assert_allclose(weight_K, np.exp(-distance_K / bandwidth(distance_K[1:], np.log2(8))), atol=1e-4)


def test_equal_rows_are_joined_by_full_weight() -> None:
    graph = fuzzy_graph(knn_graph(np.repeat(rows(12), 3, axis=0), 8), 6, device="cpu")
    for row in range(0, 36, 3):
        assert graph[row, row + 1] == graph[row + 1, row + 2] == pytest.approx(1)
    assert graph.diagonal().max() == 0


def test_it_repeats_to_the_bit_and_numbas_threads_are_set_back() -> None:
    knn, before = knn_graph(rows(90), 14), get_num_threads()
    one, again = (fuzzy_graph(knn, 15, device="cpu") for _ in range(2))
    assert one.data.tobytes() == again.data.tobytes()
    assert get_num_threads() == before


@pytest.mark.parametrize(
    ("n_neighbors", "message"), [(1, "n_neighbors=1 is too small"), (12, "11 neighbours are wanted of a graph that holds 3")]
)
def test_sizes_that_the_graph_does_not_hold_are_refused(n_neighbors: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fuzzy_graph(knn_graph(rows(10), 3), n_neighbors)
