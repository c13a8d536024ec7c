"""Sentences on topology, and on how different models are, follow the numbers."""

from typing import Any

from planted_cells import one_cell, run_of
from planted_report import CONFIG

from tda.config import ReportConfig
from tda.report.data.load import Run
from tda.report.topics.topology import findings


def test_the_last_merge_and_the_loops_are_told() -> None:
    part = {"both": {"h0": {"longest": 0.9}, "h1": {"total_persistence": 4.5}, "stability": {"h1": {"total_persistence": {"std": 0.3}}}}}
    (told,) = findings.homology([one_cell(homology=part)], CONFIG)
    assert "join at an angle (radians) of 0.90 in toy_cloob (CLOOB)" in told
    alone = {"image": {"h0": {"longest": 0.4}}, "text": {"h0": {"longest": 0.3}}}
    assert "of 0.90 (0.40 in image and 0.30 in text alone) in" in findings.homology([one_cell(homology=part | alone)], CONFIG)[0]
    assert "add up to 4.50 ± 0.30 over landmark seeds in toy_cloob" in told


def _pair(a: str, b: str, shared: float, modality: str = "both") -> dict[str, Any]:
    return {
        "a": a,
        "b": b,
        "modality": modality,
        "mutual_knn": {"value": shared, "ci95": [shared - 0.1, shared + 0.1]},
        "linear_cka": {"value": 0.5},
    }


def test_clip_and_cloob_are_compared_with_intervals() -> None:
    run = run_of(one_cell(), comparisons={"comparisons": [_pair("toy_infonce", "x", 0.9), _pair("toy_infonce", "toy_cloob", 0.3)]})
    assert findings.differences(run) == [
        "On d toy_infonce (CLIP) and toy_cloob (CLOOB): CKA 0.500 and shared neighbours 0.300 (0.200 to 0.400)."
    ]


def test_without_roles_the_nearest_and_the_furthest_are_named() -> None:
    pairs = [_pair("p", "q", 0.9), _pair("p", "r", 0.1), _pair("q", "r", 0.2), _pair("q", "r", 0.99, "image")]
    run = Run(root="", config=ReportConfig(), cells=(one_cell(),), comparisons={"d": {"comparisons": pairs}})
    (told,) = findings.differences(run)
    assert told.startswith("On d most alike are p and q: ")
    assert "; least alike p and r: " in told
    assert findings.differences(run_of(one_cell())) == []
