"""Table II, beside the paper."""

from collections.abc import Callable
from pathlib import Path

from planted_cells import one_cell, run_of
from planted_report import CONFIG, plant_cell

from tda.config.stages import ReportConfig
from tda.report.data.load import Run, load_run
from tda.report.drawing.table import Table
from tda.report.topics.registry import tables
from tda.report.topics.retrieval.tables import retrieval

Rows = Callable[[Table], list[dict[str, str]]]


def test_table_two_stands_beside_the_papers(paper_sized_run: Run, csv_rows: Rows) -> None:
    by_cell = {(row["Task"], row["Data set"], row["Model"]): row for row in csv_rows(retrieval(paper_sized_run))}
    assert len(by_cell) == 2 * 2 * 4
    clip = by_cell["Text to image", "toy_shifted", "toy_infonce (CLIP)"]
    assert (clip["Paper: Top-5"], clip["Paper: Top-1"]) == ("0.635", "0.371")
    assert (clip["This run: Top-1"], clip["This run: Candidates"]) == ("0.7", "5000.0")
    cloob = by_cell["Image to text", "toy_heldout", "toy_cloob (CLOOB)"]
    assert (cloob["Paper: Top-5"], cloob["Paper: Top-1"]) == ("0.953", "0.876")
    assert float(cloob["Less the paper's: Top-1"]) == float(cloob["This run: Top-1"]) - 0.876


def test_fewer_candidates_do_not_stand_beside_the_papers(planted_run: Run) -> None:
    assert [group for group, _ in retrieval(planted_run).groups] == ["", "This run"]


def test_the_page_leaves_out_what_the_paper_has_nothing_for(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    made = {table.name: table for table in tables(load_run(str(tmp_path), ReportConfig()))}
    assert {"table1", "table2"} <= set(made)
    assert {"ablation", "compared"}.isdisjoint(made)
    assert [group for group, _ in made["table2"].groups] == ["", "This run"]
    assert made["table2"].blocks["Image to text, d"] == [["toy_cloob", "91.0%", "76.0%", "1", "400"]]
    assert "Paper: Top-1" in made["table2"].csv().decode()


def test_what_was_not_measured_is_a_dash_or_no_table(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob", metrics={"separability": {}, "retrieval": {"image_to_text": {"top1": 0.5}}})
    made = {table.name: table for table in tables(load_run(str(tmp_path), CONFIG))}
    assert "table1" not in made
    assert made["table2"].blocks["Text to image, d"] == [["toy_cloob (CLOOB)", "–", "–", "–", "400"]]


def test_candidates_are_the_pairs_where_all_were_used() -> None:
    part = {"image_to_text": {"top1": 0.5, "top5": 0.75, "median_rank": 1.5}}
    table = retrieval(run_of(one_cell(retrieval=part, pairs=1234), one_cell("a")))
    assert table.blocks["Image to text, d"] == [["toy_cloob (CLOOB)", "75.0%", "50.0%", "1.5", "1,234"]]
    assert retrieval(run_of(one_cell(retrieval=part | {"pairs_used": 99}, pairs=1234))).rows[0][6] == 99


def test_drawn_queries_stand_with_their_number_and_intervals(csv_rows: Rows) -> None:
    own = {"top1": 0.5, "top5": 0.75, "median_rank": 1.5, "ci95": {"top1": [0.49, 0.51], "top5": [0.74, 0.76], "median_rank": [1, 2]}}
    drawn = one_cell(retrieval={"image_to_text": own, "text_to_image": own, "pairs_used": 1_000_000, "n_queries": 20_000})
    whole = one_cell("a", retrieval={"image_to_text": {"top1": 0.4}, "pairs_used": 400})
    table = retrieval(run_of(drawn, whole))
    shown, other = table.blocks["Image to text, d"]
    assert shown[1:] == ["75.0%", "50.0%", "1.5", "1,000,000", "20,000", "74.0% to 76.0%", "49.0% to 51.0%", "1 to 2"]
    assert other[4:] == ["400", "400", "–", "–", "–"]
    row = csv_rows(table)[0]
    assert (row["This run: Queries"], row["This run: Top-1, upper end of 95% interval"]) == ("20000", "0.51")
    assert "intervals are binomial" in table.note


def test_tasks_are_named_by_the_modalities(planted_run: Run) -> None:
    cell = one_cell(retrieval={"image_to_text": {"top1": 0.5}}, modalities=["passage", "review"])
    assert list(retrieval(run_of(cell)).blocks) == ["Review to passage, d", "Passage to review, d"]
    assert list(retrieval(planted_run).blocks)[:2] == ["Text to image, toy_heldout", "Text to image, toy_shifted"]


def test_the_verdict_follows_the_best(planted_run: Run) -> None:
    sentences = retrieval(planted_run).sentences
    assert [" best: " in sentence for sentence in sentences] == [True, True, False, False]
    assert all(" Prediction 1 is " in sentence for sentence in sentences[2:])
