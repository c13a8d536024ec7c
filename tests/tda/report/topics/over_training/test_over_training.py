"""Checkpoints of two training runs with planted numbers: lines, gaps, the table, and what the rest of the page leaves out."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from planted_report import CONFIG, plant

from tda.config.stages import ReportConfig
from tda.report.data.load import Run, load_run
from tda.report.page import build
from tda.report.topics.over_training import figure, findings
from tda.report.topics.over_training.numbers import measured
from tda.report.topics.over_training.tables import over_training

STEPS = {100: 0.5, 200: None, 300: 0.3, 400: 0.1}  # step -> gap; None: it failed


def plant_run(root: Path, model: str = "mine", dataset: str = "toy_shifted", **numbers: Any) -> None:
    rows = []
    for step, gap in STEPS.items():
        rows.append({"step": step, "encoder": f"{model}@{step}", "state": "given up" if gap is None else "succeeded"})
        if gap is None:
            continue
        folder = root / "analysis" / dataset / f"{model}@{step}"
        folder.mkdir(parents=True)
        head = {
            "schema": 1,
            "dataset": dataset,
            "encoder": f"{model}@{step}",
            "pairs": 60,
            "dim": 16,
            "config_hash": "c",
            "part_hashes": {},
        }
        found = {"gap": {"centroid_distance": gap}, "retrieval": {"image_to_text": {"top1": 1 - gap}, "pairs_used": 60}, **numbers}
        (folder / "metrics.json").write_text(json.dumps(head | found))
    listed = {"schema": 1, "name": model, "datasets": [dataset], "checkpoints": rows}
    (root / "watch" / model).mkdir(parents=True)
    (root / "watch" / model / "checkpoints.json").write_text(json.dumps(listed))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    plant_run(tmp_path)
    return load_run(str(tmp_path), ReportConfig())


def test_the_table_has_a_row_for_each_step_and_no_numbers_where_one_failed(run: Run) -> None:
    table = over_training(run)
    assert [column.label for column in table.columns] == ["Model", "Data set", "Step", "Gap", "Top-1, image to text", "State"]
    assert table.rows == [
        ["mine", "toy_shifted", 100, 0.5, 0.5, "analysed"],
        ["mine", "toy_shifted", 200, None, None, "given up"],
        ["mine", "toy_shifted", 300, 0.3, 0.7, "analysed"],
        ["mine", "toy_shifted", 400, 0.1, 0.9, "analysed"],
    ]
    assert list(csv.reader(table.csv().decode().splitlines()))[2] == ["mine", "toy_shifted", "200", "", "", "given up"]


def test_sentences_give_the_ends_and_name_what_is_missing(run: Run) -> None:
    assert findings.over_training(run) == [
        "mine on toy_shifted, from step 100 to 400: Gap 0.500 to 0.100 and Top-1, image to text 50.0% to 90.0%.",
        "mine on toy_shifted has no numbers at step 200 (given up).",
    ]


def test_a_line_is_broken_where_a_checkpoint_failed(run: Run) -> None:
    (spec,) = figure.FIGURES
    gap, top1 = spec.panels(run)
    assert [gap.title, top1.title, gap.row] == ["Gap", "Top-1, image to text", "toy_shifted"]
    axes = Figure().subplots()
    gap.draw(axes)
    line, mark = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), [100, 200, 300, 400])
    np.testing.assert_array_equal(line.get_ydata(), [0.5, np.nan, 0.3, 0.1])
    assert mark.get_xdata() == [200, 200]


def test_models_have_a_line_each_with_its_name(tmp_path: Path) -> None:
    plant_run(tmp_path)
    plant_run(tmp_path, "other")
    (spec,) = figure.FIGURES
    axes = Figure().subplots()
    spec.panels(load_run(str(tmp_path), ReportConfig()))[0].draw(axes)
    assert [text.get_text() for text in axes.texts] == ["mine", "other"]
    first, second = (line for line in axes.lines if len(line.get_xdata()) == len(STEPS))
    assert (first.get_color(), first.get_linestyle()) != (second.get_color(), second.get_linestyle())


def test_the_rest_of_the_page_shows_the_last_checkpoint_alone(run: Run, tmp_path: Path) -> None:
    assert run.encoders == ["mine@400"]
    assert [point.step for point in run.watched if point.metrics] == [100, 300, 400]
    named = load_run(str(tmp_path), ReportConfig(models={"mine@100": "CLIP"}))
    assert set(named.encoders) == {"mine@100", "mine@400"}  # one that the user has named stays


def test_a_checkpoint_that_was_analysed_elsewhere_has_no_numbers_here(tmp_path: Path) -> None:
    plant_run(tmp_path)
    (tmp_path / "analysis/toy_shifted/mine@300/metrics.json").unlink()
    table = over_training(load_run(str(tmp_path), ReportConfig()))
    assert table.rows[2] == ["mine", "toy_shifted", 300, None, None, "analysed elsewhere"]


def test_every_headline_number_is_found_where_the_analysis_writes_it(tmp_path: Path) -> None:
    root = plant(tmp_path, datasets=("toy_shifted",), encoders=("toy_infonce",))
    whole = json.loads((tmp_path / "analysis/toy_shifted/toy_infonce/metrics.json").read_text())
    plant_run(tmp_path, **{part: whole[part] for part in ("cosine", "separability", "spectrum", "retrieval")})
    found = [number.label for number in measured(load_run(root, CONFIG))]
    assert found == [
        "Gap", "Pair cosine", "Random cosine", "SVM held out", "Top-1, {first} to {second}", "Top-1, {second} to {first}",
        "Effective rank, {first}", "Effective rank, {second}",
    ]  # fmt: skip


def test_the_page_has_the_figure_and_its_files_and_without_checkpoints_no_trace_of_it(tmp_path: Path) -> None:
    plant_run(tmp_path / "a")
    built = build(str(tmp_path / "a"), ReportConfig(contact=0))
    assert {"over_training.csv", "over_training.svg", "over_training.png"} <= set(built.files)
    assert "Numbers over the steps of training" in (tmp_path / "a/report/index.html").read_text()
    plant(tmp_path / "b", datasets=("toy_shifted",), encoders=("toy_infonce",))
    plain = build(str(tmp_path / "b"), CONFIG)
    assert "Over training" not in (tmp_path / "b/report/index.html").read_text()
    assert "" not in plain.missing
