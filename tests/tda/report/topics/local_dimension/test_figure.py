"""Fig. 15: discs at the planted clusters, correlations and intervals at the planted numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_axes import SPECS, cell_of, drawn, run_of
from matplotlib.collections import PathCollection
from planted_report import CONFIG, plant_cell

from tda.report.data.load import Cell, load_run
from tda.report.drawing.figure import panel_svg
from tda.report.drawing.style import MUTED, model_styles
from tda.report.topics.local_dimension.figure import associations, clusters, fit, top1_of

FIG15, FOREST = SPECS["fig15"], SPECS["fig15_correlations"]
ROWS: list[dict[str, Any]] = [
    {"auc": 0.2, "effective_rank": 5.0, "top1": 0.5, "size": 10},
    {"auc": 0.4, "effective_rank": 9.0, "top1": 0.9, "size": 40},
]
FOUND = {
    "spearman": 0.6,
    "partial_spearman_given_size": -0.2,
    "ci95": {"spearman": [0.4, 0.7], "partial_spearman_given_size": [-0.5, 0.1]},
}


def _cell(encoder: str = "e", rows: Any = None, **metrics: Any) -> Cell:
    return cell_of(encoder, per_cluster=ROWS if rows is None else rows, **metrics)


def test_clusters_without_numbers_are_left_out() -> None:
    rows: list[dict[str, Any]] = [
        {"auc": 0.3, "top1": 0.5, "size": 20},
        {"auc": None, "top1": 0.5, "size": 20},
        {"auc": 0.4, "top1_image_to_text": 0.2, "top1_text_to_image": 0.4, "size": 9},
        {"auc": 0.4, "top1_image_to_text": None, "top1_text_to_image": None, "size": 9},
    ]
    np.testing.assert_allclose(clusters(_cell(rows=rows), "auc"), [[0.3, 0.4], [0.5, 0.3], [20, 9]])
    assert clusters(cell_of(), "auc").shape == (3, 0)


def test_top1_of_both_directions_is_stored_or_their_mean() -> None:
    both = {"top1_image_to_text": 0.2, "top1_text_to_image": 0.4}
    assert top1_of({"top1": 0.0, **both}) == 0.0
    assert top1_of(both) == pytest.approx(0.3)
    assert top1_of({"top1_text_to_image": 0.4}) == 0.4
    assert top1_of({}) is None


def test_a_disc_a_cluster_with_an_area_of_its_size() -> None:
    axes = drawn(FIG15.panels(run_of(_cell()))[0])
    (discs,) = [one for one in axes.collections if isinstance(one, PathCollection)]
    np.testing.assert_allclose(discs.get_offsets(), [[0.4, 0.9], [0.2, 0.5]])  # small ones are drawn last
    np.testing.assert_allclose(discs.get_sizes(), [60, 6 + 54 * 10 / 40])


def test_the_legend_has_the_sizes_of_discs() -> None:
    legend = drawn(FIG15.panels(run_of(_cell()))[0]).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["4 rows", "40 rows"]
    assert [line.get_markersize() ** 2 for line in legend.get_lines()] == pytest.approx([6 + 54 * 4 / 40, 60])


def test_the_fit_is_least_squares_with_its_interval() -> None:
    from scipy.stats import linregress, t

    rng = np.random.default_rng(0)
    x_K = rng.uniform(0.2, 0.9, 30)
    y_K = 0.3 + 0.5 * x_K + rng.normal(0, 0.05, 30)
    found = fit(x_K, y_K)
    assert found is not None
    x_P, y_P, half_P = found
    line = linregress(x_K, y_K)
    np.testing.assert_allclose(y_P, line.intercept + line.slope * x_P)
    # at x = 0 of a shifted axis the interval is that of the intercept
    at = linregress(x_K - x_P[0], y_K)
    assert half_P[0] == pytest.approx(t.ppf(0.975, 28) * at.intercept_stderr)
    assert fit(x_K[:3], y_K[:3]) is None
    assert fit(np.full(9, 0.5), y_K[:9]) is None


def test_panels_share_range_and_scale() -> None:
    run = run_of(_cell("a"), _cell("b", [{"auc": 0.7, "top1": 0.1, "size": 80}]))
    sizes = []
    for panel in FIG15.panels(run):
        axes = drawn(panel)
        assert axes.get_xlim() == pytest.approx((0.2 - 0.03, 0.7 + 0.03))
        assert axes.get_ylim() == (-0.03, 1.03)
        sizes.append(axes.collections[0].get_sizes().max())
    assert sizes == pytest.approx([6 + 54 * 40 / 80, 60])


@pytest.mark.parametrize(
    ("figure", "label", "values"), [("fig15", "area under the curve", [0.4, 0.2]), ("fig15_by_rank", "effective rank", [9, 5])]
)
def test_each_figure_has_its_dimension(figure: str, label: str, values: list[float]) -> None:
    axes = drawn(SPECS[figure].panels(run_of(_cell()))[0])
    assert (axes.get_xlabel(), axes.get_ylabel()) == (label, "top-1")
    assert axes.collections[0].get_offsets()[:, 0].tolist() == values


def test_correlations_of_auc_are_over_both_directions_and_of_another_from_the_first() -> None:
    by = {"effective_rank": {"image_to_text": {"spearman": 0.1}, "text_to_image": {"spearman": 0.2}}}
    part = {"spearman": 0.5, "by": by}
    assert associations(part, "auc") == part
    assert associations(part, "effective_rank") == {"spearman": 0.1}
    assert associations({}, "auc") is None
    assert associations({"by": None}, "effective_rank") is None


def _forest(*cells: Cell, **parts: Any) -> Any:
    return drawn(FOREST.panels(run_of(*cells, config=CONFIG, **parts))[0])


def test_a_row_of_the_forest_has_both_correlations_and_their_intervals() -> None:
    axes = _forest(_cell("toy_cloob", local_dimension=FOUND))
    color = model_styles(["toy_cloob"], CONFIG)["toy_cloob"].color
    zero, plain_line, plain, given_line, given = axes.lines
    assert zero.get_xdata() == [0, 0]
    assert plain_line.get_xydata().tolist() == [[0.4, 0.16], [0.7, 0.16]]
    assert given_line.get_xydata().tolist() == [[-0.5, -0.16], [0.1, -0.16]]
    assert (plain.get_xydata().tolist(), given.get_xydata().tolist()) == ([[0.6, 0.16]], [[-0.2, -0.16]])
    assert (plain.get_markerfacecolor(), given.get_markerfacecolor()) == ("none", color)
    assert axes.get_xlabel() == "rank correlation: ○ plain, ● given size"
    assert axes.get_xlim() == (-1.05, 1.05)


def test_models_stand_in_order_from_above_and_all_pooled_last() -> None:
    cells = [_cell("toy_infonce", local_dimension=FOUND), _cell("toy_cloob", local_dimension=FOUND | {"spearman": 0.1})]
    axes = _forest(*cells, comparisons={"d": {"pooled": {"spearman": 0.3}}})
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all models", "toy_cloob (CLOOB)", "toy_infonce (CLIP)"]
    points = {line.get_ydata()[0]: line for line in axes.lines if line.get_marker() == "o"}
    assert points[0.16].get_xdata() == [0.3]
    assert points[0.16].get_markeredgecolor() == MUTED
    assert points[1.16].get_xdata() == [0.1]
    assert -0.16 not in points  # what is unknown is not drawn
    assert axes.get_ylim() == (-0.6, 2.6)


def test_a_correlation_without_interval_is_a_point_alone() -> None:
    axes = _forest(_cell("toy_cloob", local_dimension={"spearman": 0.6}))
    assert [line.get_marker() for line in axes.lines[1:]] == ["o"]


def test_one_cluster_and_no_correlation_draw(tmp_path: Path) -> None:
    row = {"id": 0, "size": 40, "images": 20, "texts": 20, "auc": 0.3, "effective_rank": 5.0, "top1": 0.5}
    none = {"pearson": None, "spearman": None, "partial_spearman_given_size": None, "ci95": {}, "n_clusters": 1, "notes": ["too few"]}
    plant_cell(tmp_path, "d", "toy_cloob", metrics={"per_cluster": [row], "local_dimension": none})
    run = load_run(str(tmp_path), CONFIG)
    (panel,) = FIG15.panels(run)
    assert panel_svg(panel, FIG15, "p")
    assert FOREST.panels(run) == []
    assert "too few, or too alike" in FIG15.sentence(run)[0]


def test_what_was_not_measured_is_not_drawn_and_named() -> None:
    run = run_of(cell_of("toy_cloob"), config=CONFIG)
    assert FIG15.panels(run) == FOREST.panels(run) == []
    assert FIG15.missing(run)[0].startswith("d, toy_cloob: per_cluster in metrics.json is missing; ")
