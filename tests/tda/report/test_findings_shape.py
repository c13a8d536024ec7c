"""Sentences on layouts, clusters, dimension and topology follow the numbers, whatever these say."""

import json
from pathlib import Path
from typing import Any

import pytest
from planted_report import CONFIG, plant

from tda.config.stages import ReportConfig
from tda.geometry.spectrum.collapse import KINDS
from tda.report.data.load import Cell, Run, load_run
from tda.report.topics.layout import findings as findings_layout
from tda.report.topics.local_dimension import findings as findings_local
from tda.report.topics.registry import headlines
from tda.report.topics.spectrum import collapse_findings as findings_collapse
from tda.report.topics.spectrum.collapse_figure import example
from tda.report.topics.topology import findings as findings_topology


def _cell(encoder: str = "toy_cloob", sweep: dict[str, Any] | None = None, **metrics: Any) -> Cell:
    return Cell(dataset="d", encoder=encoder, metrics=metrics, sweep=sweep or {})


def _run(*cells: Cell, comparisons: dict[str, Any] | None = None) -> Run:
    return Run(root="", config=CONFIG, cells=cells, comparisons={"d": comparisons} if comparisons else {})


@pytest.mark.parametrize(
    ("same", "words"), [(0.999, "keep apart in toy_cloob (CLOOB) at 0.1%"), (0.9, "meet in places in"), (0.6, "are interwoven in")]
)
def test_a_layout_keeps_apart_or_mixes(same: float, words: str) -> None:
    (told,) = findings_layout.layouts([_cell(mixing={"k": 15, "ambient": 0.9, "layout": same})], CONFIG)
    assert words in told


def test_without_the_part_mixing_the_layouts_own_share_counts() -> None:
    assert "at 30.0%" in findings_layout.layouts([_cell(umap={"mixing": 0.3})], CONFIG)[0]
    assert findings_layout.layouts([_cell()], CONFIG) == []


@pytest.mark.parametrize(
    ("mixed", "words"),
    [
        ([0.0, 0.01], "keep apart under every one in toy_cloob (CLOOB), mixing 0.0% to 1.0%"),
        ([0.3, 0.4], "are interwoven under every one"),
        ([0.1, 0.2], "meet in places under every one"),
        ([0.01, 0.1, 0.4], "keep apart under 1, meet in places under 1 and are interwoven under 1 of 3"),
    ],
)
def test_a_sweep_says_whether_the_picture_holds(mixed: list[float], words: str) -> None:
    (told,) = findings_layout.sweeps([_cell(sweep={"cells": [{"mixing": share} for share in mixed]})], CONFIG)
    assert words in told
    assert f"over {len(mixed)} settings" in told


def test_few_settings_speak_of_what_there_is() -> None:
    told = findings_layout.sweeps([_cell(sweep={"cells": [{"mixing": 0.01}, {"mixing": 0.055}]})], CONFIG)
    assert "keep apart under 1 and meet in places under 1 of 2 in toy_cloob" in told[0]


def test_clusters_are_counted() -> None:
    part = {"count": 12, "noise_fraction": 0.1, "modality": {"pure_fraction": 1.0}, "stability": {"across_seeds": 0.8}}
    assert findings_layout.clusters([_cell(clusters=part), _cell("toy_infonce", clusters={"count": 0})], CONFIG) == [
        (
            "On d HDBSCAN finds clusters: 12 in toy_cloob (CLOOB) (100.0% of one modality, 0.800 agreement across seeds) "
            "and 0 in toy_infonce (CLIP)."
        )
    ]


def test_ranks_of_clusters_stand_beside_the_whole_and_their_bound() -> None:
    rows = [{"effective_rank_image": rank, "images": images} for rank, images in ((3.0, 20), (5.0, 30), (9.0, 41))]
    (told,) = findings_local.cluster_ranks([_cell(per_cluster=rows, spectrum={"image": {"effective_rank": 20.0}})], CONFIG, "image")
    assert "5.0 (3.0 to 9.0) against 20.0 over all rows in toy_cloob (CLOOB)" in told
    assert told.endswith("clusters hold 20 to 41 such rows, and rank stays below that.")


def test_verdicts_are_told_as_they_were_given(tmp_path: Path) -> None:
    root = plant(tmp_path, ("d",), ("toy_infonce", "toy_cloob"))
    file = tmp_path / "analysis" / "d" / "comparisons.json"
    found = json.loads(file.read_text())
    run = load_run(root, CONFIG)
    assert findings_local.prediction_two(run)[0].startswith("On d: Prediction 2 is undecided: over 32 clusters")
    assert findings_local.prediction_one(run)[0].startswith(
        "On d: Prediction 1 is not supported: the gap is 0.19 in CLIP and 0.03 in CLOOB"
    )
    assert "−0.040 (−0.059 to −0.021)" in findings_local.prediction_one(run)[0]
    file.write_text(json.dumps({**found, "prediction_1": None, "prediction_2": {"sentence": "Prediction 2 is not supported: -0.10."}}))
    run = load_run(root, CONFIG)
    assert findings_local.prediction_two(run) == ["On d: Prediction 2 is not supported: −0.10."]
    assert "Prediction 1 of the paper" in findings_local.prediction_one(run)[0]  # on the two top-1, where ranks were not paired
    assert headlines(run)["Local dimension"] == findings_local.prediction_two(run)


