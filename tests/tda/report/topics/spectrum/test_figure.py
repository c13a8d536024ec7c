"""Figs 10 to 12: spectra as lines, what is under the noise floor as circles, a collapse as a wedge."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_axes import SPECS, cell_of, drawn, run_of, texts
from planted_files import write
from planted_report import CONFIG, plant_cell

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell, load_run
from tda.report.drawing.figure import panel_svg
from tda.report.drawing.style import MUTED, model_styles

FIG10 = SPECS["fig10"]
VALUES = [1.0, 0.1, 0.01, 1e-5, 1e-6]
FLOOR = 1e-4


def _cell(encoder: str = "e", values: Any = VALUES, floor: float = FLOOR, modality: str = "image", **metrics: Any) -> Cell:
    n = len(values)
    columns = {"modality": [modality] * n, "index": np.arange(n), "singular_value": values, "floor": [floor] * n}
    return cell_of(encoder, parquet={"spectra": columns}, **metrics)


def _axes(*cells: Cell, config: ReportConfig | None = None) -> Any:
    return drawn(FIG10.panels(run_of(*cells, config=config))[0])


def test_the_line_ends_at_the_floor_and_circles_go_on() -> None:
    axes = _axes(_cell())
    line, circles = axes.lines[:2]
    assert line.get_xydata().tolist() == [[1, 1.0], [2, 0.1], [3, 0.01]]
    np.testing.assert_allclose(circles.get_xydata(), [[4, 1e-5], [5, 1e-5]])  # nothing is drawn below a tenth of the floor
    assert (circles.get_marker(), circles.get_linestyle(), circles.get_markerfacecolor()) == ("o", "None", "none")
    assert (axes.get_yscale(), axes.get_xlim(), axes.get_xlabel(), axes.get_ylabel()) == ("log", (0, 6), "index", "singular value")
    assert axes.get_ylim() == pytest.approx((FLOOR / 10 / 1.5, 1.6))


def test_a_wedge_marks_the_first_collapsed_value() -> None:
    wedge = [line for line in _axes(_cell(spectrum={"image": {"collapse_index": 3}})).lines if line.get_marker() == "v"]
    np.testing.assert_allclose([one.get_xydata()[0] for one in wedge], [[4, 1e-5]])
    for index in (5, None):
        assert not [line for line in _axes(_cell(spectrum={"image": {"collapse_index": index}})).lines if line.get_marker() == "v"]


def test_a_band_and_lines_show_the_floors() -> None:
    axes = _axes(_cell("a"), _cell("b", floor=3e-4))
    levels = {line.get_ydata()[0] for line in axes.lines if line.get_color() == MUTED and list(line.get_xdata()) == [0, 1]}
    assert levels == {FLOOR, 3e-4}
    (band,) = axes.patches
    assert band.get_y() + band.get_height() == pytest.approx(3e-4)
    assert "noise floor" in texts(axes)


def test_a_floor_far_below_is_named_and_none_is_not() -> None:
    axes = _axes(_cell(values=[1.0, 0.5], floor=1e-9))
    assert "noise floor 10⁻⁹, under the frame" in texts(axes)
    assert not axes.patches
    assert axes.get_ylim()[0] == pytest.approx(0.5 / 3 / 1.5)
    assert not any("floor" in text for text in texts(_axes(_cell(floor=0.0))))


def test_names_stand_beside_the_ends_in_the_models_styles() -> None:
    config = ReportConfig(models={"b": "CLOOB"})
    axes = _axes(_cell("a"), _cell("b"), config=config)
    names = [note for note in axes.texts if note.get_text() != "noise floor"]
    assert [note.get_text() for note in names] == ["a", "b (CLOOB)"]
    places = [note.get_position() for note in names]
    assert abs(places[0][1] - places[1][1]) == pytest.approx(0.085)  # equal ends are moved apart
    styles = model_styles(["a", "b"], config)
    keys = [line for line in axes.lines if list(line.get_xdata()) == [1.04, 1.085, 1.13]]
    assert [line.get_color() for line in keys] == [styles["a"].color, styles["b"].color]
    assert [line.get_ydata()[0] for line in keys] == [y for _, y in places]


def test_each_figure_draws_its_modality() -> None:
    run = run_of(_cell("a", modality="both"), cell_of("b"))
    assert [len(SPECS[name].panels(run)) for name in ("fig10", "fig11", "fig12")] == [0, 0, 1]
    assert SPECS["fig12"].panels(run)[0].title == "d"
    assert FIG10.missing(run)[0].startswith("d, b: spectra.parquet is missing; ")


@pytest.mark.parametrize(
    "values",
    [
        {"singular_value": np.full(64, 1e-18), "floor": np.full(64, 1e-16)},  # all of it noise
        {"singular_value": np.append(np.ones(63), 0.0), "floor": np.zeros(64)},  # an exact zero, no floor
        {"singular_value": np.logspace(0, -9, 64), "floor": np.full(64, 1e-16)},  # the floor far below
        {"singular_value": np.logspace(0, -9, 64), "floor": np.full(64, 1e-5)},
    ],
)
def test_spectra_of_any_depth_draw(tmp_path: Path, values: dict[str, np.ndarray]) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    file = tmp_path / "analysis" / "d" / "toy_cloob" / "spectra.parquet"
    write(file, {"modality": ["image"] * 64, "index": np.arange(64), **values})
    run = load_run(str(tmp_path), CONFIG)
    svg = panel_svg(FIG10.panels(run)[0], FIG10, "p")
    assert "noise floor" in svg or not values["floor"].any()
    assert SPECS["fig11"].panels(run) == []
