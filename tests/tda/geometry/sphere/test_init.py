"""Starts of a layout: random directions are even, spectral ones are eigenvectors of the graph, components get caps. N vertices."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tda.geometry.sphere.init import _caps, random_start, spectral_start


def small_graph(count: int = 40, seed: int = 0) -> Any:
    half = sparse.random(count, count, density=0.15, random_state=np.random.default_rng(seed), format="csr")
    return half.maximum(half.T)


def communities(sizes: list[int], between: float, seed: int = 0) -> Any:
    """Dense blocks of random weights, and weights `between` across them."""
    rng = np.random.default_rng(seed)
    weights_NN = rng.uniform(0.5, 1, (sum(sizes), sum(sizes)))
    label_N = np.repeat(np.arange(len(sizes)), sizes)
    weights_NN = np.where(label_N[:, None] == label_N[None], weights_NN, between * weights_NN)
    return sparse.csr_array(np.triu(weights_NN, 1) + np.triu(weights_NN, 1).T)


def test_a_random_start_is_even_on_the_sphere_and_repeats() -> None:
    start_N3 = random_start(20_000, 5)
    np.testing.assert_allclose(np.linalg.norm(start_N3, axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(start_N3.mean(axis=0), 0, atol=0.02)  # five standard errors
    np.testing.assert_allclose(start_N3.T @ start_N3 / 20_000, np.eye(3) / 3, atol=0.015)
    np.testing.assert_array_equal(start_N3, random_start(20_000, 5))
    assert not np.array_equal(start_N3, random_start(20_000, 6))


def test_a_connected_graph_starts_at_its_eigenvectors() -> None:
    """The subspace is what counts: cosines between vertices, which no rotation of it changes."""
    graph = communities([20, 25, 30, 35], between=0.02)
    degree_N = graph.sum(axis=1)
    adjacency_NN = graph.toarray() / np.sqrt(degree_N[:, None] * degree_N[None])
    own_N3 = np.linalg.eigh(adjacency_NN)[1][:, -4:-1] / np.sqrt(degree_N)[:, None]  # the last is the trivial one
    own_N3 /= np.linalg.norm(own_N3, axis=1, keepdims=True)
    start_N3 = spectral_start(graph, 3)
    np.testing.assert_allclose(np.linalg.norm(start_N3, axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(start_N3 @ start_N3.T, own_N3 @ own_N3.T, atol=0.02)  # rows are moved by 1e-3 so that equal ones part


def test_communities_start_apart() -> None:
    sizes = [20, 25, 30, 35]
    start_N3, label_N = spectral_start(communities(sizes, between=0.02), 0), np.repeat(np.arange(4), sizes)
    cosine_NN, same_NN = start_N3 @ start_N3.T, label_N[:, None] == label_N[None]
    assert cosine_NN[same_NN].min() > cosine_NN[~same_NN].max()


def test_the_same_seed_gives_the_same_bits() -> None:
    graph = small_graph(60)
    assert spectral_start(graph, 1).tobytes() == spectral_start(graph, 1).tobytes() != spectral_start(graph, 2).tobytes()


def test_caps_share_the_sphere_by_size_the_largest_at_the_north_pole() -> None:
    size_C = np.array([5, 60, 5, 30])
    centre_C3, radius_C = _caps(size_C)
    np.testing.assert_allclose(np.linalg.norm(centre_C3, axis=1), 1, atol=1e-12)
    np.testing.assert_allclose((1 - np.cos(radius_C)) / 2, size_C / 100, atol=1e-12)  # share of the sphere's area
    assert centre_C3[:, 2].argsort().tolist() == [2, 0, 3, 1]
    np.testing.assert_allclose(_caps(np.array([9]))[1], np.pi)


def test_spectral_start_gives_components_caps_of_their_own() -> None:
    block = small_graph(60)
    start_N3 = spectral_start(sparse.block_diag([block, block]).tocsr(), 0)
    first_3, second_3 = start_N3[:60].mean(axis=0), start_N3[60:].mean(axis=0)
    assert (start_N3[:60] @ (first_3 - second_3) > start_N3[60:] @ (first_3 - second_3)).mean() > 0.9


@pytest.mark.parametrize("sizes", [[70, 30], [40, 20, 20, 20]])
def test_a_component_stays_inside_its_cap(sizes: list[int]) -> None:
    blocks = [communities([size], between=0, seed=size) for size in sizes]
    start_N3, component_N = spectral_start(sparse.block_diag(blocks).tocsr(), 0), np.repeat(np.arange(len(sizes)), sizes)
    centre_C3, radius_C = _caps(np.array(sizes))
    angle_N = np.arccos((start_N3 * centre_C3[component_N]).sum(axis=1).clip(-1, 1))
    assert (angle_N <= radius_C[component_N] + 5e-3).all()  # the random part is 1e-3
    assert angle_N.max() > 0.2 * radius_C.max(), "it uses the cap"


def test_vertices_alone_and_tiny_components_have_unit_vectors() -> None:
    pair, triangle = np.array([[0, 1.0], [1, 0]]), np.ones((3, 3)) - np.eye(3)
    graph = sparse.block_diag([small_graph(30), pair, triangle, sparse.csr_array((4, 4))]).tocsr()
    np.testing.assert_allclose(np.linalg.norm(spectral_start(graph, 0), axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(spectral_start(sparse.csr_array((5, 5)), 0), axis=1), 1, atol=1e-12)
