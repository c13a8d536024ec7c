"""Betti curves are the planted ones, in order of their scale."""

from typing import Any

import numpy as np
from drawn_axes import SPECS, cell_of, drawn, run_of

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell
from tda.report.drawing.style import model_styles

HOMOLOGY = SPECS["homology"]
RADIUS = [0.0, 0.5, 1.0, 1.5]


def _cell(encoder: str, *curves: tuple[str, int, list[int]], **metrics: Any) -> Cell:
    """`curves`: modality, degree and Betti numbers at RADIUS."""
    columns = {
        "modality": np.repeat([modality for modality, _, _ in curves], len(RADIUS)),
        "degree": np.repeat([degree for _, degree, _ in curves], len(RADIUS)),
        "radius": np.tile(RADIUS, len(curves)),
        "betti": np.concatenate([betti for _, _, betti in curves]),
    }
    return cell_of(encoder, parquet={"betti": columns}, **metrics)


def test_a_line_a_model_in_its_style() -> None:
    cells = [_cell("a", ("image", 0, [9, 5, 2, 1])), _cell("b", ("image", 0, [7, 7, 1, 1]))]
    run = run_of(*cells, config=ReportConfig(models={"b": "CLOOB"}))
    (panel,) = HOMOLOGY.panels(run)
    lines = drawn(panel).lines
    np.testing.assert_allclose([line.get_xydata() for line in lines], [np.stack([RADIUS, b], axis=1) for b in ([9, 5, 2, 1], [7, 7, 1, 1])])
    styles = model_styles(run.encoders, run.config)
    assert [line.get_color() for line in lines] == [styles["a"].color, styles["b"].color]
    assert [line.is_dashed() for line in lines] == [False, True]


def test_rows_of_the_file_in_any_order_make_the_same_curve() -> None:
    cell = _cell("e", ("both", 1, [0, 3, 4, 0]))
    for values in cell.parquet["betti"].values():
        values[:] = values[[2, 0, 3, 1]]
    (line,) = drawn(HOMOLOGY.panels(run_of(cell))[0]).lines
    assert list(line.get_xdata()) == RADIUS
    assert list(line.get_ydata()) == [0, 3, 4, 0]


def test_components_have_a_logarithmic_axis_and_loops_a_linear_one() -> None:
    components, loops = map(drawn, HOMOLOGY.panels(run_of(_cell("e", ("both", 0, [9, 5, 2, 1]), ("both", 1, [0, 2, 2, 0])))))
    assert [axes.get_ylabel() for axes in (components, loops)] == ["components", "loops"]
    assert [axes.get_yscale() for axes in (components, loops)] == ["log", "linear"]
    assert (components.get_ylim()[0], loops.get_ylim()[0]) == (0.8, 0)
    assert components.yaxis.get_major_formatter()(100, None) == "100"
    assert components.get_xlabel() == "angle (radians)"
    assert components.get_xlim()[0] == 0


def test_panels_are_named_by_modality_under_data_set_and_degree() -> None:
    curves = [(modality, degree, [2, 1, 1, 1]) for modality in ("image", "text", "both") for degree in (0, 1)]
    panels = HOMOLOGY.panels(run_of(_cell("e", *curves, modalities=["audio", "caption"])))
    assert [panel.title for panel in panels] == ["audio", "caption", "together"] * 2
    assert [panel.row for panel in panels] == ["d, components"] * 3 + ["d, loops"] * 3


def test_one_degree_of_one_modality_is_enough_and_none_is_no_panel() -> None:
    run = run_of(_cell("a", ("both", 0, [9, 5, 2, 1])), cell_of("b"))
    (panel,) = HOMOLOGY.panels(run)
    assert panel.title == "together"
    assert len(drawn(panel).lines) == 1
    assert HOMOLOGY.missing(run)[0].startswith("d, b: betti.parquet is missing; python -m jobs.analyze ")
    assert HOMOLOGY.panels(run_of(cell_of("b"))) == []
