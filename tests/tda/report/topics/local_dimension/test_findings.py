"""Sentences on local dimension follow the numbers."""

from planted_cells import one_cell, run_of
from planted_report import CONFIG

from tda.report.data.load import Cell
from tda.report.topics.local_dimension import findings


def test_ranks_of_clusters_stand_beside_the_whole_and_their_bound() -> None:
    rows = [{"effective_rank_image": rank, "images": images} for rank, images in ((3.0, 20), (5.0, 30), (9.0, 41))]
    (told,) = findings.cluster_ranks([one_cell(per_cluster=rows, spectrum={"image": {"effective_rank": 20.0}})], CONFIG, "image")
    assert "5.0 (3.0 to 9.0) against 20.0 over all rows in toy_cloob (CLOOB)" in told
    assert told.endswith("clusters hold 20 to 41 such rows, and rank stays below that.")


def test_without_a_comparison_each_model_speaks_for_itself() -> None:
    part = {"spearman": 0.6, "partial_spearman_given_size": -0.2, "ci95": {"partial_spearman_given_size": [-0.5, 0.1]}, "n_clusters": 20}
    run = run_of(one_cell(local_dimension=part))
    assert findings.local_dimension(run, "auc") == [
        (
            "On d top-1 in a cluster correlates with the area under its spectrum, given its size, by −0.20 (−0.50 to +0.10) "
            "in toy_cloob (CLOOB)."
        )
    ]
    assert "from +0.60 to −0.20 (−0.50 to +0.10) in toy_cloob" in findings.taken_out(run)[0]
    assert "too few, or too alike" in findings.local_dimension(run, "effective_rank")[0]
    assert findings.local_dimension(run_of(one_cell()), "auc") == []


def test_a_data_set_that_was_not_compared_speaks_beside_one_that_was() -> None:
    part = {"partial_spearman_given_size": 0.5, "ci95": {}, "n_clusters": 20}
    other = Cell(dataset="e", encoder="toy_cloob", metrics={"local_dimension": part})
    run = run_of(one_cell(local_dimension=part), other, comparisons={"prediction_2": {"sentence": "Prediction 2 is undecided."}})
    assert findings.local_dimension(run, "auc") == [
        "On d: Prediction 2 is undecided.",
        "On e top-1 in a cluster correlates with the area under its spectrum, given its size, by +0.50 in toy_cloob (CLOOB).",
    ]
