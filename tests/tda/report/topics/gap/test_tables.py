"""Table I and the ablation, beside the paper."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted_report import N, plant

from tda.config.stages import ReportConfig
from tda.report.data.load import Run, load_run
from tda.report.drawing.table import Table
from tda.report.topics.gap.tables import ablation, separability

Rows = Callable[[Table], list[dict[str, str]]]


def test_table_one_stands_beside_the_papers(paper_sized_run: Run, csv_rows: Rows) -> None:
    by_cell = {(row["Data set"], row["Model"]): row for row in csv_rows(separability(paper_sized_run))}
    row = by_cell["toy_heldout", "toy_cloob (CLOOB)"]
    assert [row[f"Paper: {score}"] for score in ("Accuracy", "Precision", "Recall")] == ["0.752", "0.732", "0.802"]
    assert float(row["All rows: Accuracy"]) == pytest.approx(0.55)
    assert [row[f"Held out: {score}"] for score in ("Accuracy", "Precision", "Recall")] == ["0.53"] * 3
    assert (row["Two PCs: Accuracy"], row["Accuracy on: toy_shifted"], row["Accuracy on: toy_heldout"]) == ("0.53", "0.53", "")
    assert by_cell["toy_shifted", "toy_infonce (CLIP)"]["Paper: Accuracy"] == "1.0"
    assert by_cell["toy_shifted", "toy_infoloob"]["Paper: Accuracy"] == ""
    assert float(row["Less the paper's: Accuracy"]) == pytest.approx(0.55 - 0.752)
    assert by_cell["toy_shifted", "toy_infoloob"]["Less the paper's: Accuracy"] == ""


def test_the_papers_numbers_stand_only_beside_about_as_many_pairs(planted_run: Run, paper_sized_run: Run, csv_rows: Rows) -> None:
    for run, stands in ((planted_run, False), (paper_sized_run, True)):
        rows = [*csv_rows(separability(run)), *csv_rows(ablation(run))]
        assert any(row.get("Paper: Accuracy") or row.get("Published: Img→txt") for row in rows) is stands
        assert any("Less the" in group for table in (separability(run), ablation(run)) for group, _ in table.groups) is stands


def test_the_ablation_has_every_arm(paper_sized_run: Run, csv_rows: Rows) -> None:
    rows = csv_rows(ablation(paper_sized_run))
    assert [row["Arm"] for row in rows[:4]] == ["InfoNCE", "InfoNCE + Hopfield", "InfoLOOB", "InfoLOOB + Hopfield"]
    assert [float(row["Gap: Distance"]) for row in rows[:4]] == [0.187, 0.198, 0.025, 0.027]
    assert rows[0]["Published: Img→txt"] == ""  # published for COCO alone
    assert rows[4]["Published: Img→txt"] == "0.1654"
    assert float(rows[4]["Less the published: Img→txt"]) == pytest.approx(0.72 - 0.1654)


def test_two_encoders_of_one_arm_are_distinguished(tmp_path: Path) -> None:
    plant(tmp_path, ("d",), ("toy_infonce", "toy_cloob"))
    config = ReportConfig(ablation={"toy_infonce": "InfoNCE", "toy_cloob": "InfoNCE"})
    assert [row[:2] for row in ablation(load_run(str(tmp_path), config)).blocks["d"]] == [
        ["InfoNCE", "toy_cloob"],
        ["InfoNCE", "toy_infonce"],
    ]


def test_gaps_stand_beside_what_chance_shows(planted_run: Run, csv_rows: Rows) -> None:
    row = csv_rows(ablation(planted_run))[0]
    assert float(row["Gap: By chance"]) == pytest.approx(np.sqrt((2 - 2 * 0.71) / N))
    assert float(row["Gap: Relative"]) == pytest.approx(0.187 / 0.9)
    assert [row[f"Mean cosine: {kind}"] for kind in ("Pairs", "Random")] == ["0.71", "0.056"]
    ranks = [float(row[f"Effective rank: {rows}"]) for rows in ("Image", "Text", "Both")]
    assert ranks == pytest.approx([30 / 1.3, 0.6 * 30 / 1.3, 0.9 * 30 / 1.3])
    assert [row[f"Top-1: {way}"] for way in ("Img→txt", "Txt→img")] == ["0.72", "0.7"]


def test_one_encoder_an_arm_needs_no_name_on_the_page(planted_run: Run) -> None:
    table = ablation(planted_run)
    assert table.blocks["toy_heldout"][0][:3] == ["InfoNCE", "0.187", "0.038"]
    assert "toy_infonce," in table.csv().decode()


def test_encoders_without_an_arm_make_no_ablation(planted_run: Run) -> None:
    table = ablation(replace(planted_run, config=ReportConfig()))
    assert (table.rows, table.sentences) == ([], [])


def test_the_page_shows_held_out_accuracy_alone(paper_sized_run: Run) -> None:
    table = separability(paper_sized_run)
    assert table.groups == [
        ("", 1),
        ("All rows", 3),
        ("Paper", 3),
        ("Less the paper's", 1),
        ("Held out", 1),
        ("Two PCs", 1),
        ("Accuracy on", 2),
    ]
    assert table.blocks["toy_heldout"][0][-4:] == ["97.0%", "91.0%", "97.0%", "–"]
    assert table.title == "A linear classifier of text rows against image rows"


def test_cells_without_separability_are_left_out(planted_run: Run) -> None:
    first, *rest = planted_run.cells
    table = separability(replace(planted_run, cells=(replace(first, metrics={}), *rest)))
    assert len(table.rows) == len(rest)
    assert next(row[1] for row in table.rows) == "toy_infonce_hopfield"
