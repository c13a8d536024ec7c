"""The alignment table's sentence follows the numbers."""

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell, Run
from tda.report.topics.gap.alignment import closest
from tda.report.topics.registry import tables


def _cell(encoder: str, distance: float, across: float) -> Cell:
    uniformity = {name: {"value": across, "standard_error": 0.0, "exact": True} for name in ("image", "text", "across")}
    return Cell(
        dataset="d", encoder=encoder, metrics={"alignment": {"mean_squared_distance": distance, "uniformity": uniformity}}, sweep={}
    )


def test_closest_pairs_and_lowest_uniformity_are_named() -> None:
    (sentence,) = closest([_cell("a", 1.25, -3.5), _cell("b", 0.75, -2.0)], ReportConfig())
    assert sentence == (
        "On d b has the closest pairs, at a mean squared distance of 0.750, and a the lowest uniformity across modalities, −3.500."
    )


def test_nothing_measured_is_no_sentence_and_no_table() -> None:
    run = Run(root="", config=ReportConfig(), cells=(Cell(dataset="d", encoder="a", metrics={}, sweep={}),), comparisons={})
    assert closest(run.cells, run.config) == []
    assert "alignment" not in [table.name for table in tables(run)]
