"""Colours that everybody can tell apart, and one style a model."""

import itertools

import numpy as np
import pytest

from tda.config.stages import ReportConfig
from tda.report.drawing.style import _SLOTS, INK, MODALITIES, MUTED, model_styles, spread

LIGHT, DARK = "#ffffff", "#14171b"
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
BLINDNESS = {
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
COLORS = sorted({style.color for style in (*_SLOTS, *MODALITIES.values())} - {INK})


def _linear(color: str) -> np.ndarray:
    srgb = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(linear, 0, 1)
    ratio = xyz / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _contrast(one: str, other: str) -> float:
    low, high = sorted(float(np.dot([0.2126, 0.7152, 0.0722], _linear(color))) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("color", [*COLORS, MUTED])
def test_colors_show_on_the_light_and_the_dark_page(color: str) -> None:
    assert min(_contrast(color, LIGHT), _contrast(color, DARK)) >= 3  # WCAG 1.4.11: graphical objects


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_modalities_differ_under_color_blindness(blindness: str) -> None:
    image, text = (_lab(np.array(BLINDNESS[blindness]) @ _linear(style.color)) for style in MODALITIES.values())
    assert np.linalg.norm(image - text) > 40
    assert len({style.marker for style in MODALITIES.values()}) == 2


def test_no_two_models_share_color_and_line() -> None:
    assert len({(style.color, style.dashes) for style in _SLOTS}) == len(_SLOTS)
    assert not {style.color for style in _SLOTS} & {style.color for style in MODALITIES.values()}


def test_models_of_one_line_style_differ_in_color_under_blindness() -> None:
    for one, other in itertools.combinations(_SLOTS[:4], 2):
        assert one.dashes != other.dashes


def test_roles_have_the_same_style_in_any_company() -> None:
    config = ReportConfig(models={"a": "CLIP", "b": "CLOOB"}, ablation={"c": "InfoLOOB", "d": "InfoNCE"})
    alone, together = model_styles(["b"], config), model_styles(["a", "b", "c", "d", "other"], config)
    assert alone["b"] == together["b"]
    assert len({(style.color, style.dashes) for style in together.values()}) == 5
    assert together["a"].color == INK


def test_twelve_models_differ_in_color_and_dashes_and_each_in_its_marker() -> None:
    styles = list(model_styles([f"m{i}" for i in range(12)], ReportConfig(models={"m3": "CLIP"})).values())
    assert len({(style.color, style.dashes) for style in styles}) == len({style.marker for style in styles}) == 12
    assert len({style.glyph for style in styles}) == 12
    assert not {style.marker for style in styles} & {style.marker for style in MODALITIES.values()}


def test_a_line_is_marked_at_a_few_points() -> None:
    start, every = model_styles(["m"], ReportConfig())["m"].marked(60)["markevery"]
    assert (start, every) == (5, 10)
    assert model_styles(["m"], ReportConfig())["m"].marked(2)["markevery"] == (0, 1)


def test_more_models_than_styles_still_draw() -> None:
    assert len(model_styles([f"m{i}" for i in range(11)], ReportConfig())) == 11


def test_labels_move_apart_and_no_further_than_they_must() -> None:
    moved = spread([0.5, 0.5, 0.1, 0.52], 0.1)
    assert moved[2] == 0.1
    assert np.diff(sorted(moved)).min() >= 0.1 - 1e-12
    assert abs(np.mean([moved[i] for i in (0, 1, 3)]) - np.mean([0.5, 0.5, 0.52])) < 1e-12
    assert spread([], 0.1) == []
