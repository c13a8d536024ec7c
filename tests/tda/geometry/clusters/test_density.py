"""Planted mixtures, copies, engines that agree, samples that stand for the whole, and degenerate rows."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from tda.errors import UserError
from tda.geometry.clusters.density import hdbscan
from tda.geometry.clusters.stability import agreement


def mixture(n: int = 1500, clusters: int = 6, dim: int = 3, spread: float = 0.05, seed: int = 0) -> tuple[Any, Any]:
    """Unit rows around well separated centres, and whose they are."""
    rng = np.random.default_rng(seed)
    centre_CD = np.linalg.qr(rng.standard_normal((max(dim, clusters), dim)).T)[0].T if dim >= clusters else _axes(clusters)
    truth_N = rng.integers(clusters, size=n)
    x_ND = centre_CD[truth_N] + spread / np.sqrt(dim) * rng.standard_normal((n, dim))
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True), truth_N


def _axes(clusters: int) -> Any:
    return np.concatenate([np.eye(3), -np.eye(3)])[:clusters]


@pytest.mark.parametrize("dim", [3, 12, 128])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_planted_mixture_is_recovered(dim: int, dtype: str) -> None:
    x_ND, truth_N = mixture(dim=dim)
    found = hdbscan(x_ND.astype(dtype), 20)
    assert found.count == 6
    assert adjusted_rand_score(truth_N, found.labels) > 0.95
    assert (np.diff(np.bincount(found.labels[found.labels >= 0])) <= 0).all(), "numbered by size"
    assert all(0 < value <= 1 for value in found.persistence)


def test_both_methods_and_epsilon() -> None:
    x_ND, _ = mixture()
    leaves = hdbscan(x_ND, 10, 5, method="leaf")
    assert leaves.count > hdbscan(x_ND, 10, 5).count == 6
    assert hdbscan(x_ND, 10, 5, method="leaf", epsilon=0.5).count == 6


def test_copies_get_the_label_of_their_original_and_no_nan() -> None:
    x_ND, truth_N = mixture(800)
    rng = np.random.default_rng(1)
    copied_M = rng.integers(800, size=3000)
    found = hdbscan(np.concatenate([x_ND, x_ND[copied_M], np.tile(x_ND[:1], (500, 1))]), 20)
    plain = hdbscan(x_ND, 20)
    assert found.distinct == 800
    assert np.isfinite(found.persistence).all()
    assert agreement(found.labels[:800], plain.labels) == pytest.approx(1)
    np.testing.assert_array_equal(found.labels[800:3800], found.labels[copied_M])
    assert (found.labels[3800:] == found.labels[0]).all()
    assert adjusted_rand_score(truth_N, found.labels[:800]) > 0.95


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("fast_hdbscan.hdbscan", ["compute_minimum_spanning_tree"]),
        ("hdbscan._hdbscan_linkage", ["label"]),
        ("hdbscan._hdbscan_tree", ["compute_stability", "condense_tree", "get_clusters"]),
    ],
)
def test_private_functions_of_the_libraries_are_there(module: str, names: list[str]) -> None:
    try:
        found = vars(import_module(module))
    except ImportError:
        found = {}
    absent = [name for name in names if not callable(found.get(name))]
    assert not absent, f"{module} has lost {absent}, private functions that _run_fast_hdbscan needs: cap its version in pyproject.toml"


def test_engines_agree() -> None:
    """fast_hdbscan is exact as hdbscan is here; ties in the tree may still fall apart, hence .97 and not 1."""
    x_ND, truth_N = mixture(3000)
    fast, plain = hdbscan(x_ND, 20, engine="fast_hdbscan"), hdbscan(x_ND, 20, engine="hdbscan")
    assert fast.engine == "fast_hdbscan"
    assert agreement(fast.labels, plain.labels) > 0.97
    assert adjusted_rand_score(truth_N, fast.labels) > 0.95
    assert sorted(fast.persistence) == pytest.approx(sorted(plain.persistence), abs=0.05)


@pytest.mark.parametrize("dim", [3, 64])
def test_a_sample_stands_for_the_whole(dim: int) -> None:
    x_ND, truth_N = mixture(6000, dim=dim)
    found = hdbscan(x_ND, 20, sample=1500, block_rows=700)
    assert found.fitted == 1500
    assert adjusted_rand_score(truth_N, found.labels) > 0.95
    assert found.noise_fraction == pytest.approx(found.fitted_noise_fraction, abs=0.05)
    np.testing.assert_array_equal(found.labels, hdbscan(x_ND, 20, sample=1500, block_rows=6000).labels)


def test_a_memory_map_is_read_in_blocks(tmp_path: Any) -> None:
    x_ND, truth_N = mixture(4000, dim=16)
    np.save(tmp_path / "rows.npy", x_ND.astype(np.float16))
    found = hdbscan(np.load(tmp_path / "rows.npy", mmap_mode="r"), 20, sample=1000)
    assert adjusted_rand_score(truth_N, found.labels) > 0.95


@pytest.mark.parametrize(
    ("x_ND", "note"),
    [
        (np.ones((50, 4)), "1 distinct row"),
        (np.eye(6), "6 distinct row"),
        (np.random.default_rng(0).standard_normal((60, 30)), "denser"),
    ],
    ids=["all equal", "fewer than min_cluster_size", "all noise"],
)
def test_where_nothing_is_a_cluster_all_is_noise_and_a_note_says_why(x_ND: Any, note: str) -> None:
    found = hdbscan(x_ND, 10)
    assert (found.count, found.noise_fraction, found.persistence) == (0, 1.0, [])
    assert (found.labels == -1).all()
    assert note in found.notes[0]
    assert (hdbscan(x_ND, 10, sample=len(x_ND) - 1).labels == -1).all()


def test_one_cluster_where_it_is_allowed() -> None:
    x_ND = np.random.default_rng(0).standard_normal((400, 2))
    assert hdbscan(x_ND, 150, 10).count == 0
    assert hdbscan(x_ND, 150, 10, single=True).count == 1


def test_a_constant_dimension_changes_nothing() -> None:
    x_ND, _ = mixture()
    np.testing.assert_array_equal(hdbscan(np.c_[x_ND, np.ones(len(x_ND))], 20).labels, hdbscan(x_ND, 20).labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_cluster_size": 1}, "min_cluster_size=1 is too small"),
        ({"min_samples": 0}, "min_samples=0 is too small"),
        ({"method": "best"}, "choose one of: eom, leaf"),
        ({"engine": "dbscan"}, "engine='dbscan' is unknown"),
        ({"epsilon": -1}, "epsilon=-1.0"),
        ({"sample": 0}, "sample=0 is too small"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        hdbscan(np.eye(3), **options)


def test_rows_that_are_not_finite_are_named() -> None:
    x_ND, _ = mixture(100)
    x_ND[37, 1] = np.nan
    with pytest.raises(UserError, match="row 37 holds a value that is not finite"):
        hdbscan(x_ND)
    with pytest.raises(UserError, match=r"\(N, D\)"):
        hdbscan(np.ones(5))
