"""The alignment table's sentence follows the numbers."""

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell, Run
from tda.report.topics.gap.alignment import alignment, closest
from tda.report.topics.registry import tables


def _cell(encoder: str, distance: float, across: float) -> Cell:
    uniformity = {name: {"value": across, "standard_error": 0.0, "exact": True} for name in ("image", "text", "across")}
    return Cell(
        dataset="d", encoder=encoder, metrics={"alignment": {"mean_squared_distance": distance, "uniformity": uniformity}}, sweep={}
    )


def test_closest_pairs_and_lowest_uniformity_are_named() -> None:
    (sentence,) = closest([_cell("a", 1.25, -3.5), _cell("b", 0.75, -2.0)], ReportConfig())
    assert sentence == (
        "On d, pairs are closest in b (mean squared distance 0.750); rows spread most evenly across modalities in a (uniformity −3.500)."
    )


def test_one_model_alone_has_no_order() -> None:
    assert closest([_cell("a", 1.25, -3.5)], ReportConfig()) == [
        "On d, the mean squared distance of pairs is 1.250 in a; uniformity across modalities is −3.500."
    ]


def test_the_table_has_every_space_with_its_error_in_the_csv() -> None:
    cells = (_cell("a", 1.25, -3.5), Cell(dataset="d", encoder="b", metrics={}))
    table = alignment(Run(root="", config=ReportConfig(models={"a": "CLIP"}), cells=cells))
    assert table.blocks == {"d": [["a (CLIP)", "1.250", "−3.500", "−3.500", "−3.500"]]}
    assert table.csv().decode().splitlines()[1] == "d,a (CLIP),1.25,-3.5,-3.5,-3.5,0.0,0.0,0.0"
    assert [group for group, _ in table.groups] == ["", "Pairs", "Uniformity"]
    assert [column.label for column in table.columns][3:6] == ["Image", "Text", "Across"]


def test_nothing_measured_is_no_sentence_and_no_table() -> None:
    run = Run(root="", config=ReportConfig(), cells=(Cell(dataset="d", encoder="a", metrics={}, sweep={}),), comparisons={})
    assert closest(run.cells, run.config) == []
    assert "alignment" not in [table.name for table in tables(run)]
