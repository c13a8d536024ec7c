"""Tables of layouts and the sweep."""

from collections.abc import Callable

import pytest
from planted_cells import one_cell, run_of

from tda.report.data.load import Run
from tda.report.drawing.table import Table
from tda.report.topics.layout.tables import layouts, sweeps

Rows = Callable[[Table], list[dict[str, str]]]


def test_layouts_are_reported_in_numbers(planted_run: Run, csv_rows: Rows) -> None:
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


def test_remarks_of_the_analysis_stand_once_with_their_model() -> None:
    noted = {"notes": ["n is cut"]}
    assert layouts(run_of(one_cell(umap={**noted, "mixing": 0.1}, clusters=noted))).remarks == ["d, toy_cloob (CLOOB): n is cut"]


def test_the_page_shows_shares_and_leaves_settings_to_the_csv(planted_run: Run) -> None:
    table = layouts(planted_run)
    assert table.groups == [("", 1), ("Layout", 2), ("Space itself", 1), ("Clusters", 3), ("Cluster agreement", 2)]
    row = table.blocks["toy_heldout"][3]
    assert row[:5] == ["toy_cloob (CLOOB)", "0.930", "45.0%", "40.0%", "16"]
    assert row[6:] == ["0.0%", "0.830", "0.710"]


def test_any_of_three_parts_makes_a_row() -> None:
    cells = [one_cell("a", umap={"trustworthiness": 0.5}), one_cell("b", clusters={"count": 3}), one_cell("c", mixing={"layout": 0.9})]
    assert layouts(run_of(*cells, one_cell("e", homology={}))).blocks["d"] == [
        ["a", "0.500", "–", "–", "–", "–", "–", "–", "–"],
        ["b", "–", "–", "–", "3", "–", "–", "–", "–"],
        ["c", "–", "10.0%", "–", "–", "–", "–", "–", "–"],
    ]


def test_a_sweep_shows_what_was_measured_of_a_setting() -> None:
    settings = [{"n_neighbors": 15, "min_dist": 0.1, "mixing": 0.3, "clusters": 7}, {"n_neighbors": 5, "min_dist": 0.8}]
    table = sweeps(run_of(one_cell(sweep={"cells": settings}), one_cell("a")))
    assert table.blocks == {"d, toy_cloob (CLOOB)": [["5", "0.8", "–", "–", "–", "–", "–"], ["15", "0.1", "–", "30.0%", "7", "–", "–"]]}
    assert sweeps(run_of(one_cell())).rows == []
