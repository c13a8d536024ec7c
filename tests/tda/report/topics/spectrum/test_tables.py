"""The table of dimension."""

from collections.abc import Callable

import pytest

from tda.report.data.load import Run
from tda.report.drawing.table import Table
from tda.report.topics.spectrum.tables import dimension

Rows = Callable[[Table], list[dict[str, str]]]


def test_dimension_has_errors_in_the_csv_and_the_papers_collapse(planted_run: Run, csv_rows: Rows) -> None:
    row = csv_rows(dimension(planted_run))[3]
    assert (row["Before collapse: Both"], row["Before collapse: of"], row["Paper: Collapse"]) == ("40.0", "64.0", "400")
    assert float(row["Two-NN: Text"]) == pytest.approx(8.8)
    assert row["Two-NN, error: Text"] == "0.4"
    assert row["Participation ratio: Both"] == "12.0"
    assert csv_rows(dimension(planted_run))[1]["Paper: Collapse"] == ""
