"""Every measure gives NumPy's numbers on arrays of other libraries: of the array standard's strict reference, and of torch.

`array_api_strict` has nothing beside the standard, so what runs on it uses no function, index or method that CuPy may lack.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import array_api_strict
import numpy as np
import pytest
import torch

from tda.geometry import alignment, compare, dimension, homology, mixing, query_ranks, retrieval, separability
from tda.geometry.arrays import equal_rows, namespace, rows
from tda.geometry.clusters.density import hdbscan
from tda.geometry.clusters.stability import principal_rows
from tda.geometry.modalities import between, gap_measures, interventions, two_sample
from tda.geometry.neighbors.graph import knn_graph, nearest_of
from tda.geometry.parts.pair_stats import PairStats
from tda.geometry.spectrum import moments, randomized, tsqr
from tda.geometry.spectrum.per_cluster import GroupMoments
from tda.geometry.sphere.umap import SphereUMAP

N, D = 300, 16
LABEL_N = np.arange(N) % 3

Run = Callable[[Any, Any], Any]


def grouped(image_ND: Any, _: Any) -> Any:
    found = GroupMoments.empty(3, D, like=image_ND)
    for block in (slice(0, 170), slice(170, N)):
        found.add(image_ND[block, :], LABEL_N[block])
    return found.spectra(0.01, "float32")


RUNS: dict[str, Run] = {
    "unit rows": lambda x, _: namespace.unit_rows(x),
    "rows at": lambda x, _: namespace.rows_at(x, np.array([[3, 1], [0, 3]])),
    "distinct": lambda x, _: rows.distinct(x),
    "first equal": lambda x, _: equal_rows.first_equal(x),
    "alignment": alignment.alignment,
    "uniformity": alignment.uniformity,
    "uniformity of pairs": lambda x, y: alignment.sampled_uniformity(x, y, *alignment.drawn_pairs(N, 500, 0)),
    "gap": lambda x, y: PairStats.of_set(x, y).gap_metrics(),
    "cosines": lambda x, y: PairStats.of_set(x, y).cosine_metrics(),
    "gap measures": lambda x, y: gap_measures.metrics(moments.Moments.of(x), moments.Moments.of(y), 0.3, "float32"),
    "two-NN": lambda x, _: dimension.two_nn(x),
    "MLE": lambda x, _: dimension.mle(x),
    "by cluster": lambda x, _: dimension.by_cluster(x, LABEL_N),
    "homology": lambda x, _: homology.persistence(x, landmarks=50),
    "homology of drawn landmarks": lambda x, _: homology.persistence(x, landmarks=50, choice="random"),
    "layout neighbours": lambda x, _: mixing.layout_neighbors(x[:, :3], 15),
    "trustworthiness": lambda x, _: mixing.trustworthiness(x, x[:, :3]),
    "trustworthiness of a sample": lambda x, _: mixing.trustworthiness(x, x[:, :3], max_rows=100),
    "ranks": lambda x, y: retrieval.ranks(x, y, tile=64),
    "retrieval": lambda x, y: retrieval.metrics(*retrieval.ranks(x, y, tile=64)),
    "true cosines": retrieval.true_cosines,
    "queries": lambda x, y: query_ranks.query_counts(query_ranks.Queries.of(x[40:90, :], y[40:90, :]), x, y, tile=64),
    "separability": separability.metrics,
    "classifier of stored rows": separability.train,
    "spectrum": lambda x, _: moments.covariance_spectrum(x),
    "spectrum by QR": lambda x, _: tsqr.spectrum(x, "tsqr"),
    "largest values": lambda x, _: randomized.randomized_svd(x, 4).values_K,
    "spectra of groups": grouped,
    "clusters": lambda x, _: hdbscan(x[:, :4], 10),
    "principal rows": lambda x, _: np.abs(np.asarray(principal_rows(x, 4))),
    "comparison": lambda x, y: compare.compare(x, y, k=5, sample=100, draws=10),
    "Procrustes": between.procrustes,
    "information imbalance": between.information_imbalance,
    "differences": between.differences,
    "correlation of dimensions": lambda x, y: between.dimension_correlation(x, y, draws=5),
    "MMD": lambda x, y: two_sample.mmd(x, y, draws=19),
    "own modality": lambda x, y: two_sample.own_modality(x, y, draws=19),
    "interventions": lambda x, y: interventions.interventions(x, y, shifts=[0.0, 0.5, 1.0], dropped=[1, 2]),
    "neighbour graph": lambda x, _: knn_graph(x, 15),
    "nearest among others": lambda x, y: nearest_of(x, y, 5),
    "layout": lambda x, _: SphereUMAP(n_neighbors=10, n_epochs=5).fit_transform(x),
}


@pytest.fixture(scope="module")
def pairs() -> tuple[Any, Any]:
    """Rows of two clusters, of which some are equal, so that ranks are tied."""
    rng = np.random.default_rng(0)
    image_ND = rng.standard_normal((N, D)).astype(np.float32)
    image_ND[:100, :4] += 8
    text_ND = (image_ND + 2 * rng.standard_normal((N, D)) + 0.5).astype(np.float32)
    image_ND[50:60], text_ND[70:80] = image_ND[3], text_ND[3]
    return image_ND, text_ND


def numbers(found: Any) -> Iterator[Any]:
    """All numbers and arrays in a result, in order."""
    if found is None or isinstance(found, str | bool):
        return
    if dataclasses.is_dataclass(found):
        found = vars(found)
    if isinstance(found, Mapping):
        found = list(found.values())
    if isinstance(found, list | tuple):
        for one in found:
            yield from numbers(one)
    elif callable(getattr(found, "__array__", None)) or isinstance(found, int | float):
        yield np.asarray(found, dtype=np.float64)


@pytest.mark.parametrize("library", [array_api_strict.asarray, torch.from_numpy], ids=["strict", "torch"])
@pytest.mark.parametrize("name", RUNS)
def test_the_numbers_are_those_of_numpy(pairs: tuple[Any, Any], name: str, library: Callable[[Any], Any]) -> None:
    wanted = list(numbers(RUNS[name](*(x_ND.copy() for x_ND in pairs))))
    found = list(numbers(RUNS[name](*(library(x_ND.copy()) for x_ND in pairs))))
    assert wanted
    assert len(found) == len(wanted)
    atol = 1e-4 if name.startswith("trustworthiness") else 1e-7  # ranks by float32 cosines, where two that are nearly equal may swap
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("library", [array_api_strict.asarray, torch.from_numpy], ids=["strict", "torch"])
@pytest.mark.parametrize("name", ["unit rows", "rows at", "ranks", "true cosines", "queries", "clusters"])
def test_arrays_stay_in_their_library(pairs: tuple[Any, Any], name: str, library: Callable[[Any], Any]) -> None:
    image_ND, text_ND = (library(x_ND.copy()) for x_ND in pairs)
    found = RUNS[name](image_ND, text_ND)
    first = found.labels if name == "clusters" else found[0] if isinstance(found, tuple) else found
    assert type(first) is type(image_ND)
