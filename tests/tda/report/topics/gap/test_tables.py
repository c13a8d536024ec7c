"""Tables I and II and the ablation, beside the paper."""

import csv
import io
from pathlib import Path

import pytest
from planted_report import CONFIG, plant, plant_cell

from tda.config.stages import ReportConfig
from tda.report.data.load import Run, load_run
from tda.report.topics.registry import tables


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return load_run(plant(tmp_path_factory.mktemp("root")), CONFIG)


def _rows(run: Run, name: str) -> list[dict[str, str]]:
    (table,) = [table for table in tables(run) if table.name == name]
    return list(csv.DictReader(io.StringIO(table.csv().decode())))


def test_table_one_stands_beside_the_papers(run: Run) -> None:
    by_cell = {(row["Data set"], row["Model"]): row for row in _rows(run, "table1")}
    row = by_cell["toy_heldout", "toy_cloob (CLOOB)"]
    assert [row[f"Paper: {score}"] for score in ("Accuracy", "Precision", "Recall")] == ["0.752", "0.732", "0.802"]
    assert float(row["All rows: Accuracy"]) == pytest.approx(0.55)
    assert [row[f"Held out: {score}"] for score in ("Accuracy", "Precision", "Recall")] == ["0.53"] * 3
    assert (row["Two PCs: Accuracy"], row["Accuracy on: toy_shifted"], row["Accuracy on: toy_heldout"]) == ("0.53", "0.53", "")
    assert by_cell["toy_shifted", "toy_infonce (CLIP)"]["Paper: Accuracy"] == "1.0"
    assert by_cell["toy_shifted", "toy_infoloob"]["Paper: Accuracy"] == ""


def test_table_two_stands_beside_the_papers(run: Run) -> None:
    by_cell = {(row["Task"], row["Data set"], row["Model"]): row for row in _rows(run, "table2")}
    assert len(by_cell) == 2 * 2 * 4
    clip = by_cell["Text to image", "toy_shifted", "toy_infonce (CLIP)"]
    assert (clip["Paper: Top-5"], clip["Paper: Top-1"]) == ("0.635", "0.371")
    assert (clip["This run: Top-1"], clip["This run: Candidates"]) == ("0.7", "400.0")
    cloob = by_cell["Image to text", "toy_heldout", "toy_cloob (CLOOB)"]
    assert (cloob["Paper: Top-5"], cloob["Paper: Top-1"]) == ("0.953", "0.876")


def test_the_ablation_has_every_arm(run: Run) -> None:
    rows = _rows(run, "ablation")
    assert [row["Arm"] for row in rows[:4]] == ["InfoNCE", "InfoNCE + Hopfield", "InfoLOOB", "InfoLOOB + Hopfield"]
    assert [float(row["Gap: Distance"]) for row in rows[:4]] == [0.187, 0.198, 0.025, 0.027]
    assert rows[0]["Published: Img→txt"] == ""  # published for COCO alone
    assert rows[4]["Published: Img→txt"] == "0.1654"


def test_the_page_leaves_out_what_the_paper_has_nothing_for(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    made = {table.name: table for table in tables(load_run(str(tmp_path), ReportConfig()))}
    assert {"table1", "table2"} <= set(made)
    assert {"ablation", "compared"}.isdisjoint(made)
    assert [group for group, _ in made["table2"].groups] == ["", "This run"]
    assert made["table2"].blocks["Image to text, d"] == [["toy_cloob", "91.0%", "76.0%", "1", "400"]]
    assert "Paper: Top-1" in made["table2"].csv().decode()


def test_headings_span_their_columns(run: Run) -> None:
    for table in tables(run):
        assert sum(span for _, span in table.groups) == len(table.paged)
        assert all(len(row) == len(table.paged) for rows in table.blocks.values() for row in rows)


def test_what_was_not_measured_is_a_dash_or_no_table(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob", metrics={"separability": {}, "retrieval": {"image_to_text": {"top1": 0.5}}})
    made = {table.name: table for table in tables(load_run(str(tmp_path), CONFIG))}
    assert "table1" not in made
    assert made["table2"].blocks["Text to image, d"] == [["toy_cloob (CLOOB)", "–", "–", "–", "400"]]


def test_two_encoders_of_one_arm_are_told_apart(tmp_path: Path) -> None:
    plant(tmp_path, ("d",), ("toy_infonce", "toy_cloob"))
    config = ReportConfig(ablation={"toy_infonce": "InfoNCE", "toy_cloob": "InfoNCE"})
    made = {table.name: table for table in tables(load_run(str(tmp_path), config))}
    assert [row[:2] for row in made["ablation"].blocks["d"]] == [["InfoNCE", "toy_cloob"], ["InfoNCE", "toy_infonce"]]
