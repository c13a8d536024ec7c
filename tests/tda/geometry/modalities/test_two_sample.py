"""Two-sample tests of paired modalities: brute force, levels under the null hypothesis, power, and what they refuse."""

from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from tda.errors import UserError
from tda.geometry.modalities.two_sample import mmd, own_modality


def drawn(count: int, gap: float, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    shared_MD = rng.standard_normal((count, 6))
    image_MD, text_MD = shared_MD + rng.standard_normal((2, count, 6)) * 0.5
    return image_MD, text_MD + gap


def unit(x_MD: Any) -> Any:
    return x_MD / np.linalg.norm(x_MD, axis=1, keepdims=True)


def test_mmd_is_the_sum_over_different_pairs() -> None:
    """Equation 4 of Gretton et al. 2012, written as loops, with the median of all squared distances."""
    x_MD, y_MD = map(unit, drawn(12, 0.4, 0))
    pooled_ND = np.concatenate([x_MD, y_MD])
    squared = [((a - b) ** 2).sum() for i, a in enumerate(pooled_ND) for b in pooled_ND[i + 1 :]]
    width = np.median(squared)

    def kernel(a: Any, b: Any) -> float:
        return float(np.exp(-((a - b) ** 2).sum() / width))

    terms = [
        kernel(x_MD[i], x_MD[j]) + kernel(y_MD[i], y_MD[j]) - kernel(x_MD[i], y_MD[j]) - kernel(x_MD[j], y_MD[i])
        for i in range(12)
        for j in range(12)
        if i != j
    ]
    assert mmd(x_MD, y_MD).value == pytest.approx(np.mean(terms), rel=1e-9)


def test_own_modality_is_the_share_that_scikit_learn_counts() -> None:
    x_MD, y_MD = map(unit, drawn(60, 0.5, 1))
    pooled_ND, label_N = np.concatenate([x_MD, y_MD]), np.repeat([0, 1], 60)
    near = NearestNeighbors(n_neighbors=8).fit(pooled_ND).kneighbors(pooled_ND)[1][:, 1:]
    expected = (label_N[near] == label_N[:, None]).mean()
    assert own_modality(x_MD, y_MD, 7).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("test", [mmd, lambda x, y, **options: own_modality(x, y, 5, **options)], ids=["mmd", "own_modality"])
def test_a_null_world_is_rejected_as_often_as_the_level(test: Any) -> None:
    """200 worlds in which modality means nothing: p below .05 in 5 %, within four standard errors."""
    p_values = np.array([test(*drawn(40, 0.0, seed), draws=199, seed=seed).p_value for seed in range(200)])
    assert (p_values < 0.0501).mean() == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 200))
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.09)


@pytest.mark.parametrize("test", [mmd, lambda x, y: own_modality(x, y, 5)], ids=["mmd", "own_modality"])
def test_a_gap_is_found(test: Any) -> None:
    assert test(*drawn(100, 1.5, 0)).p_value == 1 / 1000


def test_two_clouds_have_neighbours_of_their_own_alone() -> None:
    image_MD, text_MD = drawn(30, 0.0, 0)
    far_MD = np.concatenate([text_MD[:, :0], np.full((30, 6), 50.0) + text_MD], axis=1)
    assert own_modality(image_MD - 50.0, far_MD, 5).value == 1.0
    assert own_modality(image_MD, image_MD.copy(), 1).value == pytest.approx(0.0, abs=1e-12), "the nearest row is the equal partner"


def test_bad_input_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^k=80 is out of range; it must be from 1 to below 80$"):
        own_modality(*drawn(40, 0, 0), k=80)
    with pytest.raises(UserError, match="draws=0 is too small"):
        mmd(*drawn(10, 0, 0), draws=0)
    with pytest.raises(UserError):
        mmd(np.zeros((4, 2)), np.ones((4, 2)))
