"""Tables of topology and of models compared."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from planted_cells import one_cell, run_of
from planted_report import CONFIG, plant

from tda.report.data.load import Run, load_run
from tda.report.drawing.table import Table
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
    found = compared(load_run(root, CONFIG))
    assert found.rows == []
    assert found.missing == [
        f"d: comparisons.json is missing; python -m jobs.analyze dataset.name=d 'encoders=[toy_infonce,toy_cloob]' root={root} makes it"
    ]


def test_one_model_alone_needs_no_comparison() -> None:
    assert compared(run_of(one_cell())).missing == []
    assert compared(run_of(one_cell("a"), one_cell("b", dataset="e"))).missing == []


def _measured(a: str, modality: str, shared: float) -> dict[str, Any]:
    return {"a": a, "b": "z", "modality": modality, "mutual_knn": {"value": shared, "ci95": [shared - 0.1, shared + 0.1], "chance": 0.004}}


def test_comparisons_of_all_rows_come_first_and_what_is_missing_is_a_dash() -> None:
    entries = [_measured("toy_cloob", "text", 0.5), _measured("toy_cloob", "both", 0.3), _measured("a", "both", 0.2)]
    table = compared(run_of(one_cell(modalities=["passage", "review"]), comparisons={"comparisons": entries}))
    assert [row[1:3] for row in table.rows] == [["both", "toy_cloob (CLOOB) – z"], ["both", "a – z"], ["review", "toy_cloob (CLOOB) – z"]]
    assert table.blocks["d, both"][0] == ["toy_cloob (CLOOB) – z", "–", "–", "–", "0.30", "0.20 to 0.40", "0.00", "–", "–", "–"]


def test_a_small_negative_number_is_no_minus_zero() -> None:
    entries = [{"a": "a", "b": "z", "modality": "both", "linear_cka_debiased": {"value": -0.001, "chance": -0.02}}]
    table = compared(run_of(one_cell(), comparisons={"comparisons": entries}))
    assert table.blocks["d, both"][0][1:4] == ["0.00", "–", "−0.02"]


def test_topology_is_ordered_by_data_set_then_rows() -> None:
    part = {name: {"h0": {"total_persistence": 4.0, "longest": 0.5}, "landmarks": 150} for name in ("text", "both")}
    cells = [one_cell("a", homology=part), one_cell("b", dataset="e", homology=part), one_cell("c", homology={"both": {"h0": {}}})]
    table = topology(run_of(*cells))
    assert [row[:3] for row in table.rows] == [["d", "both", "a"], ["d", "text", "a"], ["e", "both", "b"], ["e", "text", "b"]]
    assert table.blocks["d, both"] == [["a", "4.000", "–", "0.500", "–", "–", "–", "150"]]


def test_remarks_on_homology_stand_with_the_table() -> None:
    noted = {"both": {"notes": ["150 landmarks of 400 rows"]}}
    assert topology(run_of(one_cell("a", homology=noted))).remarks == ["d, a: 150 landmarks of 400 rows"]
