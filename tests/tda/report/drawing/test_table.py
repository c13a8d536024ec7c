"""A table's page and its CSV from the same rows."""

from typing import Any

import pytest
from drawn_axes import cell_of, run_of

from tda.config.stages import ReportConfig
from tda.report.data.words import percent
from tda.report.drawing.table import (
    Column,
    Table,
    Value,
    count,
    interval_text,
    model_columns,
    model_values,
    remarks_of,
    tenth,
)

COLUMNS = [
    Column(label="Data set"),
    Column(label="Model", numeric=False),
    Column(label="Top-1", show=percent, group="This run"),
    Column(label="Rows", show=count, group="This run"),
    Column(label="Top-1", show=percent, group="Paper"),
    Column(label="Error", paged=False),
    Column(label="Interval", filed=False),
]
ROWS: list[list[Value]] = [
    ["d", "a", 0.123456789, 1234.0, None, 0.01, "0.1 to 0.2"],
    ["d", "b", None, 5.0, None, None, None],
    ["f", "a", 1.0, 10.0, None, 0.02, "x"],
]


def _table(rows: Any = ROWS, **parts: Any) -> Table:
    return Table(**({"name": "t", "label": "T", "title": "", "columns": COLUMNS, "rows": rows, "sentences": (), "section": "gap"} | parts))


def test_the_page_leaves_out_the_block_what_is_for_the_file_and_an_empty_paper() -> None:
    assert [column.label for column in _table().paged] == ["Model", "Top-1", "Rows", "Interval"]
    known = [*ROWS[:2], ["f", "a", 1.0, 10.0, 0.9, 0.02, "x"]]
    assert [column.group for column in _table(known).paged] == ["", "This run", "This run", "Paper", ""]


def test_a_column_of_this_run_stays_though_nothing_was_measured() -> None:
    assert "Top-1" in [column.label for column in _table([["d", "a", None, None, None, None, None]]).paged]


@pytest.mark.parametrize(("group", "of_paper"), [("Paper", True), ("Published, RN50", True), ("This run", False), ("", False)])
def test_groups_of_the_paper(group: str, of_paper: bool) -> None:
    assert Column(label="x", group=group).of_paper is of_paper


def test_headings_span_neighbouring_columns() -> None:
    assert _table().groups == [("", 1), ("This run", 2), ("", 1)]


def test_rows_stand_in_the_block_of_their_outer_columns() -> None:
    assert _table().blocks == {
        "d": [["a", "12.3%", "1,234", "0.1 to 0.2"], ["b", "–", "5", "–"]],
        "f": [["a", "100.0%", "10", "x"]],
    }
    assert list(_table(outer=2).blocks) == ["d, a", "d, b", "f, a"]
    assert _table(outer=2).blocks["d, b"] == [["–", "5", "–"]]


def test_the_csv_has_every_digit_and_an_empty_cell_for_what_is_unknown() -> None:
    assert _table().csv().decode() == (
        "Data set,Model,This run: Top-1,This run: Rows,Paper: Top-1,Error\nd,a,0.123456789,1234.0,,0.01\nd,b,,5.0,,\nf,a,1.0,10.0,,0.02\n"
    )


def test_a_name_with_a_comma_is_one_cell_of_the_csv() -> None:
    assert _table([["d,e", 'a "b"', 1.0, 1.0, None, None, None]]).csv().decode().splitlines()[1] == '"d,e","a ""b""",1.0,1.0,,'


def test_numbers_as_the_page_writes_them() -> None:
    assert (count(1234567.8), tenth(1234.56), tenth(0.04)) == ("1,234,568", "1,234.6", "0.0")
    assert interval_text([0.1, 0.25], percent) == "10.0% to 25.0%"
    assert [interval_text(found, percent) for found in (None, [], [None, 0.2], [0.1, None])] == [None] * 4


def test_models_are_named_beside_their_data_set() -> None:
    run = run_of(cell_of("a"), config=ReportConfig(models={"a": "CLIP"}))
    assert model_values(run, run.cells[0]) == ["d", "a (CLIP)"]
    assert [(column.label, column.numeric) for column in model_columns()] == [("Data set", True), ("Model", False)]


def test_remarks_name_whose_they_are() -> None:
    cells = [cell_of("a", umap={"notes": ["few rows"]}), cell_of("b", "f", gap={"notes": ["n"]}), cell_of("c", umap={"notes": []})]
    run = run_of(*cells, config=ReportConfig(models={"a": "CLIP"}))
    assert remarks_of(run, "umap", "gap") == ["d, a (CLIP): few rows", "f, b: n"]
    assert remarks_of(run, "umap") == ["d, a (CLIP): few rows"]
