"""The table of local dimension."""

from collections.abc import Callable

from planted_cells import one_cell, run_of

from tda.report.data.load import Run
from tda.report.drawing.table import Table
from tda.report.topics.local_dimension.tables import local

Rows = Callable[[Table], list[dict[str, str]]]


def test_local_dimension_has_models_and_all_pooled(planted_run: Run, csv_rows: Rows) -> None:
    rows = [row for row in csv_rows(local(planted_run)) if row["Data set"] == "toy_shifted"]
    assert [row["Model"] for row in rows][-1] == "All models, pooled"
    assert rows[-1]["Clusters"] == "64"
    low, value, high = (float(rows[0][name]) for name in ("95% interval: from", "AUC, both ways: Given size", "95% interval: to"))
    assert low <= value <= high
    assert all(rows[0][f"{kind}, given size: {way}"] for kind in ("AUC", "Rank") for way in ("Img→txt", "Txt→img"))
    assert local(planted_run).blocks["toy_shifted"][0][4] == f"{low:+.2f} to {high:+.2f}"


PART = {
    "n_clusters": 20, "pearson": 0.1, "spearman": 0.6, "partial_spearman_given_size": -0.2,
    "ci95": {"partial_spearman_given_size": [-0.5, 0.1]},
    "by": {"effective_rank": {"text_to_image": {"partial_spearman_given_size": 0.25}}},
}  # fmt: skip


def test_the_page_shows_rank_correlations_with_their_interval() -> None:
    table = local(run_of(one_cell(local_dimension=PART), one_cell("a")))
    assert table.blocks == {"d": [["toy_cloob (CLOOB)", "20", "+0.60", "−0.20", "−0.50 to +0.10", "–", "–", "–", "+0.25"]]}
    assert table.groups == [("", 2), ("AUC, both ways", 3), ("AUC, given size", 2), ("Rank, given size", 2)]
    assert table.csv().decode().splitlines()[1] == "d,toy_cloob (CLOOB),20,0.1,0.6,-0.2,-0.5,0.1,,,,0.25"


def test_clusters_that_were_too_few_are_dashes_with_the_remark() -> None:
    none = {"n_clusters": 1, "spearman": None, "ci95": {}, "notes": ["too few clusters"]}
    table = local(run_of(one_cell(local_dimension=none)))
    assert table.blocks["d"] == [["toy_cloob (CLOOB)", "1", *["–"] * 7]]
    assert table.remarks == ["d, toy_cloob (CLOOB): too few clusters"]


def test_other_modalities_name_the_directions() -> None:
    cell = one_cell(local_dimension=PART, modalities=["passage", "review"])
    assert [column.label for column in local(run_of(cell)).columns][-2:] == ["Passage→review", "Review→passage"]


def test_the_verdict_on_prediction_two_is_the_sentence() -> None:
    run = run_of(one_cell(local_dimension=PART), comparisons={"prediction_2": {"sentence": "Prediction 2 is undecided: -0.1."}})
    assert local(run).sentences == ["On d, Prediction 2 is undecided: −0.1."]
    assert local(run_of(one_cell(local_dimension=PART))).sentences == []
