"""Tables of layouts and the sweep."""

from collections.abc import Callable
from pathlib import Path

import pytest
from planted_report import CONFIG, plant_cell

from tda.report.data.load import Run, load_run
from tda.report.drawing.table import Table
from tda.report.topics.layout.tables import layouts, sweeps
from tda.report.topics.registry import tables

Rows = Callable[[Table], list[dict[str, str]]]


def test_layouts_are_told_in_numbers(planted_run: Run, csv_rows: Rows) -> None:
    row = csv_rows(layouts(planted_run))[3]
    assert (row["Model"], row["Layout: Trust"], row["Clusters: Number"]) == ("toy_cloob (CLOOB)", "0.93", "16.0")
    assert float(row["Layout: Mixing"]) == pytest.approx(0.45)
    assert float(row["Space itself: Mixing"]) == pytest.approx(0.4)
    assert (row["Cluster agreement: Seeds"], row["Cluster agreement: Sizes"]) == ("0.83", "0.71")
    assert (row["Layout: n_neighbors"], row["Layout: min_dist"]) == ("15.0", "0.1")


def test_a_sweep_has_one_row_a_setting_in_order(planted_run: Run, csv_rows: Rows) -> None:
    rows = [row for row in csv_rows(sweeps(planted_run)) if row["Data set"] == "toy_heldout" and row["Model"] == "toy_cloob (CLOOB)"]
    assert [(row["n_neighbors"], row["min_dist"]) for row in rows] == [(k, d) for k in ("5", "15", "50") for d in ("0.0", "0.1", "0.8")]
    assert rows[0]["Cluster agreement"] == "0.9"
    assert rows[0]["Seconds"] == "1.5"
    assert "Seconds" not in [column.label for column in sweeps(planted_run).paged]


def test_remarks_of_the_analysis_are_told_once_with_whose_they_are(tmp_path: Path) -> None:
    few = {"notes": ["100 rows are all"]}
    plant_cell(
        tmp_path, "d", "toy_cloob", metrics={"homology": {"image": few, "both": few}, "umap": {"mixing": 0.1, "notes": ["n is cut"]}}
    )
    found = {table.name: table for table in tables(load_run(str(tmp_path), CONFIG))}
    assert found["layouts"].remarks == ["d, toy_cloob (CLOOB): n is cut"]
    plant_cell(tmp_path, "d", "toy_cloob", metrics={"dimension": {"two_nn": {"image": few, "text": few}}})
    found = {table.name: table for table in tables(load_run(str(tmp_path), CONFIG))}
    assert found["dimension"].remarks == ["d, toy_cloob (CLOOB): 100 rows are all"]
