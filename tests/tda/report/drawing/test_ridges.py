"""Densities above a baseline, and rows named at the left."""

from typing import Any

import numpy as np
import pytest

from tda.report.drawing.ridges import draw_density, name_rows

EDGES = np.array([0.0, 1.0, 2.0, 4.0])
TOP = np.array([2.5, 2.0, 2.1])


@pytest.fixture
def axes() -> Any:
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_a_density_is_filled_from_its_baseline_and_outlined_where_it_rises(axes: Any) -> None:
    draw_density(axes, EDGES, TOP, 2, "#112233", alpha=0.4, linestyle="dashed")
    area, line = axes.patches
    np.testing.assert_array_equal(area.get_data().values, TOP)
    assert (area.get_data().baseline, area.get_fill(), area.get_alpha()) == (2, True, 0.4)
    np.testing.assert_array_equal(line.get_data().values, [2.5, np.nan, 2.1])
    np.testing.assert_array_equal(line.get_data().edges, EDGES)
    assert (line.get_fill(), line.get_linestyle()) == (False, "dashed")


def test_without_alpha_there_is_the_outline_alone(axes: Any) -> None:
    draw_density(axes, EDGES, TOP, 2, "#112233", alpha=0)
    (line,) = axes.patches
    assert not line.get_fill()


def test_rows_are_named_from_below_without_an_axis_line(axes: Any) -> None:
    name_rows(axes, ["low", "high"])
    assert [(tick, label.get_text()) for tick, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)] == [
        (0, "low"),
        (1, "high"),
    ]
    assert not axes.spines["left"].get_visible()
    assert axes.spines["bottom"].get_visible()
