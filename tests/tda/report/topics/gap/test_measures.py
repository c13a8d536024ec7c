"""The table of other papers' measures and its sentence."""

from typing import Any

import pytest

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell, Run
from tda.report.topics.gap.measures import COLUMNS, measures


def run_of(*cells: Cell) -> Run:
    return Run(root="r", config=ReportConfig(), cells=cells)


def cell(encoder: str, rmg: float, p_value: float | None, **more: Any) -> Cell:
    sampled = None if p_value is None else {"own_modality": {"value": 0.75, "p_value": p_value}, "procrustes": {"top1": 0.5}}
    part = {"relative_modality_gap": rmg, "cone": {"image": 0.1, "text": 0.2}, "sampled": sampled, **more}
    return Cell(dataset="d", encoder=encoder, metrics={"gap_measures": part})


def test_a_row_a_model_with_null_for_what_was_not_measured() -> None:
    table = measures(run_of(cell("a", 0.3, 0.01), cell("b", 0.6, None), Cell(dataset="d", encoder="c", metrics={})))
    assert [row[1] for row in table.rows] == ["a", "b"]
    places = {(group, label): 2 + place for place, (group, label, *_) in enumerate(COLUMNS)}
    first, second = table.rows
    assert (first[places["Distance", "RMG"]], second[places["Distance", "RMG"]]) == (0.3, 0.6)
    assert first[places["Mean cosine within", "{second}"]] == 0.2
    assert (first[places["Two samples", "p"]], second[places["Two samples", "p"]]) == (0.01, None)
    assert first[places["After a rotation", "top-1"]] == 0.5
    assert len(table.columns) == len(first) == 2 + len(COLUMNS)


@pytest.mark.parametrize(
    ("p_values", "ending"),
    [
        ((0.001, 0.4), "a two-sample test separates the modalities in a."),
        ((0.001, 0.049), "a two-sample test separates the modalities in a and b."),
        ((0.3, 0.05), "no two-sample test separates the modalities."),
    ],
)
def test_the_sentence_names_the_range_and_the_models_that_a_test_separates(p_values: tuple[float, float], ending: str) -> None:
    (sentence,) = measures(run_of(cell("a", 0.6, p_values[0]), cell("b", 0.3, p_values[1]))).sentences
    assert sentence == f"On d, RMG goes from 0.300 (b) to 0.600 (a); {ending}"


def test_one_model_has_no_range_and_a_note_is_shown() -> None:
    table = measures(run_of(cell("a", 0.6, 0.001, notes=["few"])))
    assert table.sentences == ["On d, RMG is 0.600 (a); a two-sample test separates the modalities in a."]
    assert table.remarks == ["d / a: few"]


def test_nothing_measured_is_no_table() -> None:
    assert measures(run_of(Cell(dataset="d", encoder="a", metrics={}))).rows == []
