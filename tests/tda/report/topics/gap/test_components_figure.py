"""Figs 2, 6 and 8: points and pairs stand where the planted scores put them."""

from typing import Any

import numpy as np
import pytest
from drawn_axes import SPECS, cell_of, drawn, offsets, run_of, texts
from planted_report import ARMS

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell
from tda.report.drawing.style import MODALITIES

N = 7
IMAGE = np.stack([np.linspace(-0.5, 0.1, N), np.linspace(0.3, -0.3, N)], axis=1)
TEXT = IMAGE + np.array([0.4, 0.05])
COLORS = {modality: style.color for modality, style in MODALITIES.items()}


def _cell(encoder: str = "e", scale: float = 1.0, **metrics: Any) -> Cell:
    columns = {f"{name}_pc{i + 1}": scale * points[:, i] for name, points in (("image", IMAGE), ("text", TEXT)) for i in (0, 1)}
    return cell_of(encoder, parquet={"pca": {"row": np.arange(N), **columns}}, **metrics)


def test_each_modality_is_scattered_at_its_scores() -> None:
    (panel,) = SPECS["fig02"].panels(run_of(_cell(separability={"pca2": {"accuracy": 0.914, "explained": [0.21, 0.09]}})))
    axes = drawn(panel)
    np.testing.assert_allclose(offsets(axes, COLORS["image"]), IMAGE)
    np.testing.assert_allclose(offsets(axes, COLORS["text"]), TEXT)
    assert texts(axes) == ["split 91.4%"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("PC 1 (21.0%)", "PC 2 (9.0%)")
    assert (panel.title, panel.row) == ("e", "d")


def test_what_was_not_measured_is_not_written() -> None:
    axes = drawn(SPECS["fig02"].panels(run_of(_cell()))[0])
    assert texts(axes) == []
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("PC 1", "PC 2")


@pytest.mark.parametrize("figure", ["fig02", "fig06"])
def test_all_panels_share_one_square(figure: str) -> None:
    reach = 1.04 * 2 * max(np.abs(IMAGE).max(), np.abs(TEXT).max())
    for panel in SPECS[figure].panels(run_of(_cell("small"), _cell("large", 2.0))):
        axes = drawn(panel)
        assert axes.get_xlim() == axes.get_ylim() == pytest.approx((-reach, reach))
        assert axes.get_aspect() == 1


def test_a_large_set_is_sampled_evenly_and_in_pairs() -> None:
    run = run_of(_cell(), config=ReportConfig(points=3, lines=2))
    np.testing.assert_allclose(offsets(drawn(SPECS["fig02"].panels(run)[0]), COLORS["text"]), TEXT[[0, 3, 6]])
    lines, image, text = drawn(SPECS["fig06"].panels(run)[0]).collections
    np.testing.assert_allclose(lines.get_segments(), np.stack([IMAGE, TEXT], axis=1)[[0, 6]])
    np.testing.assert_allclose(image.get_offsets(), IMAGE[[0, 6]])
    np.testing.assert_allclose(text.get_offsets(), TEXT[[0, 6]])


def test_a_line_of_one_thickness_joins_each_pair() -> None:
    lines, *_ = drawn(SPECS["fig06"].panels(run_of(_cell()))[0]).collections
    np.testing.assert_allclose(lines.get_segments(), np.stack([IMAGE, TEXT], axis=1))
    assert list(lines.get_linewidths()) == [0.5]


def test_models_with_a_role_are_joined_in_one_figure_and_mixed_arms_in_the_other() -> None:
    config = ReportConfig(models={"a": "CLIP"}, ablation={"b": "InfoLOOB", "c": "InfoNCE + Hopfield", "f": "InfoNCE"})
    run = run_of(*map(_cell, "abcf"), config=config)
    assert [panel.title for panel in SPECS["fig06"].panels(run)] == ["d\na (CLIP)"]
    assert [panel.title for panel in SPECS["fig08"].panels(run)] == ["d\nb", "d\nc"]


def test_without_roles_every_model_is_joined() -> None:
    assert len(SPECS["fig06"].panels(run_of(*map(_cell, ARMS)))) == len(ARMS)


def test_cells_without_scores_and_arms_that_are_absent_are_not_drawn() -> None:
    run = run_of(_cell("a"), cell_of("b"))
    assert [panel.title for panel in SPECS["fig02"].panels(run)] == ["a"]
    assert SPECS["fig08"].panels(run) == []
    assert "++report.ablation.ENCODER='InfoLOOB'" in SPECS["fig08"].missing(run)[0]
