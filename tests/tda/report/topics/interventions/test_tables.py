"""The table of interventions, its figure, and the points that they show."""

import pytest
from drawn_axes import SPECS, cell_of, drawn, run_of
from planted_interventions import planted, point

from tda.report.topics.interventions.points import along, best_dropped
from tda.report.topics.interventions.tables import interventions_table


def test_one_row_a_kind_with_intervals_of_its_change() -> None:
    table = interventions_table(run_of(planted("a", (-0.01, 0.01), (0.2, 0.3)), cell_of("b")))
    assert [row[2] for row in table.rows] == ["none", "shift along the gap", "centred", "without 4 dimensions"]
    assert {tuple(row[:2]) for row in table.rows} == {("d", "a")}
    assert all(len(row) == len(table.columns) for row in table.rows)
    none, shift = table.rows[0], table.rows[1]
    assert none[8:] == [None] * 8
    assert shift[3:8] == [0.0, 0.9, 0.5, 0.7, 0.3]
    assert shift[8:12] == [0.0, "−0.010 to 0.010", -0.01, 0.01]
    assert shift[12:] == [pytest.approx(0.25), "0.200 to 0.300", 0.2, 0.3]
    assert "0.2,0.3" in table.csv().decode()


def test_notes_of_the_analysis_are_remarks() -> None:
    cell = cell_of("a", interventions={"pairs": 0, "points": [], "notes": ["15 pairs are too few"]})
    assert list(interventions_table(run_of(cell)).remarks) == ["d, a: 15 pairs are too few"]


def test_of_removed_dimensions_the_smallest_gap_is_shown() -> None:
    points = [point("none", 0), point("drop", 1) | {"gap": 0.3}, point("drop", 2) | {"gap": 0.1}, point("drop", 4) | {"gap": 0.2}]
    cell = cell_of("a", interventions={"pairs": 500, "points": points, "notes": []})
    assert (best_dropped(cell) or {})["amount"] == 2
    assert [one["amount"] for one in along(cell, "drop")] == [0, 1, 2, 4]


def test_the_figure_has_four_curves_a_data_set_through_the_rows_as_they_are() -> None:
    run = run_of(planted("a", (0, 0), (0, 0)), planted("b", (0, 0), (0, 0)), cell_of("c"))
    panels = SPECS["interventions"].panels(run)
    assert [panel.title for panel in panels] == [
        "Top-1 between modalities", "NDCG@10 of mixed search", "Gap", "Linear SVM, held out"
    ]  # fmt: skip
    axes = drawn(panels[2])
    curve = axes.lines[0]
    assert list(curve.get_xdata()) == [0, 0.5, 1]
    assert list(curve.get_ydata()) == [0.5, 0.25, 0]
    assert [len(drawn(panel).collections) for panel in panels[:2]] == [0, 2], "bands where intervals are known"
    dropped = drawn(SPECS["interventions_dimensions"].panels(run)[0])
    assert [label.get_text() for label in dropped.get_xticklabels()] == ["0", "4"]


def test_nothing_measured_is_no_table_and_no_panel() -> None:
    run = run_of(cell_of("a"))
    assert interventions_table(run).rows == []
    assert SPECS["interventions"].panels(run) == []
    assert SPECS["interventions"].missing(run) == []
