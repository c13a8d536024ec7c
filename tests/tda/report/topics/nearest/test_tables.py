"""Tables of the shift between data sets, and of planted repeats found."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_cells import run_of
from planted_nearest import plant_nearest
from planted_report import CONFIG, plant, strip

from tda.report.data.load import Cell, Run, load_run
from tda.report.drawing.table import Table
from tda.report.topics.nearest.tables import recovery_table, shift_table

Rows = Callable[[Table], list[dict[str, str]]]
ENCODERS = ("toy_infonce", "toy_cloob")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("root")
    plant(root, ("toy_heldout", "toy_shifted"), ENCODERS)
    strip(root)
    for dataset in ("toy_heldout", "toy_shifted"):
        for encoder in ENCODERS:
            plant_nearest(root, dataset, encoder)
    return load_run(str(root), CONFIG)


def test_the_table_holds_every_shift_with_its_intervals(run: Run, csv_rows: Rows) -> None:
    rows = csv_rows(shift_table(run))
    assert [(row["Closest"], row["Model"]) for row in rows] == [
        (f"Closest {modality} of toy_train: toy_heldout against toy_shifted", model)
        for modality in ("image", "text")
        for model in ("toy_infonce (CLIP)", "toy_cloob (CLOOB)")
    ]
    for row in rows:
        first, second, difference = (float(row[f"Median cosine: {name}"]) for name in ("First", "Second", "Difference"))
        assert first - second == pytest.approx(difference)
        assert float(row["Its 95% interval: from"]) <= difference <= float(row["Its 95% interval: to"])
        assert 0 < float(row["95% interval: from"]) <= float(row["95% interval: to"]) <= 1
        assert float(row["Kolmogorov-Smirnov: Distance"]) > 0.4


def test_one_data_set_alone_has_no_shift(tmp_path: Path) -> None:
    plant(tmp_path, ("toy_shifted",), ("toy_cloob",))
    strip(tmp_path)
    plant_nearest(tmp_path, "toy_shifted", "toy_cloob")
    assert shift_table(load_run(str(tmp_path), CONFIG)).rows == []


def _evaluated(found: Sequence[tuple[str, float, str, float]], **dedupe: Any) -> Cell:
    """A view with these rows of evaluation.parquet: rule, threshold, kind, recall."""
    rule, threshold, kind, recall = (np.asarray(column) for column in zip(*found, strict=True))
    numbers = {"recall_low": recall - 0.1, "recall_high": recall + 0.1, "precision": recall / 2, "others": np.arange(len(found)) * 1000}
    columns = {"rule": rule, "threshold": threshold, "kind": kind, "recall": recall, **numbers}
    return Cell(dataset="d-minus-t", encoder="toy_cloob", metrics={}, parquet={"evaluation": columns}, dedupe=dedupe)


PLANTED = [
    ("decided", 0.0, "crop", 0.5), ("decided", 0.0, "", 0.75),
    ("text", 0.9, "crop", 0.4), ("text", 0.9, "resize", 0.2), ("text", 0.9, "", 0.3),
    ("text", 0.8, "", 0.9), ("image", 0.9, "", 0.1),
]  # fmt: skip
MADE = {"rows": 2000, "rows_kept": 1888, "by": "toy_infonce", "dropped": {"caption": 42, "image": 70}, "settings": {"rule": "text"}}


def test_repeats_are_found_as_decided_then_by_the_rule_in_use() -> None:
    table = recovery_table(run_of(_evaluated(PLANTED, **MADE)))
    assert table.blocks == {
        "d-minus-t, toy_cloob (CLOOB)": [
            ["as decided", "50.0%", "–", "75.0%", "65.0%", "85.0%", "37.5%", "1,000"],
            ["text, 0.8", "–", "–", "90.0%", "80.0%", "100.0%", "45.0%", "5,000"],
            ["text, 0.9", "40.0%", "20.0%", "30.0%", "20.0%", "40.0%", "15.0%", "4,000"],
        ]
    }
    assert [column.label for column in table.paged][1:4] == ["crop", "resize", "all"]


def test_without_settings_the_rule_is_by_image() -> None:
    (rows,) = recovery_table(run_of(_evaluated(PLANTED))).blocks.values()
    assert [row[0] for row in rows] == ["as decided", "image, 0.9"]


def test_what_was_dropped_is_said_once_for_equal_numbers() -> None:
    cells = [Cell(dataset="v", encoder=encoder, metrics={}, dedupe=MADE) for encoder in ENCODERS]
    kept = "v keeps 1,888 of 2,000 pairs; toy_infonce (CLIP) drops 42 by caption and 70 by image."
    assert recovery_table(run_of(cells[0])).sentences == [kept]
    assert recovery_table(run_of(*cells)).sentences == [f"{kept} The same under toy_infonce (CLIP) and toy_cloob (CLOOB)."]


def test_nothing_dropped_is_a_sentence_and_nothing_planted_no_rows() -> None:
    cell = Cell(dataset="v", encoder="toy_cloob", metrics={}, dedupe=MADE | {"rows_kept": 2000, "dropped": {}})
    table = recovery_table(run_of(cell, Cell(dataset="w", encoder="toy_cloob", metrics={})))
    assert table.sentences == ["v keeps 2,000 of 2,000 pairs; toy_infonce (CLIP) drops none."]
    assert table.rows == []
