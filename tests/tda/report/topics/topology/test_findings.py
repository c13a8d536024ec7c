"""Sentences on topology, and on how different models are, follow the numbers."""

from typing import Any

from planted_cells import one_cell, run_of
from planted_report import CONFIG

from tda.config.stages import ReportConfig
from tda.report.data.load import Run
from tda.report.topics.topology import findings


def _homology(both: float, *alone: float, loops: float | None = None, std: float | None = None) -> dict[str, Any]:
    part: dict[str, Any] = {name: {"h0": {"longest": angle}} for name, angle in zip(("image", "text"), alone, strict=False)}
    part["both"] = {"h0": {"longest": both}, "h1": {"total_persistence": loops}}
    part["both"]["stability"] = {"h1": {"total_persistence": {"std": std}}}
    return part


def test_a_gap_shows_where_both_join_later_than_either_alone() -> None:
    cells = [one_cell("toy_infonce", homology=_homology(0.9, 0.4, 0.3)), one_cell("toy_cloob", homology=_homology(0.41, 0.4, 0.3))]
    assert findings.homology(cells, CONFIG) == [
        (
            "On d, components show a gap in toy_infonce (CLIP), not in toy_cloob (CLOOB): both modalities join later than either alone, "
            "0.90 against 0.40 radians."
        )
    ]
    assert "show a gap in toy_infonce (CLIP): both" in findings.homology(cells[:1], CONFIG)[0]


def test_a_join_about_as_late_as_one_alone_is_no_gap() -> None:
    cells = [one_cell("toy_infonce", homology=_homology(0.49, 0.3, 0.4)), one_cell("toy_cloob", homology=_homology(0.38, 0.4, 0.3))]
    assert findings.homology(cells, CONFIG) == [
        "On d, components show no gap in either model: both modalities join at 0.38 to 0.49 radians, about as one alone."
    ]
    assert "show no gap in toy_infonce (CLIP): " in findings.homology(cells[:1], CONFIG)[0]


def test_without_each_alone_the_join_is_a_number() -> None:
    cells = [one_cell("toy_infonce", homology=_homology(0.9, 0.4)), one_cell("toy_cloob", homology=_homology(0.7, 0.4, 0.3))]
    assert findings.homology(cells, CONFIG) == ["On d, the last components of both modalities together join at 0.70 to 0.90 radians."]
    assert findings.homology([one_cell(homology={"image": {"h0": {"longest": 0.4}}})], CONFIG) == []


def test_loops_are_ranked_with_their_spread() -> None:
    cells = [
        one_cell("toy_infonce", homology=_homology(0.9, loops=4.5, std=0.3)),
        one_cell("toy_cloob", homology=_homology(0.9, loops=9.0)),
        one_cell("a", homology=_homology(0.9)),
    ]
    assert findings.homology(cells, CONFIG)[0].endswith(
        " add up to most in toy_cloob (CLOOB), 9.00, and least in toy_infonce (CLIP), 4.50 ± 0.30 over landmark seeds."
    )
    assert findings.homology(cells[:1], CONFIG)[0].endswith(
        " The lifetimes of loops add up to 4.50 ± 0.30 over landmark seeds in toy_infonce (CLIP)."
    )
    equal = [cells[0], one_cell("a", homology=_homology(0.9, loops=5.0))]
    assert findings.homology(equal, CONFIG)[0].endswith(" The lifetimes of loops add up to about the same in both models, 4.50 to 5.00.")


def _pair(a: str, b: str, shared: float, modality: str = "both", **more: Any) -> dict[str, Any]:
    knn = {"value": shared, "ci95": [shared - 0.1, shared + 0.1]}
    return {"a": a, "b": b, "modality": modality, "mutual_knn": knn, "linear_cka": {"value": 0.5}, **more}


def test_clip_and_cloob_are_compared_first() -> None:
    run = run_of(one_cell(), comparisons={"comparisons": [_pair("toy_infonce", "x", 0.9), _pair("toy_infonce", "toy_cloob", 0.3)]})
    assert findings.differences(run) == [
        "On d, toy_infonce (CLIP) and toy_cloob (CLOOB) have 30.0% (20.0% to 40.0%) of nearest neighbours in common; CKA 0.500."
    ]


def test_cka_without_bias_stands_before_the_plain_one() -> None:
    one = _pair("toy_infonce", "toy_cloob", 0.3, linear_cka_debiased={"value": 0.25}, cross_barcode={"value": 0.04})
    (sentence,) = findings.differences(run_of(one_cell(), comparisons={"comparisons": [one]}))
    assert sentence.endswith(" in common; CKA (unbiased) 0.250 and cross-barcode 0.040.")
    without = {**one, "mutual_knn": None, "cross_barcode": {"value": None}}
    assert findings.differences(run_of(one_cell(), comparisons={"comparisons": [without]})) == [
        "On d, toy_infonce (CLIP) and toy_cloob (CLOOB) have CKA (unbiased) 0.250."
    ]


def _ranked(*pairs: dict[str, Any]) -> list[str]:
    run = Run(root="", config=ReportConfig(), cells=(one_cell(),), comparisons={"d": {"comparisons": list(pairs)}})
    return findings.differences(run)


def test_without_roles_the_pairs_most_and_least_alike_are_named() -> None:
    assert _ranked(_pair("p", "q", 0.85), _pair("p", "r", 0.1), _pair("q", "r", 0.2), _pair("q", "r", 0.99, "image")) == [
        (
            "On d, p and q are most alike, with 85.0% (75.0% to 95.0%) of nearest neighbours in common; "
            "p and r are least alike, with 10.0% (0.0% to 20.0%) of nearest neighbours in common."
        )
    ]
    assert _ranked(_pair("p", "q", 0.85)) == ["On d, p and q have 85.0% (75.0% to 95.0%) of nearest neighbours in common; CKA 0.500."]


def test_pairs_whose_intervals_overlap_have_no_order() -> None:
    assert _ranked(_pair("p", "q", 0.5), _pair("p", "r", 0.4)) == [
        "On d, all pairs of models are about equally alike, with 40.0% to 50.0% of nearest neighbours in common."
    ]


def test_what_was_not_compared_has_no_sentence() -> None:
    assert findings.differences(run_of(one_cell())) == []
    assert _ranked({"a": "p", "b": "q", "modality": "both"}) == []
    assert findings.measure({"mutual_knn": {"value": None}}, "mutual_knn") is None
    assert findings.measure({"mutual_knn": {"value": 0.0}}, "mutual_knn") == {"value": 0.0}
