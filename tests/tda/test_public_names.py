"""The names that notebooks and other programs import stay where they are, and importing them stays cheap."""

import subprocess
import sys
from importlib import import_module
from pkgutil import walk_packages

import pytest

import tda.report
from tda.config import models
from tda.encoders import FORMATS
from tda.report.topics.registry import registry

PUBLIC = {
    "tda.encoders": ("load",),
    "tda.encoders.losses": ("cloob", "info_loob", "info_nce", "info_nce_hopfield"),
    "tda.store": ("EmbeddingSet",),
    "tda.geometry.spectrum": ("Moments", "Spectrum", "covariance_spectrum", "randomized_svd"),
    "tda.geometry.sphere": ("SphereUMAP",),
    "tda.geometry.neighbors": ("best_match",),
    "tda.geometry.retrieval": ("ranks",),
    "tda.geometry.separability": ("linear_svm",),
    "tda.geometry.clusters": ("hdbscan",),
    "tda.geometry.dimension": ("two_nn",),
    "tda.geometry.homology": ("persistence",),
}


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_there(module: str) -> None:
    for name in PUBLIC[module]:
        assert callable(getattr(import_module(module), name)), f"{module}.{name}"


def test_every_format_names_a_module_that_reads_it() -> None:
    assert set(FORMATS) == set(models.FORMATS)
    for name in FORMATS.values():
        module = import_module(name)
        assert callable(module.load)
        assert callable(module.describe)


def test_every_figure_written_is_registered() -> None:
    modules = [import_module(found.name) for found in walk_packages(tda.report.__path__, "tda.report.")]
    written = {id(spec) for module in modules for spec in getattr(module, "FIGURES", ())}
    assert written == {id(spec) for spec in registry()}


LIGHT = ("torch", "numba", "umap", "cupy", "sklearn", "faiss")


@pytest.mark.parametrize(
    "module", ["tda.geometry.neighbors", "tda.geometry.neighbors.sizes", "tda.geometry.sphere", "tda.geometry.clusters"]
)
def test_a_public_package_loads_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(*[name for name in {LIGHT!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
