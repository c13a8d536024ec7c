"""Diversity at matched fidelity: arms that differ in strength alone are alike, and levels that nobody reaches are refused."""

from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.diversity.matching import crossing, levels, matched

STRENGTHS = np.linspace(0, 3, 31)


def arm(pace: float, bonus: float = 0.0, prompts: int = 40, seed: int = 0) -> tuple[Any, Any]:
    """Fidelity grows and diversity falls along strength x pace, prompt by prompt; `bonus` is diversity at equal fidelity."""
    level_P1 = np.random.default_rng(seed).uniform(-0.1, 0.1, (prompts, 1))
    fidelity_PS = 1 - np.exp(-STRENGTHS * pace)[None, :] + level_P1
    return fidelity_PS, 2 - 1.5 * (fidelity_PS - level_P1) + 0.3 * level_P1 + bonus


def compared(first: tuple[Any, Any], second: tuple[Any, Any]) -> Any:
    fidelity_APS, measure_APS = (np.stack(pair) for pair in zip(first, second, strict=True))
    level_L = levels(fidelity_APS, 4)
    found = matched(fidelity_APS, {"distance": measure_APS}, np.stack([STRENGTHS, STRENGTHS]), level_L)
    return found, (found.measure_APL["distance"][1] - found.measure_APL["distance"][0]).mean(axis=0)


def test_a_guide_that_is_twice_as_strong_is_alike_at_matched_fidelity() -> None:
    found, apart_L = compared(arm(0.5), arm(1.0))
    np.testing.assert_allclose(apart_L, 0, atol=1e-3)
    np.testing.assert_allclose(found.strength_AL[0], 2 * found.strength_AL[1], rtol=2e-2)
    assert abs(arm(0.5)[1][:, 10].mean() - arm(1.0)[1][:, 10].mean()) > 0.3, "at one strength they seem different"


def test_a_real_difference_is_found_whatever_the_strengths() -> None:
    for pace in (0.5, 1.0, 1.7):
        np.testing.assert_allclose(compared(arm(0.8), arm(pace, bonus=0.2))[1], 0.2, atol=2e-3)


def test_prompts_are_adjusted_for_their_own_fidelity() -> None:
    """What a prompt's fidelity is above the level is taken back by the slope of the mean curve; the mean stays."""
    found, _ = compared(arm(0.8), arm(0.8))
    own = found.measure_APL["distance"][0]
    fidelity_PS, measure_PS = arm(0.8)
    level_P = fidelity_PS[:, 0] - fidelity_PS[:, 0].mean()
    expected = np.polyval([1.8], level_P)[:, None] * level_P[:, None]
    np.testing.assert_allclose(own - own.mean(axis=0), np.broadcast_to(expected, own.shape), atol=1e-6)
    assert own.mean(axis=0)[0] == pytest.approx(np.interp(found.level_L[0], fidelity_PS.mean(axis=0), measure_PS.mean(axis=0)))


def test_levels_are_evenly_inside_what_all_arms_reach() -> None:
    fidelity_APS = np.array([[[0.1, 0.9, 0.5]], [[0.3, 0.6, 0.7]]])
    np.testing.assert_allclose(levels(fidelity_APS, 3), [0.4, 0.5, 0.6])
    with pytest.raises(UserError, match="no fidelity is reached by every arm"):
        levels(np.array([[[0.1, 0.2]], [[0.3, 0.6]]]), 3)


def test_the_first_rise_through_a_level_counts() -> None:
    assert crossing(np.array([0.0, 1.0, 0.2, 1.0]), 0.5) == (0, 0.5)
    with pytest.raises(UserError, match=r"fidelity 2\.000 is not reached"):
        crossing(np.array([0.0, 1.0]), 2.0)
