"""Tables of layouts, the sweep, dimension, local dimension, models compared and topology."""

import csv
import io
from pathlib import Path

import pytest
from planted_report import CONFIG, plant, plant_cell

from tda.report.data.load import Run, load_run
from tda.report.drawing.table import Table
from tda.report.topics.registry import tables


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return load_run(plant(tmp_path_factory.mktemp("root")), CONFIG)


@pytest.fixture(scope="module")
def made(run: Run) -> dict[str, Table]:
    return {table.name: table for table in tables(run)}


def _rows(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.csv().decode())))


def test_layouts_are_told_in_numbers(made: dict[str, Table]) -> None:
    row = _rows(made["layouts"])[3]
    assert (row["Model"], row["Layout: Trust"], row["Clusters: Number"]) == ("toy_cloob (CLOOB)", "0.93", "16.0")
    assert float(row["Layout: Mixing"]) == pytest.approx(0.45)
    assert float(row["Space itself: Mixing"]) == pytest.approx(0.4)
    assert (row["Cluster agreement: Seeds"], row["Cluster agreement: Sizes"]) == ("0.83", "0.71")
    assert (row["Layout: n_neighbors"], row["Layout: min_dist"]) == ("15.0", "0.1")


def test_a_sweep_has_one_row_a_setting_in_order(made: dict[str, Table]) -> None:
    rows = [row for row in _rows(made["sweep"]) if row["Data set"] == "toy_heldout" and row["Model"] == "toy_cloob (CLOOB)"]
    assert [(row["n_neighbors"], row["min_dist"]) for row in rows] == [(k, d) for k in ("5", "15", "50") for d in ("0.0", "0.1", "0.8")]
    assert rows[0]["Cluster agreement"] == "0.9"
    assert rows[0]["Seconds"] == "1.5"
    assert "Seconds" not in [column.label for column in made["sweep"].paged]


def test_dimension_has_errors_in_the_csv_and_the_papers_collapse(made: dict[str, Table]) -> None:
    row = _rows(made["dimension"])[3]
    assert (row["Before collapse: Both"], row["Before collapse: of"], row["Paper: Collapse"]) == ("40.0", "64.0", "400")
    assert float(row["Two-NN: Text"]) == pytest.approx(8.8)
    assert row["Two-NN, error: Text"] == "0.4"
    assert row["Participation ratio: Both"] == "12.0"
    assert _rows(made["dimension"])[1]["Paper: Collapse"] == ""


def test_local_dimension_has_models_and_all_pooled(made: dict[str, Table]) -> None:
    rows = [row for row in _rows(made["local"]) if row["Data set"] == "toy_shifted"]
    assert [row["Model"] for row in rows][-1] == "All models, pooled"
    assert rows[-1]["Clusters"] == "64"
    low, value, high = (float(rows[0][name]) for name in ("95% interval: from", "AUC, both ways: Given size", "95% interval: to"))
    assert low <= value <= high
    assert all(rows[0][f"{kind}, given size: {way}"] for kind in ("AUC", "Rank") for way in ("Img→txt", "Txt→img"))
    assert made["local"].blocks["toy_shifted"][0][4] == f"{low:+.2f} to {high:+.2f}"


def test_every_pair_of_models_is_compared(made: dict[str, Table]) -> None:
    rows = [row for row in _rows(made["compared"]) if row["Data set"] == "toy_heldout"]
    assert [row["Rows"] for row in rows] == ["both"] * 6 + ["image"] * 6 + ["text"] * 6
    assert rows[0]["Models"] == "toy_infonce (CLIP) – toy_infonce_hopfield"
    assert (float(rows[0]["CKA: Value"]), float(rows[0]["CKA: Shuffled"])) == (pytest.approx(0.9), pytest.approx(0.1))
    assert float(rows[0]["Cross-barcode, 95% interval: to"]) == pytest.approx(0.13)
    page = made["compared"].blocks["toy_heldout, both"][0]
    assert page[1:4] == ["0.85", "0.82 to 0.88", "0.00"]
    assert len(page) == 1 + 3 * 3  # plain CKA is in the CSV alone


def test_topology_has_spreads_over_seeds(made: dict[str, Table]) -> None:
    row = _rows(made["topology"])[0]
    assert (row["Rows"], row["Components (H0): Lifetimes, sum"], row["Landmarks"]) == ("both", "90.0", "150.0")
    assert row["Loops (H1), sum over seeds: standard deviation"] == "0.002"
    assert made["topology"].blocks["toy_heldout, both"][0][2] == "90.0 ± 0.020"


def test_headings_span_their_columns_everywhere(made: dict[str, Table]) -> None:
    for table in made.values():
        assert sum(span for _, span in table.groups) == len(table.paged)
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_models_that_were_not_compared_are_named_with_the_command(tmp_path: Path) -> None:
    root = plant(tmp_path, ("d",), ("toy_infonce", "toy_cloob"))
    (tmp_path / "analysis" / "d" / "comparisons.json").unlink()
    found = {table.name: table for table in tables(load_run(root, CONFIG))}["compared"]
    assert found.rows == []
    assert found.missing == [
        f"d: comparisons.json is missing; python -m jobs.analyze dataset.name=d 'encoders=[toy_infonce,toy_cloob]' root={root} makes it"
    ]


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


def test_what_was_not_measured_makes_no_table(tmp_path: Path) -> None:
    bare = dict.fromkeys(("umap", "mixing", "clusters", "dimension", "homology", "local_dimension", "spectrum"))
    plant_cell(tmp_path, "d", "toy_infoloob", metrics={part: {} for part in bare})
    assert [table.name for table in tables(load_run(str(tmp_path), CONFIG))] == ["table1", "ablation", "table2"]
