"""The same numbers from CuPy as from NumPy, in kind."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tda.geometry import retrieval, separability
from tda.geometry.parts.pair_stats import PairStats
from tda.geometry.spectrum.moments import covariance_spectrum

pytestmark = pytest.mark.gpu


@pytest.fixture
def pairs() -> tuple[Any, Any, Any]:
    cupy = import_module("cupy")
    rng = np.random.default_rng(0)
    image_ND = rng.standard_normal((3000, 128)).astype(np.float32)
    text_ND = (image_ND + 2 * rng.standard_normal((3000, 128)) + 0.5).astype(np.float32)
    image_ND[50:90], text_ND[70:120] = image_ND[3], text_ND[3]
    return cupy, image_ND, text_ND


def test_ranks(pairs: tuple[Any, Any, Any]) -> None:
    cupy, image_ND, text_ND = pairs
    found = retrieval.ranks(cupy.asarray(image_ND), cupy.asarray(text_ND), tile=512)
    for on_device, on_host in zip(found, retrieval.ranks(image_ND, text_ND), strict=True):
        assert isinstance(on_device, cupy.ndarray)
        np.testing.assert_array_equal(cupy.asnumpy(on_device), on_host)


def test_spectrum(pairs: tuple[Any, Any, Any]) -> None:
    cupy, image_ND, _ = pairs
    on_device, on_host = covariance_spectrum(cupy.asarray(image_ND)), covariance_spectrum(image_ND)
    assert isinstance(on_device.singular_values, cupy.ndarray)
    np.testing.assert_allclose(cupy.asnumpy(on_device.singular_values), on_host.singular_values, rtol=1e-10)
    assert (on_device.effective_rank, on_device.floor) == pytest.approx((on_host.effective_rank, on_host.floor), rel=1e-9)


def test_gap_and_cosines(pairs: tuple[Any, Any, Any]) -> None:
    cupy, image_ND, text_ND = pairs
    on_device, on_host = PairStats.of_set(cupy.asarray(image_ND), cupy.asarray(text_ND)), PairStats.of_set(image_ND, text_ND)
    assert on_device.gap_metrics() == pytest.approx(on_host.gap_metrics(), rel=1e-10)
    assert on_device.cosine_metrics()["random"]["quantiles"] == pytest.approx(on_host.cosine_metrics()["random"]["quantiles"], abs=1e-12)


def test_separability(pairs: tuple[Any, Any, Any]) -> None:
    """cuML stops earlier than liblinear: accuracies are compared, not coefficients."""
    import_module("cuml")
    cupy, image_ND, text_ND = pairs
    on_device, on_host = separability.metrics(cupy.asarray(image_ND), cupy.asarray(text_ND)), separability.metrics(image_ND, text_ND)
    for name in ("train", "heldout"):
        assert on_device[name]["accuracy"] == pytest.approx(on_host[name]["accuracy"], abs=2e-3)
