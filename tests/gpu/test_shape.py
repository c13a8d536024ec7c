"""Clusters, spectra per cluster, randomized SVD, dimension, landmarks: the same from CuPy as from NumPy, in kind."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from tda.geometry.clusters.assign import Assigner
from tda.geometry.clusters.density import hdbscan
from tda.geometry.compare import compare
from tda.geometry.dimension import mle, two_nn
from tda.geometry.homology import persistence
from tda.geometry.neighbors.kdtree import Neighbors
from tda.geometry.spectrum.per_cluster import GroupMoments
from tda.geometry.spectrum.randomized import randomized_svd
from tda.geometry.spectrum.tsqr import tsqr_spectrum

pytestmark = pytest.mark.gpu


@pytest.fixture
def rows() -> tuple[Any, Any, Any]:
    """CuPy, unit rows around six centres with copies among them, and whose they are."""
    cupy = import_module("cupy")
    rng = np.random.default_rng(0)
    label_N = rng.integers(6, size=3000)
    x_ND = np.eye(32)[label_N] + 0.03 * rng.standard_normal((3000, 32))
    x_ND[2900:], label_N[2900:] = x_ND[:100], label_N[:100]
    return cupy, (x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)).astype(np.float32), label_N


def test_clusters_and_assignment(rows: tuple[Any, Any, Any]) -> None:
    """cuML builds another tree of the same distances: the planted clusters, not the same bits."""
    cupy, x_ND, label_N = rows
    for sample in (100_000, 1500):
        found = hdbscan(cupy.asarray(x_ND), 20, sample=sample)
        assert found.engine == "cuml"
        assert isinstance(found.labels, cupy.ndarray)
        assert adjusted_rand_score(label_N, cupy.asnumpy(found.labels)) > 0.95
        np.testing.assert_array_equal(cupy.asnumpy(found.labels[2900:]), cupy.asnumpy(found.labels[:100]))
    plain = Assigner(x_ND[:2000], label_N[:2000], 10).assign(x_ND[2000:2900])
    on_device = Assigner(cupy.asarray(x_ND[:2000]), cupy.asarray(label_N[:2000]), 10).assign(cupy.asarray(x_ND[2000:2900]))
    np.testing.assert_array_equal(cupy.asnumpy(on_device), plain)


def test_neighbours(rows: tuple[Any, Any, Any]) -> None:
    cupy, x_ND, _ = rows
    on_device, on_host = Neighbors(cupy.asarray(x_ND)).query(cupy.asarray(x_ND[:50]), 9), Neighbors(x_ND).query(x_ND[:50], 9)
    np.testing.assert_allclose(cupy.asnumpy(on_device[0]), on_host[0], atol=1e-6)


def test_moments_and_spectra_by_group(rows: tuple[Any, Any, Any]) -> None:
    cupy, x_ND, label_N = rows
    on_device, on_host = GroupMoments.of(cupy.asarray(x_ND), label_N, 6), GroupMoments.of(x_ND, label_N, 6)
    np.testing.assert_allclose(
        cupy.asnumpy(on_device.merge(on_device).moments(1).scatter_DD), on_host.merge(on_host).moments(1).scatter_DD, atol=1e-11
    )
    for one, other in zip(on_device.spectra(), on_host.spectra(), strict=True):
        assert one is not None
        assert other is not None
        assert isinstance(one.singular_values, cupy.ndarray)
        np.testing.assert_allclose(cupy.asnumpy(one.singular_values), other.singular_values, rtol=1e-9, atol=other.floor)
        assert one.auc == pytest.approx(other.auc, rel=1e-9)


def test_randomized_svd_and_tsqr(rows: tuple[Any, Any, Any]) -> None:
    cupy, x_ND, _ = rows
    on_device, on_host = randomized_svd(cupy.asarray(x_ND), 5), randomized_svd(x_ND, 5)
    assert isinstance(on_device.values_K, cupy.ndarray)
    np.testing.assert_allclose(cupy.asnumpy(on_device.values_K), on_host.values_K, rtol=1e-9)
    np.testing.assert_allclose(cupy.asnumpy(on_device.vectors_DK), on_host.vectors_DK, atol=1e-6)
    values_D = cupy.asnumpy(tsqr_spectrum(cupy.asarray(x_ND)).singular_values)
    np.testing.assert_allclose(values_D, tsqr_spectrum(x_ND).singular_values, rtol=1e-9)


def test_dimension_landmarks_and_comparison(rows: tuple[Any, Any, Any]) -> None:
    cupy, x_ND, _ = rows
    for estimate in (two_nn, mle):
        assert estimate(cupy.asarray(x_ND)).value == pytest.approx(estimate(x_ND).value, rel=1e-4)
    on_device, on_host = persistence(cupy.asarray(x_ND), 40), persistence(x_ND, 40)
    np.testing.assert_allclose(on_device.diagrams[0].points_P2, on_host.diagrams[0].points_P2, atol=1e-6)
    pair = [compare(rows_ND[:200], rows_ND[200:400], draws=3).cka.value for rows_ND in (cupy.asarray(x_ND), x_ND)]
    assert pair[0] == pytest.approx(pair[1], rel=1e-9)