def test_without_a_comparison_each_model_speaks_for_itself() -> None:
    part = {"spearman": 0.6, "partial_spearman_given_size": -0.2, "ci95": {"partial_spearman_given_size": [-0.5, 0.1]}, "n_clusters": 20}
    run = _run(_cell(local_dimension=part))
    assert findings_local.local_dimension(run, "auc") == [
        (
            "On d top-1 in a cluster correlates with the area under its spectrum, given its size, by −0.20 (−0.50 to +0.10) "
            "in toy_cloob (CLOOB)."
        )
    ]
    assert "from +0.60 to −0.20 (−0.50 to +0.10) in toy_cloob" in findings_local.taken_out(run)[0]
    assert "too few, or too alike" in findings_local.local_dimension(run, "effective_rank")[0]
    assert findings_local.local_dimension(_run(_cell()), "auc") == []


def _two_nn(value: float) -> dict[str, Any]:
    return {"two_nn": {"both": {"value": value, "stderr": 0.2}}}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((9.0, 4.0), "is highest, 9.0 ± 0.2 in toy_infonce (CLIP), and lowest, 4.0 ± 0.2"),
        ((9.0, 8.5), "about equal"),
        ((9.0, 9.0), "about equal"),
    ],
)
def test_intrinsic_dimensions_are_ranked(values: tuple[float, float], words: str) -> None:
    cells = [_cell(encoder, dimension=_two_nn(value)) for encoder, value in zip(("toy_infonce", "toy_cloob"), values, strict=True)]
    assert words in findings_topology.intrinsic(cells, CONFIG)[0]
    assert "is 9.0 ± 0.2 in toy_infonce (CLIP)." in findings_topology.intrinsic(cells[:1], CONFIG)[0]


def test_the_last_merge_and_the_loops_are_told() -> None:
    part = {"both": {"h0": {"longest": 0.9}, "h1": {"total_persistence": 4.5}, "stability": {"h1": {"total_persistence": {"std": 0.3}}}}}
    (told,) = findings_topology.homology([_cell(homology=part)], CONFIG)
    assert "join at an angle (radians) of 0.90 in toy_cloob (CLOOB)" in told
    alone = {"image": {"h0": {"longest": 0.4}}, "text": {"h0": {"longest": 0.3}}}
    assert "of 0.90 (0.40 in image and 0.30 in text alone) in" in findings_topology.homology([_cell(homology=part | alone)], CONFIG)[0]
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
    run = _run(_cell(), comparisons={"comparisons": [_pair("toy_infonce", "x", 0.9), _pair("toy_infonce", "toy_cloob", 0.3)]})
    assert findings_topology.differences(run) == [
        "On d toy_infonce (CLIP) and toy_cloob (CLOOB): CKA 0.500 and shared neighbours 0.300 (0.200 to 0.400)."
    ]


def test_without_roles_the_nearest_and_the_furthest_are_named() -> None:
    pairs = [_pair("p", "q", 0.9), _pair("p", "r", 0.1), _pair("q", "r", 0.2), _pair("q", "r", 0.99, "image")]
    run = Run(root="", config=ReportConfig(), cells=(_cell(),), comparisons={"d": {"comparisons": pairs}})
    (told,) = findings_topology.differences(run)
    assert told.startswith("On d most alike are p and q: ")
    assert "; least alike p and r: " in told
    assert findings_topology.differences(_run(_cell())) == []


def test_a_data_set_that_was_not_compared_speaks_beside_one_that_was() -> None:
    part = {"partial_spearman_given_size": 0.5, "ci95": {}, "n_clusters": 20}
    other = Cell(dataset="e", encoder="toy_cloob", metrics={"local_dimension": part})
    run = _run(_cell(local_dimension=part), other, comparisons={"prediction_2": {"sentence": "Prediction 2 is undecided."}})
    assert findings_local.local_dimension(run, "auc") == [
        "On d: Prediction 2 is undecided.",
        "On e top-1 in a cluster correlates with the area under its spectrum, given its size, by +0.50 in toy_cloob (CLOOB).",
    ]


def test_rows_that_bound_the_dimension_are_told_with_the_collapse() -> None:
    examples = {kind: example(kind)[1] for kind in KINDS}
    cell = _cell("toy_infonce", pairs=100, dim=128)
    told = findings_collapse.kinds(examples, [(cell, {"image": examples["dimensional"]})], _run(cell))[1]
    assert told.endswith("(image 64/128); 100 rows span at most 99 dimensions, whatever the model.")


def test_collapse_is_told_by_kind() -> None:
    examples = {kind: example(kind)[1] for kind in KINDS}
    cells = [(_cell("toy_infonce"), {"image": examples["none"], "text": examples["dimensional"]})]
    drawn, told = findings_collapse.kinds(examples, cells, _run(cells[0][0]))
    assert drawn.startswith(
        "All 3 drawn cases are told apart: none (all 128 dimensions are used), dimensional (64 of 128 dimensions are used)"
    )
    assert told == (
        "On d there is dimensional collapse in toy_infonce (CLIP) (text 64/128); no collapse in toy_infonce (CLIP) (image 128/128)."
    )
    assert findings_collapse.kinds({"none": examples["complete"]}, [], _run())[0] == "Drawn cases told wrongly: none."
