"""Figs 13 and 14: a line a cluster, down to its floor, beside the spectrum of all rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_axes import SPECS, cell_of, drawn, run_of, texts
from planted_files import write
from planted_report import CONFIG, plant_cell
from planted_shape import K

from tda.report.data.load import Cell, load_run
from tda.report.drawing.style import INK, model_styles

FIG13 = SPECS["fig13"]
CLUSTERS = {0: [1.0, 0.1, 0.01, 1e-9], 1: [0.5, 1e-9, 1e-9, 0.0]}
FLOOR = 1e-6


def _cell(encoder: str = "e", clusters: Any = None, floor: float = FLOOR, *, whole: Any = ()) -> Cell:
    found = CLUSTERS if clusters is None else clusters
    n = sum(map(len, found.values()))
    columns = {
        "cluster": np.concatenate([[cluster] * len(values) for cluster, values in found.items()]),
        "modality": ["image"] * n,
        "index": np.concatenate([np.arange(len(values)) for values in found.values()]),
        "singular_value": np.concatenate(list(found.values())),
        "floor": [floor] * n,
    }
    n = len(whole)
    spectra = {"modality": ["image"] * n, "index": np.arange(n), "singular_value": list(whole), "floor": [FLOOR] * n}
    return cell_of(encoder, parquet={"cluster_spectra": columns} | ({"spectra": spectra} if n else {}))


def _axes(cell: Cell) -> Any:
    return drawn(FIG13.panels(run_of(cell))[0])


def test_a_clusters_line_ends_at_its_floor_in_a_dot() -> None:
    axes = _axes(_cell())
    lines, dots = axes.collections
    first, second = lines.get_segments()
    np.testing.assert_allclose(first, [[1, 1.0], [2, 0.1], [3, 0.01]])
    np.testing.assert_allclose(second, [[1, 0.5]])
    np.testing.assert_allclose(dots.get_offsets(), [[3, 0.01], [1, 0.5]])
    assert axes.get_xlabel() == "index (2 clusters)"
    assert (axes.get_yscale(), axes.get_xlim()) == ("log", (0, 4))


def test_planted_clusters_end_at_their_rank(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    run = load_run(str(tmp_path), CONFIG)
    lines, _ = drawn(FIG13.panels(run)[0]).collections
    images = {row["id"]: row["images"] for row in run.cells[0].metrics["per_cluster"]}
    assert [int(line[-1, 0]) for line in lines.get_segments()] == [images[cluster] - 1 for cluster in range(K)]


def test_rows_of_the_file_in_any_order_make_the_same_lines() -> None:
    cell = _cell()
    for values in cell.parquet["cluster_spectra"].values():
        values[:] = values[::-1].copy()
    ours, theirs = (_axes(one).collections[0].get_segments() for one in (cell, _cell()))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other)


def test_the_spectrum_of_all_rows_is_dashed_down_to_its_floor() -> None:
    axes = _axes(_cell(whole=[2.0, 0.2, 1e-8]))
    (line,) = (line for line in axes.lines if line.is_dashed() and line.get_color() == INK)
    assert line.get_xydata().tolist() == [[1, 2.0], [2, 0.2]]
    assert not [line for line in _axes(_cell()).lines if line.get_color() == INK]


def test_all_panels_share_one_frame() -> None:
    from matplotlib.colors import to_hex

    long = {0: [8.0, 1.0, 1.0, 1.0, 1e-5]}
    run = run_of(_cell("a"), _cell("b", long))
    for panel, encoder in zip(FIG13.panels(run), "ab", strict=True):
        axes = drawn(panel)
        assert axes.get_xlim() == (0, 6)
        assert axes.get_ylim() == pytest.approx((FLOOR / 3, 32.0))  # the smallest value is within 1000 of the floor
        dots = axes.collections[1]
        assert to_hex(dots.get_facecolor()[0]) == model_styles(["a", "b"], run.config)[encoder].color
        assert len(dots.get_offsets()) == {"a": 2, "b": 1}[encoder]


def test_a_floor_near_the_lines_is_a_band_and_a_far_one_is_named() -> None:
    band = _axes(_cell(clusters={0: [1.0, 1e-5]})).patches[0]
    assert band.get_y() + band.get_height() == pytest.approx(FLOOR)
    axes = _axes(_cell(clusters={0: [1.0, 0.5]}, floor=1e-9))
    assert texts(axes) == ["floor at 10⁻⁹"]
    assert axes.get_ylim()[0] == pytest.approx(0.5 / 3)


def test_at_most_300_clusters_are_drawn_and_many_are_thinner() -> None:
    axes = _axes(_cell(clusters={cluster: [1.0, 0.5] for cluster in range(310)}))
    assert axes.get_xlabel() == "index (300 clusters)"
    assert axes.collections[0].get_linewidths()[0] == 0.25
    assert _axes(_cell()).collections[0].get_linewidths()[0] == pytest.approx(0.9 - 2 / 150)


@pytest.mark.parametrize("values", [np.full(4, 1e-18), np.zeros(4)])
def test_clusters_that_are_noise_alone_make_no_figure(tmp_path: Path, values: np.ndarray) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    columns = {"cluster": np.zeros(4, int), "modality": ["image"] * 4, "rows": [2] * 4, "index": np.arange(4), "floor": np.full(4, 1e-9)}
    write(tmp_path / "analysis" / "d" / "toy_cloob" / "cluster_spectra.parquet", {**columns, "singular_value": values})
    assert FIG13.panels(load_run(str(tmp_path), CONFIG)) == []


def test_panels_name_the_model_and_other_modalities_are_not_drawn() -> None:
    run = run_of(_cell("toy_cloob"), cell_of("toy_infonce"), config=CONFIG)
    assert [(panel.title, panel.row) for panel in FIG13.panels(run)] == [("toy_cloob (CLOOB)", "d")]
    assert SPECS["fig14"].panels(run) == SPECS["fig14_both"].panels(run) == []
    assert FIG13.missing(run)[0].startswith("d, toy_infonce: cluster_spectra.parquet is missing; ")
