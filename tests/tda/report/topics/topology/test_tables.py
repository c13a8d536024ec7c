"""Tables of topology and of models compared."""

from collections.abc import Callable
from pathlib import Path

import pytest
from planted_report import CONFIG, plant

from tda.report.data.load import Run, load_run
from tda.report.drawing.table import Table
from tda.report.topics.registry import tables
from tda.report.topics.topology.tables import compared, topology

Rows = Callable[[Table], list[dict[str, str]]]


def test_every_pair_of_models_is_compared(planted_run: Run, csv_rows: Rows) -> None:
    rows = [row for row in csv_rows(compared(planted_run)) if row["Data set"] == "toy_heldout"]
    assert [row["Rows"] for row in rows] == ["both"] * 6 + ["image"] * 6 + ["text"] * 6
    assert rows[0]["Models"] == "toy_infonce (CLIP) – toy_infonce_hopfield"
    assert (float(rows[0]["CKA: Value"]), float(rows[0]["CKA: Shuffled"])) == (pytest.approx(0.9), pytest.approx(0.1))
    assert float(rows[0]["Cross-barcode, 95% interval: to"]) == pytest.approx(0.13)
    page = compared(planted_run).blocks["toy_heldout, both"][0]
    assert page[1:4] == ["0.85", "0.82 to 0.88", "0.00"]
    assert len(page) == 1 + 3 * 3  # plain CKA is in the CSV alone


def test_topology_has_spreads_over_seeds(planted_run: Run, csv_rows: Rows) -> None:
    row = csv_rows(topology(planted_run))[0]
    assert (row["Rows"], row["Components (H0): Lifetimes, sum"], row["Landmarks"]) == ("both", "90.0", "150.0")
    assert row["Loops (H1), sum over seeds: standard deviation"] == "0.002"
    assert topology(planted_run).blocks["toy_heldout, both"][0][2] == "90.0 ± 0.020"


def test_models_that_were_not_compared_are_named_with_the_command(tmp_path: Path) -> None:
    root = plant(tmp_path, ("d",), ("toy_infonce", "toy_cloob"))
    (tmp_path / "analysis" / "d" / "comparisons.json").unlink()
    found = {table.name: table for table in tables(load_run(root, CONFIG))}["compared"]
    assert found.rows == []
    assert found.missing == [
        f"d: comparisons.json is missing; python -m jobs.analyze dataset.name=d 'encoders=[toy_infonce,toy_cloob]' root={root} makes it"
    ]
