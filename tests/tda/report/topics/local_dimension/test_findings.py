"""Sentences on local dimension follow the numbers."""

from typing import Any

import pytest
from planted_cells import one_cell, run_of
from planted_report import CONFIG

from tda.report.data.load import Cell
from tda.report.topics.local_dimension import findings


def _ranked(encoder: str, ranks: tuple[float, ...], whole: float | None) -> Cell:
    rows = [{"effective_rank_image": rank, "images": 20 + place} for place, rank in enumerate(ranks)]
    spectrum = {} if whole is None else {"image": {"effective_rank": whole}}
    return one_cell(encoder, per_cluster=rows, spectrum=spectrum)


def test_ranks_of_clusters_stand_beside_the_whole_and_their_bound() -> None:
    assert findings.cluster_ranks([_ranked("toy_cloob", (3.0, 5.0, 9.0), 20.0)], CONFIG, "image") == [
        (
            "On d, a cluster takes fewer dimensions than all rows together in toy_cloob (CLOOB): median effective rank 5.0 against 20.0. "
            "The rank of a cluster stays below its number of rows, here 20 to 22."
        )
    ]


def test_models_are_grouped_by_how_clusters_compare() -> None:
    cells = [_ranked("a", (5.0,), 20.0), _ranked("b", (16.1,), 20.0), _ranked("c", (30.0,), 20.0)]
    (sentence,) = findings.cluster_ranks(cells, CONFIG, "image")
    assert sentence.startswith(
        "On d, a cluster takes fewer dimensions than all rows together in a, takes about as many as all rows in b, and takes more than "
        "all rows in c: median effective rank 5.0 to 30.0 against 20.0."
    )


def test_without_the_whole_the_medians_stand_alone() -> None:
    cells = [_ranked("a", (5.0, 7.0), 20.0), _ranked("b", (9.0,), None)]
    assert findings.cluster_ranks(cells, CONFIG, "image")[0].startswith("On d, the median effective rank of a cluster is 6.0 to 9.0. ")


def test_ranks_of_both_modalities_are_bound_by_all_rows() -> None:
    rows = [{"effective_rank": 4.0, "size": 1500}, {"effective_rank": None, "size": 9}]
    (sentence,) = findings.cluster_ranks([one_cell(per_cluster=rows)], CONFIG, "both")
    assert sentence.endswith("effective rank of a cluster is 4.0. The rank of a cluster stays below its number of rows, here 9 to 1,500.")
    assert findings.cluster_ranks([one_cell(per_cluster=rows)], CONFIG, "text") == []


def _part(partial: float | None, interval: list[float | None] | None = None, plain: float = 0.6) -> dict[str, Any]:
    ci95 = {} if interval is None else {"ci95": {"partial_spearman_given_size": interval}}
    return {"spearman": plain, "partial_spearman_given_size": partial, "n_clusters": 20, **ci95}


def _sentence(**parts: dict[str, Any]) -> str:
    (sentence,) = findings.local_dimension(run_of(*(one_cell(encoder, local_dimension=part) for encoder, part in parts.items())), "auc")
    return sentence


def test_clear_correlations_are_named_and_noise_is_not() -> None:
    found = _sentence(
        toy_infonce=_part(0.4, [0.16, 0.6]), a=_part(0.01, [-0.2, 0.3]), toy_cloob=_part(-0.3, [-0.5, -0.1]), b=_part(-0.05, [-0.4, 0.3])
    )
    assert found == (
        "On d, at equal cluster size, top-1 in a cluster rises with the area under its spectrum: +0.40 (+0.16 to +0.60) in toy_infonce "
        "(CLIP); falls with the area under its spectrum: −0.30 (−0.50 to −0.10) in toy_cloob (CLOOB); there is no clear relation in a and "
        "b: −0.05 to +0.01."
    )


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ([-0.5, 0.1], "shows no clear relation to the area under its spectrum in toy_cloob (CLOOB): −0.20 (−0.50 to +0.10)."),
        ([-0.5, -0.1], "falls with the area under its spectrum: −0.20 (−0.50 to −0.10) in toy_cloob (CLOOB)."),
        (None, "shows no clear relation to the area under its spectrum in toy_cloob (CLOOB): −0.20."),
        ([None, None], "shows no clear relation to the area under its spectrum in toy_cloob (CLOOB): −0.20."),
    ],
)
def test_a_correlation_is_clear_where_its_interval_excludes_0(interval: list[float | None] | None, words: str) -> None:
    assert _sentence(toy_cloob=_part(-0.2, interval)) == f"On d, at equal cluster size, top-1 in a cluster {words}"


def test_no_clear_relation_in_any_model_is_one_statement() -> None:
    found = _sentence(a=_part(-0.2, [-0.5, 0.1]), b=_part(0.1, [-0.5, 0.4]))
    assert found.endswith("shows no clear relation to the area under its spectrum in either model: −0.20 to +0.10.")


def test_the_effective_rank_is_read_from_its_own_correlations() -> None:
    by = {"effective_rank": {"image_to_text": _part(0.5, [0.3, 0.7])}}
    run = run_of(one_cell(local_dimension={**_part(-0.2, [-0.5, -0.1]), "by": by}))
    assert "rises with its effective rank: +0.50 (+0.30 to +0.70) in" in findings.local_dimension(run, "effective_rank")[0]
    assert "falls with the area under its spectrum: −0.20" in findings.local_dimension(run, "auc")[0]


def test_too_few_clusters_are_no_correlation() -> None:
    run = run_of(one_cell(local_dimension=_part(-0.2)))
    assert findings.local_dimension(run, "effective_rank") == [
        "On d, clusters are too few, or too alike, to correlate retrieval in a cluster with its effective rank."
    ]
    assert "too few, or too alike" in _sentence(toy_cloob=_part(None))
    assert findings.local_dimension(run_of(one_cell()), "auc") == []


def test_taking_size_out_changes_what_leaves_the_interval() -> None:
    def sentence(**parts: dict[str, Any]) -> str:
        return findings.taken_out(run_of(*(one_cell(encoder, local_dimension=part) for encoder, part in parts.items())))[0]

    moved, kept = _part(-0.2, [-0.5, 0.1], plain=0.6), _part(0.2, [0.0, 0.4], plain=0.3)
    change = (
        "On d, taking cluster size out changes the correlation of area and top-1 from +0.60 to −0.20 (−0.50 to +0.10) in toy_cloob (CLOOB)"
    )
    assert sentence(toy_cloob=moved) == f"{change}."
    assert sentence(toy_cloob=moved, a=kept) == f"{change}; in the other models it stays within its 95% interval."
    assert sentence(a=kept) == (
        "On d, taking cluster size out does not clearly change the correlation of area and top-1: "
        "from +0.30 to +0.20 (+0.00 to +0.40) in a."
    )


def test_a_data_set_that_was_not_compared_stands_beside_one_that_was() -> None:
    other = Cell(dataset="e", encoder="toy_cloob", metrics={"local_dimension": _part(0.5, [0.3, 0.7])})
    run = run_of(one_cell(local_dimension=_part(0.5)), other, comparisons={"prediction_2": {"sentence": "Prediction 2 is undecided."}})
    verdict, own = findings.local_dimension(run, "auc")
    assert verdict == "On d, Prediction 2 is undecided."
    assert own.startswith("On e, at equal cluster size, top-1 in a cluster rises with the area under its spectrum: +0.50 ")
    assert [found.split()[1] for found in findings.local_dimension(run, "effective_rank")] == ["d,", "e,"]
