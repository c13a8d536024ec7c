"""The cells of sweeps: their table, sentences and picture."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from planted_report import CONFIG, plant_cell, plant_swept

from tda.config.stages import ReportConfig
from tda.report.data.load import Run, load_run
from tda.report.drawing.table import Table
from tda.report.page import build
from tda.report.topics.sweeps.figure import FIGURES
from tda.report.topics.sweeps.tables import cells_table
from tda.report.topics.sweeps.topic import TOPIC

TOP1 = "retrieval.image_to_text.top1"
(SPEC,) = FIGURES


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("root")
    plant_cell(root, "d", "toy_cloob")
    plant_swept(root, "grid", {(5, 0): 0.2, (5, 1): 0.4, (10, 0): 0.6, (10, 1): None})
    names = {"keys": ["encoder.name", "dedupe.threshold"], "job": "dedupe"}
    plant_swept(root, "lines", {("b", 0.95): 0.3, ("a", 0.9): 0.1, ("b", 0.9): 0.2, ("a", 0.95): 0.5}, **names)
    plant_swept(root, "words", {("b",): 0.3, ("a",): 0.1}, keys=["encoder.name"], objective="gap.centroid_distance")
    return load_run(str(root), CONFIG)


def test_a_row_for_each_cell(run: Run, csv_rows: Callable[[Table], list[dict[str, str]]]) -> None:
    table = cells_table(run)
    rows = csv_rows(table)
    assert [row["Sweep"] for row in rows] == ["grid"] * 4 + ["lines"] * 4 + ["words"] * 2
    assert [(row["Cell"], row["State"], row[TOP1]) for row in rows[2:5]] == [
        ("k 10, seed 0", "whole", "0.6"),
        ("k 10, seed 1", "failed", ""),
        ("encoder b, threshold 0.95", "whole", "0.3"),
    ]
    assert "pairs" not in rows[0], "a number that is the same in all cells is left out"
    assert table.remarks == ["k 10, seed 1: it is out of range"]
    assert table.sentences == [
        f"In grid, {TOP1} goes from 0.2 (k 5, seed 0) to 0.6 (k 10, seed 0).",
        f"In lines, {TOP1} goes from 0.1 (encoder a, threshold 0.9) to 0.5 (encoder a, threshold 0.95).",
        "In words, gap.centroid_distance is 0.5 in all 2 cells.",
    ]


def drawn(run: Run, name: str) -> Any:
    axes = Figure().subplots()
    next(panel for panel in SPEC.panels(run) if panel.row == name).draw(axes)
    return axes


def test_two_numeric_keys_are_a_map(run: Run) -> None:
    axes = drawn(run, "grid")
    grid_YX = np.asarray(axes.images[0].get_array().filled(np.nan))
    np.testing.assert_array_equal(grid_YX, [[0.2, 0.4], [0.6, np.nan]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("seed", "k")
    assert [text.get_text() for text in axes.get_yticklabels()] == ["5", "10"]
    assert [text.get_text() for text in axes.texts] == ["0.2", "0.4", "0.6"]


def test_one_numeric_key_is_a_line_for_each_other_value(run: Run) -> None:
    axes = drawn(run, "lines")
    found = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert found == {"b": [[0.9, 0.2], [0.95, 0.3]], "a": [[0.9, 0.1], [0.95, 0.5]]}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("threshold", "top1")
    assert axes.get_legend().get_title().get_text() == "encoder"


def test_words_stand_beside_each_other(run: Run) -> None:
    axes = drawn(run, "words")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["b", "a"]
    assert axes.lines[0].get_xydata().tolist() == [[0, 0.5], [1, 0.5]]


def test_any_number_can_be_chosen(run: Run) -> None:
    chosen = replace(run, config=ReportConfig(numbers=["pairs", TOP1, "nothing"]))
    assert [panel.title for panel in SPEC.panels(chosen)] == ["pairs", TOP1] * 3
    columns = [column.label for column in cells_table(chosen).columns]
    assert columns == ["Sweep", "Cell", "State", "pairs", TOP1]


def test_without_sweeps_nothing_is_missed(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    bare = load_run(str(tmp_path), CONFIG)
    assert (SPEC.panels(bare), SPEC.missing(bare), TOPIC.made(bare)) == ([], [], [])


def test_sweeps_alone_make_a_page(tmp_path: Path) -> None:
    plant_swept(tmp_path, "grid", {(5, 0): 0.2, (10, 1): 0.4})
    built = build(str(tmp_path), CONFIG)
    assert {"cells.csv", "sweeps.svg", "index.html"} <= set(built.files)
    page = (tmp_path / "report" / "index.html").read_text()
    assert "k 10, seed 1" in page
    assert page.count('id="sweeps"') == 1
