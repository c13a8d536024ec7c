"""Spaces whose holes are known, landmarks that cover, and seeds that agree."""

from typing import Any

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from tda.errors import UserError
from tda.geometry.homology import persistence, persistence_stability


def circle(n: int = 400, dim: int = 6, noise: float = 0.02, seed: int = 0) -> Any:
    """A great circle of the sphere, thickened."""
    rng = np.random.default_rng(seed)
    angle_N = rng.uniform(0, 2 * np.pi, n)
    x_ND = noise * rng.standard_normal((n, dim))
    x_ND[:, 0] += np.cos(angle_N)
    x_ND[:, 1] += np.sin(angle_N)
    return x_ND


@pytest.mark.parametrize("choice", ["farthest", "random"])
def test_a_circle_has_one_loop(choice: str) -> None:
    """In a great circle it dies where the Rips complex fills it: three points a third of the circle apart, 2π / 3 by angle."""
    found = persistence(circle(), 80, choice=choice)
    loops = found.metrics()["h1"]
    assert loops["longest"] > 5 * max(loops["second_longest"], 0.05)
    assert found.diagrams[1].points_P2[0, 1] == pytest.approx(2 * np.pi / 3, abs=0.2)
    chord = persistence(circle(), 80, choice=choice, metric="chord")
    np.testing.assert_allclose(chord.diagrams[1].points_P2[0], 2 * np.sin(found.diagrams[1].points_P2[0] / 2), atol=1e-5)


def test_components_are_the_minimum_spanning_tree() -> None:
    x_ND = np.random.default_rng(0).standard_normal((60, 5))
    x_ND /= np.linalg.norm(x_ND, axis=1, keepdims=True)
    found = persistence(x_ND, 60, metric="chord")
    np.testing.assert_allclose(found.diagrams[0].points_P2[:, 1], linkage(x_ND, "single")[::-1, 2], atol=1e-6)
    assert found.metrics()["h0"]["features"] == 59
    assert found.cover == 0


def test_two_clusters_are_two_components_for_long() -> None:
    rng = np.random.default_rng(0)
    x_ND = np.repeat([[1.0, 0, 0], [0, 1, 0]], 100, axis=0) + 0.03 * rng.standard_normal((200, 3))
    found = persistence(x_ND, 50)
    longest, second = found.diagrams[0].lifetimes[:2]
    assert longest == pytest.approx(np.pi / 2, abs=0.25)
    assert second < 0.2
    assert found.diagrams[0].betti_T[0] == 50
    assert found.diagrams[0].betti_T[64] == 2
    assert found.diagrams[0].betti_T[-1] == 1


def test_farthest_landmarks_cover_better_than_random_ones() -> None:
    x_ND = np.random.default_rng(0).standard_normal((2000, 3))
    farthest, random = persistence(x_ND, 100, max_degree=0), persistence(x_ND, 100, choice="random", max_degree=0)
    assert farthest.cover < 0.7 * random.cover
    assert len(set(farthest.landmarks.tolist())) == len(set(random.landmarks.tolist())) == 100


def test_same_seed_same_diagram_and_spread_over_seeds() -> None:
    one, again = persistence(circle(), 60, seed=3), persistence(circle(), 60, seed=3)
    np.testing.assert_array_equal(one.diagrams[1].points_P2, again.diagrams[1].points_P2)
    spread = persistence_stability(circle(), 60, seeds=4)
    assert spread["h1"]["longest"]["std"] < 0.1 * spread["h1"]["longest"]["mean"]
    assert (spread["seeds"], spread["landmarks"]) == (4, 60)


def test_copies_and_length_of_rows_change_nothing() -> None:
    x_ND = circle(100)
    one = persistence(x_ND, 40)
    for other in (np.concatenate([x_ND, x_ND, x_ND[:5]]), 2 * x_ND):
        np.testing.assert_allclose(persistence(other, 40).diagrams[0].points_P2, one.diagrams[0].points_P2, atol=1e-6)


@pytest.mark.parametrize("x_ND", [np.ones((20, 4)), np.ones((1, 3))], ids=["all equal", "one row"])
def test_one_point_has_no_features(x_ND: Any) -> None:
    found = persistence(x_ND, 10)
    summary = found.metrics()
    assert (summary["h0"]["features"], summary["h1"]["features"], summary["landmarks"], found.cover) == (0, 0, 1, 0)
    assert "1 distinct rows are too few for 10 landmarks: all are used" in found.notes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"choice": "grid"}, "choose one of: farthest, random"),
        ({"metric": "cosine"}, "choose one of: geodesic, chord"),
        ({"max_degree": 2}, "max_degree=2"),
        ({"landmarks": 6000}, "landmarks=6000"),
        ({"landmarks": 0}, "landmarks=0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        persistence(np.eye(3), **options)


def test_bad_rows_are_named() -> None:
    with pytest.raises(UserError, match="row 1 has norm nan"):
        persistence(np.asarray([[1.0, 0], [np.nan, 1]]))
    with pytest.raises(UserError, match="row 1 has norm 0"):
        persistence(np.asarray([[1.0, 0], [0, 0]]))
    with pytest.raises(UserError, match=r"\(N, D\)"):
        persistence(np.empty((0, 3)))
    with pytest.raises(UserError, match="seeds=1"):
        persistence_stability(np.eye(3), seeds=1)
