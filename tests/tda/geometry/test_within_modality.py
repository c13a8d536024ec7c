"""Nearest rows within a modality: held to a plain loop, and the interval of a difference by simulation."""

from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry import within_modality as module
from tda.geometry.within_modality import paired_difference, within_modality


def captions(groups: int, noise: float, seed: int, each: int = 5, dim: int = 10) -> tuple[Any, Any]:
    """Rows about a centre for each group."""
    rng = np.random.default_rng(seed)
    group_N = np.repeat(np.arange(groups), each)
    return rng.standard_normal((groups, dim))[group_N] + noise * rng.standard_normal((len(group_N), dim)), group_N


def test_a_hit_is_a_nearest_other_row_of_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE", 17)
    x_ND, group_N = captions(20, 1.0, 0)
    group_N[3], group_N[50] = 77, 78  # alone
    found = within_modality(x_ND, group_N)
    unit_ND = x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)
    for row in range(len(x_ND)):
        cosine_N = unit_ND @ unit_ND[row]
        cosine_N[row] = -2
        wanted = np.nan if row in {3, 50} else float(group_N[cosine_N.argmax()] == group_N[row])
        np.testing.assert_equal(found[row], wanted)
    assert 0.2 < np.nanmean(found) < 1


def test_ties_count_against_the_model() -> None:
    x_ND = np.ones((6, 3))
    assert within_modality(x_ND, [0, 0, 1, 1, 2, 2]).tolist() == [0.0] * 6
    assert within_modality(x_ND, [0] * 6).tolist() == [1.0] * 6
    with pytest.raises(UserError, match="6 rows and 5 groups"):
        within_modality(x_ND, [0] * 5)


def test_a_difference_is_paired_and_by_group() -> None:
    x_ND, group_N = captions(40, 0.8, 1)
    hits_N, worse_N = (within_modality(rows_ND, group_N) for rows_ND in (x_ND, x_ND + np.random.default_rng(2).normal(size=x_ND.shape)))
    found = paired_difference(hits_N, worse_N, group_N)
    assert found is not None
    assert found["value"] == pytest.approx(hits_N.mean() - worse_N.mean())
    assert (found["one"], found["queries"]) == (pytest.approx(hits_N.mean()), 200)
    assert 0 < found["ci95"][0] < found["value"] < found["ci95"][1]
    assert paired_difference(hits_N[:55], worse_N[:55], group_N[:55]) is None, "11 groups"


@pytest.mark.long
def test_the_interval_of_a_difference_covers() -> None:
    """Groups of which one model finds all or nothing: 92 to 98 % of 400 draws of 30 groups, plus two standard errors of that count."""
    held = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        group_N = np.repeat(np.arange(30), rng.integers(2, 6, 30))
        one, other = (rng.random(len(group_N)) < rng.beta(2, odds, 30)[group_N] for odds in (1, 2))
        low, high = (paired_difference(one.astype(float), other.astype(float), group_N) or {"ci95": (1, 0)})["ci95"]
        held += low <= 2 / 3 - 1 / 2 <= high
    assert 0.92 - 0.02 <= held / 400 <= 0.98 + 0.014
