"""Fig. 9: drawn cases keep their known answers, and this run's models stand where their numbers put them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_axes import SPECS, cell_of, drawn, offsets, run_of, texts
from planted_report import CONFIG, plant_cell

from tda.report.data.load import Cell, load_run
from tda.report.drawing.style import INK, MODALITIES, MUTED, model_styles
from tda.report.topics.spectrum.collapse_figure import classified, example, spectrum_in

FIG09 = SPECS["fig09"]
DIM = 8
EVEN = [1 / DIM] * DIM
HALF = [0.25] * 4 + [1e-12] * 4


def _cell(values: list[float], encoder: str = "toy_cloob", collapse: int = DIM, **metrics: Any) -> Cell:
    part = {"singular_values": values, "floor": 1e-9, "collapse_index": collapse}
    return cell_of(encoder, **({"dim": DIM, "spectrum": {"image": part}} | metrics))


def _panel(place: int, *cells: Cell) -> Any:
    return drawn(FIG09.panels(run_of(*cells, config=CONFIG))[place])


@pytest.mark.parametrize("kind", ["none", "dimensional", "complete"])
def test_drawn_cases_have_their_known_answer(kind: str) -> None:
    spectrum, found = example(kind)
    assert found.kind == kind
    assert found.index == {"none": 128, "dimensional": 64}.get(kind, found.index)
    assert (float(spectrum.singular_values.sum()) < 1e-3) is (kind == "complete")


def test_a_models_collapse_is_the_classifiers(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    (cell,) = load_run(str(tmp_path), CONFIG).cells
    found = classified(cell, "image")
    assert found is not None
    assert (found.kind, found.index, found.dim) == ("dimensional", 40, 64)


def test_only_a_whole_spectrum_is_classified() -> None:
    assert classified(cell_of(), "image") is None
    assert classified(_cell([0.1, 0.05], collapse=2), "image") is None  # the largest values alone
    found = spectrum_in(_cell(HALF, collapse=4), "image")
    assert found is not None
    assert (found.singular_values.tolist(), found.collapse_index, found.floor, found.auc) == (HALF, 4, 1e-9, 0)
    assert spectrum_in(_cell(HALF), "text") is None


@pytest.mark.parametrize(("place", "line"), [(0, "all rows near one point"), (1, "all rows on one great circle")])
def test_rows_are_pictured_on_the_sphere(place: int, line: str) -> None:
    axes = _panel(place, _cell(EVEN))
    points = offsets(axes)
    assert len(points) == 220
    assert ((points[:, 0] / 2) ** 2 + points[:, 1] ** 2).max() <= 1 + 1e-9
    assert texts(axes) == [line]
    spread = np.ptp(points, axis=0)
    assert (spread.max() < 1.0) if place == 0 else (spread[0] > 2.5)
    if place == 0:
        assert np.abs(points.mean(axis=0)).max() < 0.1  # in front, in the middle


def test_spectra_are_scaled_to_one_and_end_at_their_floor() -> None:
    axes = _panel(2, _cell(EVEN), _cell(HALF, "toy_infonce", 4))
    styles = model_styles(["toy_cloob", "toy_infonce"], CONFIG)
    even, half, *cases = axes.lines
    np.testing.assert_allclose(even.get_xydata(), [[(i + 1) / DIM, 1.0] for i in range(DIM)])
    np.testing.assert_allclose(half.get_xydata(), [[(i + 1) / DIM, 2.0] for i in range(4)])
    assert [even.get_color(), half.get_color()] == [styles["toy_cloob"].color, styles["toy_infonce"].color]
    assert [line.get_color() for line in cases] == [MUTED] * 3
    dimensional = next(line for line in cases if line.get_ydata()[-1] == 1e-6)
    assert dimensional.get_xdata()[-1] == dimensional.get_xdata()[-2] == 0.5
    assert texts(axes) == ["none", "dimensional", "complete"]
    assert (axes.get_yscale(), axes.get_ylim()) == ("log", (1e-6, 60))


def test_the_map_places_each_by_share_and_variance() -> None:
    text = {"singular_values": [1e-7] * DIM, "floor": 0, "collapse_index": DIM}
    image = {"singular_values": HALF, "floor": 1e-9, "collapse_index": 4}
    axes = _panel(3, _cell(EVEN, spectrum={"image": image, "text": text}))
    squares = [line for line in axes.lines if line.get_marker() == "s"]
    places = {tuple(line.get_xydata()[0].round(2)) for line in squares}
    assert {(1.0, 1.0), (0.5, 1.0)} <= places
    assert len(squares) == 3
    first, second = (line for line in axes.lines if line.get_marker() != "s")
    assert [first.get_marker(), second.get_marker()] == [style.marker for style in MODALITIES.values()]
    np.testing.assert_allclose(first.get_xydata(), [[0.5, 1.0]])
    np.testing.assert_allclose(second.get_xydata(), [[1.0, 2e-5]])  # held inside the frame
    assert texts(axes) == ["complete", "dimensional", "none"]
    assert {note.get_color() for note in axes.texts} == {INK}


def test_four_panels_and_what_is_missing() -> None:
    run = run_of(cell_of("toy_cloob"), config=CONFIG)
    titles = ["Complete collapse", "Dimensional collapse"]
    assert [panel.title for panel in FIG09.panels(run)][:2] == titles
    assert len(FIG09.panels(run)) == 4
    assert FIG09.missing(run)[0].startswith("d, toy_cloob: spectrum in metrics.json is missing; ")
