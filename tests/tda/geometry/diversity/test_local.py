"""Conjecture 1: partial rank correlation against the inverse of a correlation matrix, power by simulation, planted worlds."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from tda.errors import UserError
from tda.geometry.diversity.local import Partial, partial_spearman, power_at, rarefied_rank, verdict


def measured(x: Any, y: Any, given: Any, draws: int = 500, seed: int = 0) -> Partial:
    return partial_spearman(x, y, given, draws=draws, detectable=0.5, seed=seed)


def test_the_value_is_that_of_the_inverse_correlation_matrix_of_ranks() -> None:
    rng = np.random.default_rng(0)
    x, given = rng.standard_normal(60), rng.standard_normal((60, 3))
    y = 0.5 * x + given[:, 0] + rng.standard_normal(60)
    ranks = np.stack([rankdata(one) for one in (x, y, *given.T)])
    inverse = np.linalg.inv(np.corrcoef(ranks))
    found = measured(x, y, given)
    assert found.value == pytest.approx(-inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1]))
    assert found.ci95[0] < found.value < found.ci95[1]
    assert found.p_larger < 0.05 < found.p_smaller


def test_a_covariate_that_does_not_vary_takes_no_degree_of_freedom() -> None:
    rng = np.random.default_rng(1)
    x, y, given = rng.standard_normal(30), rng.standard_normal(30), rng.standard_normal((30, 2))
    plain, padded = measured(x, y, given), measured(x, y, np.column_stack([given, np.ones(30)]))
    assert (plain.value, plain.ci95, plain.power) == (padded.value, padded.ci95, padded.power)
    with pytest.raises(UserError, match="6 clusters are too few for 4 covariates"):
        measured(x[:6], y[:6], rng.standard_normal((6, 4)))


def test_equal_rows_of_each_cluster_make_sizes_comparable() -> None:
    rng = np.random.default_rng(2)
    cloud = rng.standard_normal((2000, 12))
    small, large = rarefied_rank(cloud[:15], 10), rarefied_rank(cloud, 10)
    assert small == pytest.approx(large, rel=0.1)
    flat = cloud * np.array([1.0] * 3 + [0.01] * 9)
    assert rarefied_rank(flat, 10) < 3.2 < large
    assert rarefied_rank(np.ones((10, 4)), 10) == 1.0
    with pytest.raises(UserError, match="10 rows of 9"):
        rarefied_rank(cloud[:9], 10)


def test_the_power_grows_with_clusters_and_is_that_of_simulation() -> None:
    assert power_at(0.5, 10) < 0.8 < power_at(0.5, 40)
    rng, found = np.random.default_rng(3), 0
    for _ in range(300):
        x = rng.standard_normal(30)
        y = 0.5 * x + np.sqrt(0.75) * rng.standard_normal(30)
        found += measured(x, y, np.empty((30, 0)), draws=199).p_larger < 0.05
    assert found / 300 == pytest.approx(power_at(0.5, 27), abs=0.09)


def one(value: float, half: float = 0.2, p: float = 0.5, power: float = 0.9) -> Partial:
    larger = p if value > 0 else 1 - p
    return Partial(value=value, ci95=(value - half, value + half), p_larger=larger, p_smaller=1 - larger, clusters=40, power=power)


@pytest.mark.parametrize(
    ("arms", "expected"),
    [
        ([one(0.5, p=0.01), one(0.4, p=0.01)], "supported"),
        ([one(0.5, p=0.01), one(0.1)], "undecided"),
        ([one(0.1), one(0.0)], "not supported"),
        ([one(-0.5, p=0.01), one(-0.4, p=0.01)], "reversed"),
        ([one(0.5, p=0.01), one(0.5, p=0.01, power=0.79)], "refused"),
        ([], "refused"),
    ],
)
def test_all_arms_decide_and_weak_ones_refuse(arms: list[Partial], expected: str) -> None:
    assert verdict({str(place): arm for place, arm in enumerate(arms)}, 0.5) == expected


def world(kind: str, seed: int) -> dict[str, Partial]:
    """Two arms of 60 clusters: size drives dimension and diversity; only in a real world does dimension drive diversity too."""
    rng, found = np.random.default_rng(seed), {}
    for arm in ("a", "b"):
        size = rng.standard_normal(60)
        dimension = size * (kind != "null") + rng.standard_normal(60)
        diversity = size * (kind != "null") + rng.standard_normal(60) + 1.5 * dimension * (kind == "real")
        given = np.column_stack([size, rng.standard_normal((60, 3))])
        found[arm] = measured(dimension, diversity, given, draws=299, seed=seed)
    return found


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "wrong"),
    [("null", ("supported", "reversed")), ("confounded", ("supported", "reversed")), ("real", ("reversed", "not supported"))],
)
def test_wrong_verdicts_are_rare(kind: str, wrong: tuple[str, ...]) -> None:
    verdicts = [verdict(world(kind, seed), 0.5) for seed in range(200)]
    assert sum(found in wrong for found in verdicts) <= 10
    assert kind != "real" or verdicts.count("supported") > 150


def test_size_alone_does_not_support_the_conjecture() -> None:
    assert verdict(world("real", 0), 0.5) == "supported"
    assert verdict(world("confounded", 0), 0.5) != "supported"
