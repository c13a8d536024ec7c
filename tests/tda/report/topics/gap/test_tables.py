"""Table I and the ablation, beside the paper."""

from collections.abc import Callable
from pathlib import Path

import pytest
from planted_report import plant

from tda.config import ReportConfig
from tda.report.data.load import Run, load_run
from tda.report.drawing.table import Table
from tda.report.topics.gap.tables import ablation, separability

Rows = Callable[[Table], list[dict[str, str]]]


def test_table_one_stands_beside_the_papers(planted_run: Run, csv_rows: Rows) -> None:
    by_cell = {(row["Data set"], row["Model"]): row for row in csv_rows(separability(planted_run))}
    row = by_cell["toy_heldout", "toy_cloob (CLOOB)"]
    assert [row[f"Paper: {score}"] for score in ("Accuracy", "Precision", "Recall")] == ["0.752", "0.732", "0.802"]
    assert float(row["All rows: Accuracy"]) == pytest.approx(0.55)
    assert [row[f"Held out: {score}"] for score in ("Accuracy", "Precision", "Recall")] == ["0.53"] * 3
    assert (row["Two PCs: Accuracy"], row["Accuracy on: toy_shifted"], row["Accuracy on: toy_heldout"]) == ("0.53", "0.53", "")
    assert by_cell["toy_shifted", "toy_infonce (CLIP)"]["Paper: Accuracy"] == "1.0"
    assert by_cell["toy_shifted", "toy_infoloob"]["Paper: Accuracy"] == ""


def test_the_ablation_has_every_arm(planted_run: Run, csv_rows: Rows) -> None:
    rows = csv_rows(ablation(planted_run))
    assert [row["Arm"] for row in rows[:4]] == ["InfoNCE", "InfoNCE + Hopfield", "InfoLOOB", "InfoLOOB + Hopfield"]
    assert [float(row["Gap: Distance"]) for row in rows[:4]] == [0.187, 0.198, 0.025, 0.027]
    assert rows[0]["Published: Img→txt"] == ""  # published for COCO alone
    assert rows[4]["Published: Img→txt"] == "0.1654"


def test_two_encoders_of_one_arm_are_told_apart(tmp_path: Path) -> None:
    plant(tmp_path, ("d",), ("toy_infonce", "toy_cloob"))
    config = ReportConfig(ablation={"toy_infonce": "InfoNCE", "toy_cloob": "InfoNCE"})
    assert [row[:2] for row in ablation(load_run(str(tmp_path), config)).blocks["d"]] == [
        ["InfoNCE", "toy_cloob"],
        ["InfoNCE", "toy_infonce"],
    ]
