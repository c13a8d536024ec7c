"""Agreement of clusterings against counts of pairs, which runs are compared with which, and the space of principal components."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from tda.errors import UserError
from tda.geometry.clusters import stability as module
from tda.geometry.clusters.density import Clustering, hdbscan
from tda.geometry.clusters.stability import agreement, principal_rows, stability


def mixture(n: int = 1500, clusters: int = 6, dim: int = 3, spread: float = 0.05, seed: int = 0) -> tuple[Any, Any]:
    """Unit rows around well separated centres, and whose they are."""
    rng = np.random.default_rng(seed)
    centre_CD = np.linalg.qr(rng.standard_normal((max(dim, clusters), dim)).T)[0].T if dim >= clusters else _axes(clusters)
    truth_N = rng.integers(clusters, size=n)
    x_ND = centre_CD[truth_N] + spread / np.sqrt(dim) * rng.standard_normal((n, dim))
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True), truth_N


def _axes(clusters: int) -> Any:
    return np.concatenate([np.eye(3), -np.eye(3)])[:clusters]


def rand_index(one_N: Any, two_N: Any) -> float:
    """Adjusted for chance, by counting pairs of rows (Hubert and Arabie 1985)."""
    pairs = np.triu_indices(len(one_N), 1)
    one_P, two_P = (label_N[pairs[0]] == label_N[pairs[1]] for label_N in (one_N, two_N))
    expected = one_P.sum() * two_P.sum() / len(one_P)
    return float(((one_P & two_P).sum() - expected) / ((one_P.sum() + two_P.sum()) / 2 - expected))


def test_stability_across_seeds_and_sizes() -> None:
    x_ND, _ = mixture(1200)
    found = stability([x_ND], [15, 30], seeds=[0, 1, 2])
    assert len(found.runs) == 6
    assert found.across_seeds is not None
    assert found.across_seeds > 0.95
    assert found.across_sizes is not None
    assert found.across_sizes > 0.95
    noise = stability([np.random.default_rng(s).standard_normal((300, 2)) for s in (0, 1)], [5], seeds=[0, 1])
    assert noise.across_seeds is not None
    assert noise.across_seeds < 0.2
    assert noise.across_sizes is None
    with pytest.raises(UserError, match="2 spaces for 3 seeds"):
        stability([x_ND, x_ND], [15], seeds=[0, 1, 2])


@pytest.mark.parametrize("seed", range(3))
def test_agreement_is_the_adjusted_rand_index(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one_N = rng.integers(-1, 4, 60)
    two_N = np.where(rng.random(60) < 0.6, one_N, rng.integers(-1, 4, 60))
    assert agreement(one_N, two_N) == pytest.approx(rand_index(one_N, two_N))
    kept_N = (one_N >= 0) & (two_N >= 0)
    assert agreement(one_N, two_N, noise=False) == pytest.approx(rand_index(one_N[kept_N], two_N[kept_N]))


def test_agreement_without_noise() -> None:
    assert agreement(np.asarray([0, 0, 1, 1, -1]), np.asarray([1, 1, 0, -1, 0]), noise=False) == 1
    assert agreement(np.asarray([-1, -1]), np.asarray([0, 1]), noise=False) is None


def planted_runs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replaces the clustering by labels that depend on seed and size in a known way; returns the calls."""
    calls: list[dict[str, Any]] = []

    def clustered(x_ND: Any, size: int, *, seed: int, **options: Any) -> Clustering:
        calls.append({"size": size, "seed": seed, "first": float(x_ND[0, 0]), **options})
        label_N = (np.arange(len(x_ND)) + seed) % (2 if size == 10 else 3)
        known: dict[str, Any] = dict.fromkeys(("probability", "persistence", "engine", "fitted", "distinct", "fitted_noise_fraction"))
        return Clustering(labels=label_N, count=2, noise_fraction=0.0, **known)

    monkeypatch.setattr(module, "hdbscan", clustered)
    return calls


def test_runs_that_differ_in_seed_alone_or_in_size_alone_are_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = planted_runs(monkeypatch)
    found = stability([np.zeros((60, 2))], [10, 20], seeds=[0, 1], method="leaf")
    labels = [(np.arange(60) + call["seed"]) % (2 if call["size"] == 10 else 3) for call in calls]
    wanted_RR = np.array([[rand_index(one, two) for two in labels] for one in labels])
    np.testing.assert_allclose(found.agreement_RR, wanted_RR, atol=1e-12)
    assert [(run["seed"], run["min_cluster_size"]) for run in found.runs] == [(0, 10), (0, 20), (1, 10), (1, 20)]
    assert found.across_seeds == pytest.approx((wanted_RR[0, 2] + wanted_RR[1, 3]) / 2)
    assert found.across_sizes == pytest.approx((wanted_RR[0, 1] + wanted_RR[2, 3]) / 2)
    assert json.loads(json.dumps(found.metrics()))["agreement_RR"][0][1] == pytest.approx(wanted_RR[0, 1])


def test_one_space_is_drawn_from_by_each_seed_and_layouts_are_taken_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = planted_runs(monkeypatch)
    stability([np.zeros((60, 2))], [10], seeds=[3, 4], method="leaf")
    assert [(call["sample"], call["method"]) for call in calls] == [(48, "leaf")] * 2  # four rows in five
    calls.clear()
    stability([np.zeros((60, 2))], [10], seeds=[3, 4], sample=20)
    assert [call["sample"] for call in calls] == [20, 20]
    calls.clear()
    alone = stability([np.full((60, 2), 1.0), np.full((60, 2), 2.0)], [10], seeds=[3, 4])
    assert [(call["first"], "sample" in call) for call in calls] == [(1.0, False), (2.0, False)]
    assert alone.across_sizes is None
    assert stability([np.zeros((60, 2))], [10], seeds=[3]).across_seeds is None


def test_principal_rows_keep_the_clusters() -> None:
    x_ND, truth_N = mixture(dim=64)
    low_NC = principal_rows(x_ND, 8)
    assert low_NC.shape == (1500, 8)
    assert adjusted_rand_score(truth_N, hdbscan(low_NC, 20).labels) > 0.95


def test_principal_rows_are_those_of_a_singular_value_decomposition() -> None:
    x_ND = 5 * mixture(200, dim=9)[0]  # of any length
    unit_ND = x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)
    left_ND, value_D, _ = np.linalg.svd(unit_ND - unit_ND.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(principal_rows(x_ND, 4)), np.abs((left_ND * value_D)[:, :4]), atol=1e-10)
