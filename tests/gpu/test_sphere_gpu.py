"""The layout and its graph on a GPU against the same on the CPU. N rows, K neighbours."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tda.geometry.mixing import trustworthiness
from tda.geometry.neighbors.graph import knn_graph
from tda.geometry.sphere.epochs_cpu import Forces, layout_cpu, schedule
from tda.geometry.sphere.epochs_cuda import layout_cuda
from tda.geometry.sphere.fuzzy_graph import fuzzy_graph
from tda.geometry.sphere.init import random_start
from tda.geometry.sphere.umap import SphereUMAP

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def cupy() -> Any:
    return import_module("cupy")


@pytest.fixture(scope="module")
def rows() -> Any:
    rng = np.random.default_rng(0)
    x_ND = np.repeat(rng.normal(size=(20, 64)), 50, axis=0) + 0.5 * rng.normal(size=(1000, 64))
    return (x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)).astype(np.float32)


def test_an_epoch_is_the_cpus(cupy: Any) -> None:
    half = sparse.random(3000, 3000, density=0.005, random_state=np.random.default_rng(0), format="csr")
    edges, forces, start_N3 = schedule(half.maximum(half.T), 200), Forces(a=1.577, b=0.895, n_epochs=1, seed=7), random_start(3000, 1)
    found = cupy.asnumpy(layout_cuda(start_N3, edges, forces))
    np.testing.assert_allclose(found, layout_cpu(start_N3, edges, forces), atol=5e-6)  # powf and asinf differ in the last bits


def test_a_layout_repeats_itself_to_the_bit_and_is_as_good(cupy: Any, rows: Any) -> None:
    graph = fuzzy_graph(knn_graph(rows, 14, device="cpu"), 15, device="cpu")
    first, again = (cupy.asnumpy(SphereUMAP(device="cuda").layout(graph)) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    on_cpu = SphereUMAP(device="cpu").layout(graph)
    assert trustworthiness(rows, first) > trustworthiness(rows, on_cpu) - 0.01


def test_neighbours_and_memberships_are_the_cpus(cupy: Any, rows: Any) -> None:
    found, expected = knn_graph(rows, 20, device="cuda"), knn_graph(rows, 20, device="cpu")
    assert (cupy.asnumpy(found.index_NK) == expected.index_NK).mean() > 0.999  # float32 may swap near ties
    np.testing.assert_allclose(cupy.asnumpy(found.distance_NK), expected.distance_NK, atol=1e-5)
    difference = fuzzy_graph(found, 15, device="cuda").get() - fuzzy_graph(expected, 15, device="cpu")
    assert abs(difference).max() < 1e-2


@pytest.mark.parametrize("output", ["sphere", "plane"])
def test_rows_of_cupy_give_an_answer_in_kind(cupy: Any, rows: Any, output: str) -> None:
    model = SphereUMAP(output=output)
    layout = model.fit_transform(cupy.asarray(rows))
    assert isinstance(layout, cupy.ndarray)
    assert trustworthiness(rows, cupy.asnumpy(layout)) > 0.9
    if output == "sphere":
        assert isinstance(model.transform(cupy.asarray(rows[:10])), cupy.ndarray)
        assert isinstance(model.angles()[0], cupy.ndarray)
