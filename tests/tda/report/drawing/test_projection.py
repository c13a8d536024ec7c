"""Mollweide's map keeps areas, and a layout is turned to be looked at without being bent."""

import numpy as np
import pytest

from tda.report.drawing import projection


def _drawn(n: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, 3))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_equal_areas_stay_equal() -> None:
    points = projection.mollweide(_drawn(200_000))
    assert ((points[:, 0] / 2) ** 2 + points[:, 1] ** 2).max() <= 1 + 1e-9
    cells, *_ = np.histogram2d(points[:, 0], points[:, 1], bins=[np.linspace(-1, 1, 11), np.linspace(-0.5, 0.5, 6)])  # inside the ellipse
    expected = 200_000 * 0.2 * 0.2 / (2 * np.pi)
    assert np.abs(cells / expected - 1).max() < 5 / np.sqrt(expected)


@pytest.mark.parametrize(
    ("unit", "place"), [((1, 0, 0), (0, 0)), ((0, 1, 0), (1, 0)), ((0, -1, 0), (-1, 0)), ((0, 0, 1), (0, 1)), ((0, 0, -1), (0, -1))]
)
def test_known_places(unit: tuple[int, ...], place: tuple[int, ...]) -> None:
    assert projection.mollweide(np.array([unit], float))[0] == pytest.approx(place, abs=1e-4)


@pytest.mark.parametrize("spot", [[1.0, 0, 0], [0, 0, 1.0], [-1.0, 0, 0]])
def test_the_frame_turns_text_to_the_right_and_the_middle_to_us(spot: list[float]) -> None:
    rng = np.random.default_rng(1)
    where = {
        name: np.asarray(spot) + rng.normal(size=(300, 3)) * 0.1 + side for name, side in (("image", [0, -0.5, 0]), ("text", [0, 0.5, 0]))
    }
    unit = {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in where.items()}
    turn_33 = projection.frame(unit)
    np.testing.assert_allclose(turn_33 @ turn_33.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn_33) == pytest.approx(1)
    image, text = ((rows @ turn_33.T).mean(axis=0) for rows in unit.values())
    assert image[1] < -0.3 < 0.3 < text[1]
    assert (image + text)[0] > 1


def test_opposite_and_equal_modalities_have_a_frame_too() -> None:
    pole = np.tile([0.0, 0, 1], (5, 1))
    for where in ({"image": pole, "text": -pole}, {"image": pole, "text": pole}):
        turn_33 = projection.frame(where)
        np.testing.assert_allclose(turn_33 @ turn_33.T, np.eye(3), atol=1e-12)


def test_the_plane_is_centred_and_a_sample_is_drawn() -> None:
    rng = np.random.default_rng(2)
    columns = {"modality": np.repeat(["image", "text"], 50), "x": rng.normal(7, 2, 100), "y": rng.normal(-3, 1, 100)}
    points = projection.on_paper(columns, most=20)
    assert not projection.on_sphere(columns)
    assert [part.shape for part in points.values()] == [(20, 2), (20, 2)]
    assert max(np.abs(part).max() for part in points.values()) <= 1
    assert np.isfinite(projection.on_paper({**columns, "x": np.zeros(100), "y": np.zeros(100)}, most=20)["text"]).all()


def test_meridians_and_parallels_stay_on_the_map() -> None:
    for line_P2 in projection.graticule():
        assert ((line_P2[:, 0] / 2) ** 2 + line_P2[:, 1] ** 2).max() <= 1 + 1e-6
