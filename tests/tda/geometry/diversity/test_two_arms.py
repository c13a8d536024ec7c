"""Conjecture 2: the test by clusters of prompts against all exchanges, and how often planted worlds get a wrong verdict."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.diversity.matching import levels, matched
from tda.geometry.diversity.two_arms import difference, verdict


def test_the_permutation_is_that_of_all_exchanges() -> None:
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(12), rng.integers(1, 4, 12))
    apart = 0.5 * rng.standard_normal(len(cluster)) + 0.2
    sums = np.array([apart[cluster == one].sum() for one in range(12)])
    flips = np.array(list(product([-1, 1], repeat=12))) @ sums
    exact = (abs(flips) >= abs(sums.sum()) - 1e-12).mean()
    (found,) = difference(np.zeros((len(cluster), 1)), apart[:, None], cluster, draws=20_000, seed=0)
    assert found["p_value"] == pytest.approx(exact, abs=0.012)
    assert found["value"] == pytest.approx(apart.mean())
    assert found["ci95"][0] < found["value"] < found["ci95"][1]


def test_prompts_of_one_cluster_do_not_count_as_many() -> None:
    """Twelve clusters of ten equal prompts are twelve observations."""
    apart = np.random.default_rng(1).standard_normal(12)
    one = difference(np.zeros((12, 1)), apart[:, None], np.arange(12), draws=4000, seed=0)[0]
    many = difference(np.zeros((120, 1)), np.repeat(apart, 10)[:, None], np.repeat(np.arange(12), 10), draws=4000, seed=0)[0]
    assert many["ci95"] == pytest.approx(one["ci95"])
    assert many["p_value"] == one["p_value"]
    with pytest.raises(UserError, match="11 clusters of prompts are too few"):
        difference(np.zeros((20, 1)), np.ones((20, 1)), np.arange(20) % 11, draws=200, seed=0)


def level(low: float, high: float, p: float = 0.01) -> dict[str, Any]:
    return {"value": (low + high) / 2, "ci95": [low, high], "p_value": p}


@pytest.mark.parametrize(
    ("distance", "vendi", "expected"),
    [
        ([level(0.1, 0.2), level(0.1, 0.3)], [level(1, 2), level(1, 2)], "supported"),
        ([level(0.1, 0.2), level(0.1, 0.3)], [level(1, 2), level(-0.1, 2)], "undecided"),
        ([level(0.1, 0.2), level(0.1, 0.3, p=0.06)], [level(1, 2), level(1, 2)], "undecided"),
        ([level(0.1, 0.2), level(-0.3, -0.1)], [level(1, 2), level(1, 2)], "not supported"),
        ([level(-0.2, -0.1)] * 2, [level(-2, -1)] * 2, "reversed"),
    ],
)
def test_both_measures_at_every_level_decide(distance: Any, vendi: Any, expected: str) -> None:
    assert verdict({"distance": distance, "vendi": vendi}) == expected


def world(kind: str, seed: int) -> tuple[Any, Any, Any]:
    """Two arms, 64 prompts in 16 clusters: alike (null), alike but for their strength (confounded), or truly different (real)."""
    rng = np.random.default_rng(seed)
    cluster, strengths = np.repeat(np.arange(16), 4), np.linspace(0.1, 3, 12)
    shared = rng.normal(0, 0.05, (16, 1))[cluster]
    found = []
    for number in range(2):
        pace = 1.6 if kind == "confounded" and number else 1.0
        own, easy = shared + rng.normal(0, 0.05, (64, 1)) + rng.normal(0, 0.04, (16, 1))[cluster], rng.normal(0, 0.05, (64, 1))
        follows = 1 - np.exp(-np.outer(np.exp(easy[:, 0]), strengths * pace))
        diverse = 1 - 0.7 * follows**1.5 + own + rng.normal(0, 0.01, follows.shape) + (0.1 if kind == "real" and number else 0.0)
        found.append((follows + rng.normal(0, 0.01, follows.shape), diverse))
    fidelity, distance = (np.stack(pair) for pair in zip(*found, strict=True))
    vendi = np.exp(3 * distance + rng.normal(0, 0.02, distance.shape))
    at = matched(fidelity, {"distance": distance, "vendi": vendi}, np.stack([strengths] * 2), levels(fidelity, 4))
    return at.measure_APL["distance"], at.measure_APL["vendi"], cluster


def decided(kind: str, seed: int) -> str:
    distance, vendi, cluster = world(kind, seed)
    return verdict({name: difference(*one, cluster, draws=400, seed=seed) for name, one in (("distance", distance), ("vendi", vendi))})


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "wrong"),
    [("null", ("supported", "reversed")), ("confounded", ("supported", "reversed")), ("real", ("reversed", "not supported"))],
)
def test_wrong_verdicts_are_rare(kind: str, wrong: tuple[str, ...]) -> None:
    """At most 5 % of 200 draws; a real difference is mostly found."""
    found = [decided(kind, seed) for seed in range(200)]
    assert sum(one in wrong for one in found) <= 10
    assert kind != "real" or found.count("supported") > 150


def test_a_planted_difference_is_supported_and_strength_alone_is_not() -> None:
    assert decided("real", 0) == "supported"
    assert decided("confounded", 0) != "supported"
