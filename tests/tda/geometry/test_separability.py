"""The linear SVM: protocol, scores, and determinism."""

from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry import separability


def drawn(n: int, gap: float, seed: int = 0, dim: int = 10) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    image_ND = rng.standard_normal((n, dim))
    text_ND = image_ND + 0.3 * rng.standard_normal((n, dim))
    text_ND[:, 0] += gap
    return tuple(x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image_ND, text_ND))


def test_scores_count_texts_as_positive() -> None:
    plane = separability.Plane(np.array([1.0]), 0.0)
    found = plane.score(np.array([[-1.0], [-1], [-1], [1]]), np.array([[1.0], [1], [-1], [-1]]))
    assert (found.accuracy, found.precision, found.recall) == (5 / 8, 2 / 3, 1 / 2)
    none = plane.score(np.array([[-1.0]]), np.array([[-1.0]]))
    assert (none.accuracy, none.precision, none.recall) == (0.5, 0.0, 0.0)


def test_minimum_of_the_objective() -> None:
    """The gradient of ½(‖w‖² + b²) + C Σ max(0, 1 - margin)² vanishes."""
    image_ND, text_ND = drawn(300, 0.5)
    for c in (0.1, 1.0, 100.0):
        plane = separability.linear_svm(image_ND, text_ND, c)
        z_SD = np.concatenate([image_ND, text_ND])
        sign_S = np.repeat([-1.0, 1.0], 300)
        slack_S = np.maximum(0, 1 - sign_S * plane.decision(z_SD))
        gradient = np.r_[plane.weight_D - 2 * c * (slack_S * sign_S) @ z_SD, plane.bias - 2 * c * (slack_S * sign_S).sum()]
        assert np.abs(gradient).max() < 1e-5 * max(1, c)


def test_held_out_pairs_are_not_fitted() -> None:
    """The sign of the modality differs between the two halves: a fit on the wrong half, or on all rows, would score differently."""
    image_ND, text_ND = np.zeros((40, 2)), np.zeros((40, 2))
    image_ND[:20, 0], text_ND[:20, 0] = -1, 1
    image_ND[20:, 0], text_ND[20:, 0] = 1, -1
    found = separability.metrics(image_ND, text_ND)
    assert found["heldout"] == {"accuracy": 0.0, "precision": 0.0, "recall": 0.0}
    assert found["train"]["accuracy"] == 0.5


def test_an_odd_count_leaves_the_middle_pair_to_the_scoring() -> None:
    image_ND, text_ND = drawn(5, 9.0)
    assert separability.heldout(image_ND, text_ND).accuracy == 1.0
    assert separability.metrics(*drawn(2, 9.0))["pairs_used"] == 2


def test_transfer_scores_the_classifier_of_all_rows() -> None:
    image_ND, text_ND = drawn(200, 1.0)
    other = drawn(100, 0.2, seed=1)
    found = separability.metrics(image_ND, text_ND, {"coco": other, "itself": (image_ND, text_ND)})
    assert found["transfer"]["coco"] == vars(separability.linear_svm(image_ND, text_ND).score(*other))
    assert found["transfer"]["itself"] == pytest.approx(found["train"])
    assert found["train"]["accuracy"] > found["transfer"]["coco"]["accuracy"]


def test_again_is_the_same_to_the_last_bit() -> None:
    one, other = (separability.linear_svm(*drawn(300, 0.3)) for _ in range(2))
    np.testing.assert_array_equal(one.weight_D, other.weight_D)
    assert one.bias == other.bias


def test_two_components_equal_those_of_svd() -> None:
    image_ND, text_ND = drawn(150, 0.8)
    image_N2, text_N2, explained = separability.principal_plane(image_ND, text_ND)
    z_SD = np.concatenate([image_ND, text_ND])
    u, s, _ = np.linalg.svd(z_SD - z_SD.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(np.concatenate([image_N2, text_N2])), np.abs(u[:, :2] * s[:2]), atol=1e-10)
    assert explained == pytest.approx(s[:2] ** 2 / (s**2).sum())


def test_degenerate_rows_have_an_answer() -> None:
    same = np.ones((30, 4))
    found = separability.metrics(same, same)
    assert (found["train"]["accuracy"], found["heldout"]["accuracy"], found["pca2"]) == (
        0.5,
        0.5,
        {"accuracy": 0.5, "explained": [0.0, 0.0]},
    )
    one_dim = separability.metrics(np.ones((6, 1)), -np.ones((6, 1)))
    assert one_dim["train"]["accuracy"] == one_dim["pca2"]["accuracy"] == 1.0


def test_refusals() -> None:
    image_ND, text_ND = drawn(30, 1.0)
    with pytest.raises(UserError, match="a classifier of 10 dimensions cannot score rows of 12"):
        separability.metrics(image_ND, text_ND, {"coco": drawn(30, 1.0, dim=12)})
    with pytest.raises(UserError, match=r"1 pair\(s\)"):
        separability.metrics(image_ND[:1], text_ND[:1])
    image_ND[4] = np.nan
    with pytest.raises(UserError, match="image: row 4"):
        separability.metrics(image_ND, text_ND)
