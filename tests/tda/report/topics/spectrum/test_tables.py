"""The table of dimension."""

from collections.abc import Callable

import pytest
from planted_cells import one_cell, run_of

from tda.report.data.load import Run
from tda.report.drawing.table import Table
from tda.report.topics.spectrum.tables import dimension

Rows = Callable[[Table], list[dict[str, str]]]


def test_dimension_has_errors_in_the_csv_and_the_papers_collapse(paper_sized_run: Run, planted_run: Run, csv_rows: Rows) -> None:
    row = csv_rows(dimension(paper_sized_run))[3]
    assert (row["Before collapse: Both"], row["Before collapse: of"], row["Paper: Collapse"]) == ("40.0", "512.0", "400")
    assert float(row["Two-NN: Text"]) == pytest.approx(8.8)
    assert row["Two-NN, sampling error: Text"] == "0.4"
    assert (row["Above the floor: Both"], row["Largest drop, after: Both"], row["Largest drop, decades: Both"][:3]) == ("57", "40", "3.0")
    assert row["Participation ratio: Both"] == "12.0"
    assert csv_rows(dimension(paper_sized_run))[1]["Paper: Collapse"] == ""
    assert csv_rows(dimension(planted_run))[3]["Paper: Collapse"] == ""  # 64 dimensions are not the paper's


def test_the_page_groups_what_both_kinds_of_dimension_show(planted_run: Run) -> None:
    table = dimension(planted_run)
    assert table.groups == [("", 1), ("Effective rank", 3), ("Before collapse", 4), ("Two-NN", 3), ("Neighbours, ML", 3)]
    assert table.blocks["toy_heldout"][3] == [
        "toy_cloob (CLOOB)", "16.7", "10.0", "15.0", "40", "40", "40", "64", "11.0", "8.8", "10.4", "9.0", "7.2", "8.5",
    ]  # fmt: skip


def test_one_kind_of_dimension_is_enough_and_remarks_stand_once() -> None:
    few = {"notes": ["100 rows are all"]}
    table = dimension(run_of(one_cell(dimension={"two_nn": {"image": few, "text": few, "both": {"value": 3.0}}}), one_cell("a")))
    assert table.remarks == ["d, toy_cloob (CLOOB): 100 rows are all"]
    assert [row[:2] for row in table.rows] == [["d", "toy_cloob (CLOOB)"]]
    assert table.sentences == ["On d, the intrinsic dimension (Two-NN, both modalities) is 3.0 in toy_cloob (CLOOB)."]
    spectral = dimension(run_of(one_cell("a", spectrum={"text": {"effective_rank": 4.25}})))
    assert spectral.blocks["d"][0][:4] == ["a", "–", "4.2", "–"]
