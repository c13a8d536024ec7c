"""The modality gap against its definition, and what leaves it as it is."""

from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry import gap
from tda.geometry.spectrum.moments import Moments


def drawn(n: int, dim: int = 12, gap: float = 0.5, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    image_ND = rng.standard_normal((n, dim)) + gap
    return image_ND, image_ND + rng.standard_normal((n, dim)) - 2 * gap


def unit(x_ND: Any) -> Any:
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)


def moments(image_ND: Any, text_ND: Any) -> tuple[Moments, Moments]:
    return Moments.of(unit(image_ND)), Moments.of(unit(text_ND))


def test_gap_by_its_definition() -> None:
    image_ND, text_ND = drawn(700)
    x_ND, y_ND = unit(image_ND), unit(text_ND)
    distance = np.linalg.norm(x_ND.mean(0) - y_ND.mean(0))
    spread = np.sqrt((x_ND.var(0, ddof=1).sum() + y_ND.var(0, ddof=1).sum()) / 2)
    found = gap.metrics(*moments(image_ND, text_ND))
    assert found == pytest.approx({"centroid_distance": distance, "relative": distance / spread}, abs=1e-13)


def test_a_rotation_and_a_scale_of_the_rows_leave_it_and_it_is_symmetric() -> None:
    image_ND, text_ND = drawn(300)
    turn_DD, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((12, 12)))
    image, text = moments(image_ND, text_ND)
    whole = gap.metrics(image, text)
    assert gap.metrics(*moments(image_ND @ turn_DD, text_ND @ turn_DD)) == pytest.approx(whole, abs=1e-12)
    assert gap.metrics(text, image) == whole
    scaled = Moments.of(3 * unit(image_ND)), Moments.of(3 * unit(text_ND))
    assert gap.relative_gap(*scaled) == pytest.approx(whole["relative"], abs=1e-12)
    assert gap.centroid_distance(*scaled) == pytest.approx(3 * whole["centroid_distance"], abs=1e-12)


def test_opposite_points_are_2_apart_and_the_same_rows_0() -> None:
    x_ND = np.tile([0.6, 0.8], (4, 1))
    assert gap.centroid_distance(Moments.of(x_ND), Moments.of(-x_ND)) == pytest.approx(2)
    image, _ = moments(*drawn(50))
    assert gap.metrics(image, image) == {"centroid_distance": 0, "relative": 0}


def test_equal_rows_have_no_relative_gap() -> None:
    image_ND, text_ND = np.tile([1.0, 2.0, 2.0], (50, 1)), np.tile([2.0, 1.0, 2.0], (50, 1))
    found = gap.metrics(*moments(image_ND, text_ND))
    assert found["centroid_distance"] == pytest.approx(np.sqrt(2) / 3)
    assert found["relative"] is None
    spread = Moments.of(np.eye(3)[[0, 1] * 25])
    assert gap.relative_gap(Moments.of(unit(image_ND)), spread) == pytest.approx(
        gap.centroid_distance(Moments.of(unit(image_ND)), spread) / np.sqrt(0.5 * 50 / 49 / 2)
    )


def test_one_row_has_no_spread() -> None:
    one = Moments.of(np.eye(1, 4))
    with pytest.raises(UserError, match="at least 2 rows and got 1"):
        gap.metrics(one, one)
