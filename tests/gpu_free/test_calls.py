"""Every call of CuPy, cuML and cuVS fits the signature of the library that is installed: a renamed keyword fails here, not on a card."""

import importlib
from pathlib import Path

import pytest
from library_calls import Calls, sources

pytestmark = pytest.mark.gpu_free

REPOSITORY = Path(__file__).resolve().parents[2]
LIBRARIES = ("cupy", "cuml", "cuvs")
SOURCES = list(sources(REPOSITORY / "jobs", REPOSITORY / "tda", libraries=LIBRARIES))
FAULTS = {
    "from cuml.cluster import HDBSCAN\nHDBSCAN(min_cluster_sise=3)": "got an unexpected keyword argument 'min_cluster_sise'",
    "from cuml.cluster import HDBSCANN": "cuml.cluster has no HDBSCANN",
    "from cuml.neighbors import NearestNeighbors as N\nfound = N(n_neighbors=3).fit(x)\nfound.kneighbours(x)": "has no kneighbours",
    "from cuml.neighbors import NearestNeighbors\nNearestNeighbors().fit(x).kneighbors(x, two_pass=True)": "'two_pass'",
    "import cupy\ncupy.asarray(x, kind='C')": "'kind'",
    "cupy = cuda(device)\ncupy.asarrey(x)": "cupy has no asarrey",
    "import cupy\ncupy.cumulative_summ(x)": "cupy has no cumulative_summ",
    "import cupy\ncupy.linalg.eigvalsh()": "missing a required argument",
    "from cuml.manifold.umap import fuzzy_simplicial_set as on_gpu\non_gpu(x, 5, knn_index=y)": "'knn_index'",
}


def test_the_sources_are_found() -> None:
    assert {path.stem for path in SOURCES} >= {"density", "graph", "kdtree", "kmeans", "separability", "epochs_cuda", "fuzzy_graph", "umap"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_calls_fit(path: Path) -> None:
    assert not Calls(path.read_text(), LIBRARIES).faults


def test_many_calls_are_held() -> None:
    held = [name for path in SOURCES for name in Calls(path.read_text(), LIBRARIES).held]
    assert len(held) > 25
    assert {"HDBSCAN", "search.kneighbors", "kmeans.fit", "DeviceLinearSVC", "on_gpu", "cupy.zeros"} <= set(held)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_modules_can_be_imported(path: Path) -> None:
    importlib.import_module(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))


@pytest.mark.parametrize("source", FAULTS)
def test_planted_faults_are_found(source: str) -> None:
    assert FAULTS[source] in "; ".join(Calls(source, LIBRARIES).faults)


def test_parameters_of_k_means() -> None:
    """Compiled, without a signature: it is made."""
    from cuvs.cluster import kmeans

    made = kmeans.KMeansParams(n_clusters=7, max_iter=5)
    assert (made.n_clusters, made.max_iter) == (7, 5)
    with pytest.raises(TypeError):
        kmeans.KMeansParams(clusters=7)
