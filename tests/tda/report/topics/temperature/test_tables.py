"""A row for each data set, arm and temperature, with the interval over seeds; and the figure of the same numbers."""

import pytest
from planted_temperature import temperature_run

from tda.report.topics.temperature.figure import FIGURES
from tda.report.topics.temperature.tables import temperature_table


def gap(encoder: str, tau: float, seed: int) -> float:
    return tau / 100 + (encoder == "toy_infonce") + 0.01 * seed


def test_means_over_seeds_with_half_an_interval() -> None:
    table = temperature_table(temperature_run(gap))
    assert [row[:4] for row in table.rows[:3]] == [
        ["toy.v2", "InfoNCE", 30.0, 3],
        ["toy.v2", "InfoNCE", 100.0, 3],
        ["toy.v2", "InfoLOOB", 30.0, 3],
    ]
    assert table.rows[0][4:6] == [pytest.approx(1.31), pytest.approx(4.302653 * 0.01 / 3**0.5, abs=1e-6)]
    assert table.rows[0][-2:] == [None, None], "top-1 was not measured"
    assert len(table.columns) == len(table.rows[0])


def test_one_seed_has_no_interval() -> None:
    assert temperature_table(temperature_run(gap, seeds=(4,))).rows[0][3:6] == [1, pytest.approx(1.34), None]


def test_without_a_sweep_over_temperature_there_is_neither_table_nor_figure() -> None:
    run = temperature_run(gap, job="train")
    assert temperature_table(run).rows == []
    assert FIGURES[0].cells(run) == []
    assert FIGURES[0].panels(run) == []


def test_the_figure_has_a_panel_a_number_and_a_line_an_arm() -> None:
    import matplotlib.pyplot as plt

    panels = FIGURES[0].panels(temperature_run(gap))
    assert [panel.title for panel in panels] == ["gap", "neighbours of the same modality"]
    figure, axes = plt.subplots()
    panels[0].draw(axes)
    lines = [line for line in axes.lines if line.get_label() in ("InfoNCE", "InfoLOOB", "InfoLOOB + Hopfield")]
    assert len({line.get_color() for line in lines}) == 3
    assert list(lines[0].get_xdata()) == [30.0, 100.0]
    assert list(lines[0].get_ydata()) == pytest.approx([1.31, 2.01])
    assert axes.get_xscale() == "log"
    plt.close(figure)
