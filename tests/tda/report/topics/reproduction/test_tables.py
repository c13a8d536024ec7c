"""The table of the paper's claims, on planted runs."""

from collections.abc import Callable

from planted_cells import one_cell, run_of

from tda.report.data.load import Run
from tda.report.drawing.table import Table
from tda.report.topics.reproduction.claims import CLAIMS
from tda.report.topics.reproduction.judged import NOT, REPRODUCED, UNDECIDABLE
from tda.report.topics.reproduction.tables import known, reproduction, statement
from tda.report.topics.reproduction.topic import TOPIC

Rows = Callable[[Table], list[dict[str, str]]]


def test_one_row_each_with_a_verdict_and_its_reason(planted_run: Run, csv_rows: Rows) -> None:
    table = reproduction(planted_run)
    rows = csv_rows(table)
    assert [row["Place"] for row in rows] == [claim.label for claim in CLAIMS]
    assert {row["Here"] for row in rows} <= {REPRODUCED, NOT, UNDECIDABLE}
    assert all(row["Why"] for row in rows)
    (sentence,) = statement(planted_run)
    assert sentence.startswith(f"Of {len(CLAIMS)} figures, tables, predictions and conjectures of the paper: ")
    counts = [sum(row["Here"] == word for row in rows) for word in (REPRODUCED, NOT, UNDECIDABLE)]
    for count, word in zip(counts, ("reproduced", "not reproduced", "undecidable"), strict=True):
        assert f"{count} {word}" in sentence


def test_a_run_without_models_of_the_paper_has_no_such_table() -> None:
    nobody = run_of(one_cell("somebody"))
    assert reproduction(nobody).rows == []
    assert not known(nobody)
    assert TOPIC.headlines[0].sentences(nobody) == []
