"""Fig. 3: ridges have the heights of the planted histograms."""

from typing import Any

import numpy as np
import pytest
from drawn_axes import SPECS, cell_of, drawn, run_of, texts

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell, Run
from tda.report.drawing.style import MUTED, model_styles

FIG03 = SPECS["fig03"]
HEIGHT = 0.82


def _cell(encoder: str, pair: Any, random: Any, dataset: str = "d", means: tuple[float, float] | None = None) -> Cell:
    edges = np.linspace(-1, 1, len(pair) + 1)
    columns = {
        "kind": np.repeat(["pair", "random"], len(pair)),
        "left": np.tile(edges[:-1], 2),
        "right": np.tile(edges[1:], 2),
        "count": np.concatenate([pair, random]),
    }
    cosine = {kind: {"mean": mean} for kind, mean in zip(("pair", "random"), means, strict=True)} if means else {}
    return cell_of(encoder, dataset, {"cosine": columns}, cosine=cosine)


def _run(*cells: Cell) -> Run:
    return run_of(*cells, config=ReportConfig(models={"a": "CLIP"}))


FOUR = ([0, 0, 1, 3], [2, 2, 0, 0])  # in bins of width 1/2: densities (0, 0, 0.5, 1.5) and (1, 1, 0, 0)


def test_ridges_stand_one_apart_with_the_first_model_on_top() -> None:
    run = _run(_cell("a", *FOUR, means=(0.7, -0.5)), _cell("b", [0, 4, 0, 0], [4, 0, 0, 0]))
    axes = drawn(FIG03.panels(run)[0])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a (CLIP)\n0.700 / −0.500"]
    heights = [patch.get_data().values for patch in axes.patches]
    edges = [patch.get_data().edges for patch in axes.patches]
    tallest = 2.0  # b's only bin
    np.testing.assert_allclose(heights[0], np.array([2.0, 0, 0, 0]) / tallest * HEIGHT)
    np.testing.assert_allclose(heights[4], 1 + np.array([1, 1, 0, 0]) / tallest * HEIGHT)
    np.testing.assert_allclose(heights[6], 1 + np.array([0, 0, 0.5, 1.5]) / tallest * HEIGHT)
    np.testing.assert_allclose(heights[7], [np.nan, np.nan, *(1 + np.array([0.5, 1.5]) / tallest * HEIGHT)])
    np.testing.assert_allclose(edges[6], np.linspace(-1, 1, 5))


def test_random_pairs_are_grey_and_true_pairs_have_the_models_color() -> None:
    from matplotlib.colors import to_hex

    run = _run(_cell("x", *FOUR), _cell("a", *FOUR))
    colors = [to_hex(patch.get_edgecolor()) for patch in drawn(FIG03.panels(run)[0]).patches[1::2]]
    styles = model_styles(run.encoders, run.config)
    assert colors == [MUTED, styles["a"].color, MUTED, styles["x"].color]


def test_a_tick_under_the_ridge_marks_each_mean() -> None:
    axes = drawn(FIG03.panels(_run(_cell("a", *FOUR, means=(0.7, -0.5))))[0])
    ticks = [line for line in axes.lines if list(line.get_ydata()) == [0, -0.05]]
    assert [list(line.get_xdata()) for line in ticks] == [[-0.5, -0.5], [0.7, 0.7]]
    assert len(drawn(FIG03.panels(_run(_cell("a", *FOUR)))[0]).lines) == 1  # the base line alone


def test_few_pairs_get_wider_bins_of_the_same_area() -> None:
    pair = np.zeros(200)
    pair[100:120] = 1  # 20 pairs in 20 bins: at most 4 · 20^(1/3) = 10.9 bins may be occupied
    axes = drawn(FIG03.panels(_run(_cell("a", pair, pair[::-1])))[0])
    data = axes.patches[3].get_data()
    np.testing.assert_allclose(data.edges, np.linspace(-1, 1, 101))
    assert np.isfinite(data.values).sum() == 10
    many = drawn(FIG03.panels(_run(_cell("a", pair * 1000, pair[::-1])))[0])
    assert len(many.patches[3].get_data().values) == 200


def test_all_data_sets_share_the_occupied_range() -> None:
    run = _run(_cell("a", [0, 0, 5, 0], [0, 0, 5, 0]), _cell("a", [0, 5, 0, 0], [0, 5, 0, 0], dataset="f"))
    panels = FIG03.panels(run)
    assert [panel.title for panel in panels] == ["d", "f"]
    for panel in panels:
        assert drawn(panel).get_xlim() == pytest.approx((-0.53, 0.53))


def test_the_two_kinds_are_named_at_their_peaks() -> None:
    axes = drawn(FIG03.panels(_run(_cell("a", *FOUR)))[0])
    assert texts(axes) == ["random", "pair"]
    assert [note.xy for note in axes.texts] == [pytest.approx((-0.75, 2 / 3 * HEIGHT)), pytest.approx((0.75, HEIGHT))]
    assert [note.get_ha() for note in axes.texts] == ["center", "center"]


def test_names_of_peaks_in_one_place_step_aside() -> None:
    notes = drawn(FIG03.panels(_run(_cell("a", [0, 3, 0, 0], [1, 3, 1, 1])))[0]).texts
    assert sorted(note.get_ha() for note in notes) == ["left", "right"]


def test_the_axis_names_the_modalities_and_cells_without_counts_are_left_out() -> None:
    cell = _cell("a", *FOUR)
    cell.metrics["modalities"] = ["audio", "text"]
    (panel,) = FIG03.panels(_run(cell, cell_of("b"), cell_of("b", "f")))
    axes = drawn(panel)
    assert axes.get_xlabel() == "cosine of audio and text"
    assert len(axes.get_yticks()) == 1
    assert axes.get_ylim() == (-0.3, 1.05)
