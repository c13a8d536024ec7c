"""Differences of correlations: held to plain formulas, and by planted truths to their level."""

from typing import Any

import numpy as np
import pytest

from tda.geometry.correlation_differences import correlation_differences, holm


def clusters(correlation: float, count: int, seed: int) -> tuple[Any, Any]:
    x_K, z_K = np.random.default_rng(seed).standard_normal((2, count))
    return x_K, correlation * x_K + np.sqrt(1 - correlation**2) * z_K


def test_holms_values_are_those_of_its_steps() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([None, 0.9, 0.8]) == [None, 1.0, 1.0]
    assert holm([]) == []


def test_a_difference_is_that_of_the_correlations() -> None:
    named = {"a": clusters(0.8, 60, 0), "b": clusters(-0.2, 60, 1), "c": clusters(0.8, 60, 2)}
    apart, alike = correlation_differences(named, [("a", "b"), ("a", "c")])
    assert apart.value == pytest.approx(np.corrcoef(*named["a"])[0, 1] - np.corrcoef(*named["b"])[0, 1])
    assert apart.ci95 is not None
    assert apart.ci95[0] < (apart.value or 0) < apart.ci95[1]
    assert (apart.p_holm or 1) < 0.001
    assert (alike.p_holm or 0) > 0.05
    assert apart.p_holm == pytest.approx(2 * (apart.p_value or 1))


def test_few_or_equal_clusters_have_none() -> None:
    named = {"few": clusters(0.5, 11, 0), "flat": (np.ones(20), np.arange(20.0)), "some": clusters(0.5, 20, 1)}
    for one in correlation_differences(named, [("few", "some"), ("flat", "some")]):
        assert (one.value, one.ci95, one.p_value, one.p_holm) == (None, None, None, None)


@pytest.mark.long
def test_equal_correlations_seldom_differ_and_unequal_ones_do() -> None:
    """200 worlds of three equal correlations: at most 5 % of the families have a difference at .05, and its interval covers."""
    wrong = found = held = 0
    for seed in range(200):
        named = {name: clusters(0.5, 40, 10 * seed + place) for place, name in enumerate("abc")}
        family = correlation_differences(named, [("a", "b"), ("a", "c"), ("b", "c")], draws=300)
        wrong += min(one.p_holm or 1 for one in family) < 0.05
        held += (family[0].ci95 or (1, 0))[0] <= 0 <= (family[0].ci95 or (1, 0))[1]
        named["b"] = clusters(-0.5, 40, 10 * seed + 7)
        found += (correlation_differences(named, [("a", "b")], draws=300)[0].p_holm or 1) < 0.05
    assert wrong <= 14, "5 % of 200, plus 1.3 standard errors"
    assert found >= 190
    assert 0.92 - 0.02 <= held / 200 <= 0.98 + 0.02
