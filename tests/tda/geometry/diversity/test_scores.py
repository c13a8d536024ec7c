"""Diversity of drawn images and of distributions over a pool: against definitions written anew, and closed forms."""

import itertools
from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.diversity.scores import drawn_scores, pool_scores, tilted


def rows(count: int, dim: int = 6, seed: int = 0) -> Any:
    found = np.random.default_rng(seed).standard_normal((count, dim)) + 0.5
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def entropy_exp(values: Any) -> float:
    share = values[values > 1e-15] / values[values > 1e-15].sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def test_drawn_images_by_definition() -> None:
    x = rows(30)
    kernel, off = x @ x.T, ~np.eye(30, dtype=bool)
    found = drawn_scores(x, near=0.8)
    assert found["distance"] == pytest.approx((1 - kernel)[off].mean())
    assert found["near_copies"] == pytest.approx((kernel >= 0.8)[off].mean())
    assert found["vendi"] == pytest.approx(entropy_exp(np.linalg.eigvalsh(kernel / 30)))
    assert found["effective_rank"] == pytest.approx(entropy_exp(np.linalg.eigvalsh(np.cov(x.T))))
    assert 0 < found["near_copies"] < 1


def test_a_pool_is_as_many_copies_as_its_weights() -> None:
    """Weights of k / n are n images: independent draws may be the same one, so the diagonal counts."""
    x, times = rows(12), np.random.default_rng(1).integers(0, 4, size=(5, 12))
    found = pool_scores(x, times / times.sum(axis=1, keepdims=True), near=0.8)
    for place in range(5):
        many = np.repeat(x, times[place], axis=0)
        kernel = many @ many.T
        assert found["distance"][place] == pytest.approx((1 - kernel).mean())
        assert found["near_copies"][place] == pytest.approx((kernel >= 0.8).mean(), abs=1e-6)
        assert found["vendi"][place] == pytest.approx(entropy_exp(np.linalg.eigvalsh(kernel / len(many))))
        assert found["effective_rank"][place] == pytest.approx(entropy_exp(np.linalg.eigvalsh(np.cov(many.T))))


def test_closed_forms() -> None:
    different, same = np.eye(7), np.repeat(np.eye(7)[:1], 5, axis=0)
    assert drawn_scores(different, 0.9) == pytest.approx({"distance": 1, "vendi": 7, "effective_rank": 6, "near_copies": 0})
    assert drawn_scores(same, 0.9) == pytest.approx({"distance": 0, "vendi": 1, "effective_rank": 1, "near_copies": 1})
    uniform = pool_scores(different, np.full((1, 7), 1 / 7), 0.9)
    assert {name: value[0] for name, value in uniform.items()} == pytest.approx(
        {"distance": 6 / 7, "vendi": 7, "effective_rank": 6, "near_copies": 1 / 7}, rel=1e-6
    )


def test_more_distributions_than_a_block_are_each_their_own() -> None:
    x = rows(9)
    weight = np.random.default_rng(2).dirichlet(np.ones(9), size=150)
    whole = pool_scores(x, weight, 0.9)
    for place in (0, 63, 64, 149):
        one = pool_scores(x, weight[place : place + 1], 0.9)
        assert {name: value[place] for name, value in whole.items()} == pytest.approx({name: value[0] for name, value in one.items()})


def test_the_tilt_is_exact_and_no_strength_overflows() -> None:
    cosine = np.random.default_rng(3).uniform(-1, 1, (4, 20))
    weight = tilted(cosine, 7.0)
    assert weight == pytest.approx(np.exp(7 * cosine) / np.exp(7 * cosine).sum(axis=1, keepdims=True))
    assert tilted(cosine, 0.0) == pytest.approx(1 / 20)
    strong = tilted(cosine, 1e6)
    assert (strong.argmax(axis=1) == cosine.argmax(axis=1)).all()
    assert np.isfinite(strong).all()


def test_a_stronger_tilt_follows_the_prompt_better() -> None:
    cosine = np.random.default_rng(3).uniform(-1, 1, (4, 20))
    follow = [(tilted(cosine, s) * cosine).sum(axis=1) for s in (0, 1, 5, 20)]
    assert all((later > before).all() for before, later in itertools.pairwise(follow))


@pytest.mark.parametrize(("x", "message"), [(np.ones((1, 3)), "at least 2"), (np.ones((4, 3)), "image 0 is no unit row")])
def test_bad_rows_are_named(x: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        drawn_scores(x, 0.9)
