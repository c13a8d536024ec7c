"""Every figure, table, prediction and conjecture of the paper has its row, and each verdict follows planted numbers."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted_cells import one_cell, run_of

from tda.config.stages import ReportConfig
from tda.geometry.shift import Values
from tda.report.data.closest import Closest
from tda.report.data.load import Cell, Run
from tda.report.topics.reproduction.claims import CLAIMS
from tda.report.topics.reproduction.judged import NOT, REPRODUCED, UNDECIDABLE, Judged, judged

MODELS = {"clip": "CLIP", "cloob": "CLOOB"}
ROLES = ReportConfig(
    models=MODELS,
    datasets={"in": "LAION", "out": "COCO"},
    ablation={"clip": "InfoNCE", "hop": "InfoNCE + Hopfield", "loob": "InfoLOOB", "cloob": "InfoLOOB + Hopfield"},
)


def verdict(label: str, *cells: Cell, **comparisons: Any) -> Judged:
    (claim,) = [one for one in CLAIMS if one.label == label]
    return judged(claim, Run(root="", config=ROLES, cells=cells, comparisons=comparisons))


def four(path: str, numbers: tuple[Any, Any, Any, Any]) -> list[Cell]:
    """CLIP and CLOOB on LAION's role, then on COCO's."""
    places = [(encoder, dataset) for dataset in ("in", "out") for encoder in MODELS]
    return [one_cell(encoder, dataset, **{path: number}) for (encoder, dataset), number in zip(places, numbers, strict=True)]


def test_the_whole_paper_is_listed() -> None:
    labels = [claim.label for claim in CLAIMS]
    assert {f"Fig. {number}" for number in range(1, 18)} <= set(labels)
    assert {"Table I", "Table II", "Prediction 1", "Prediction 2", "Conjecture 1", "Conjecture 2"} <= set(labels)
    assert len(set(labels)) == len(labels)


def test_without_numbers_each_is_undecidable_and_says_what_is_needed() -> None:
    for claim in CLAIMS:
        found = judged(claim, run_of(one_cell("somebody")))
        assert found.verdict == (REPRODUCED if claim.label == "Fig. 9" else UNDECIDABLE)
        assert found.why


@pytest.mark.parametrize(
    ("accuracies", "wanted"),
    [((0.999, 0.752, 1.0, 0.996), REPRODUCED), ((0.999, 0.97, 1.0, 0.996), NOT), ((0.999, 0.752, 1.0, 0.9), NOT)],
)
def test_table_one(accuracies: Any, wanted: str) -> None:
    cells = four("separability", tuple({"train": {"accuracy": one}} for one in accuracies))
    found = verdict("Table I", *cells)
    assert found.verdict == wanted
    assert "clip (CLIP) on in: 99.9%" in found.why


def test_two_components_need_one_data_set_that_shows_it() -> None:
    def of(first: float, second: float) -> str:
        cells = four("separability", tuple({"pca2": {"accuracy": one}} for one in (first, 0.5, second, 0.5)))
        return verdict("Fig. 2", *cells).verdict

    assert (of(0.99, 0.6), of(0.7, 0.6)) == (REPRODUCED, NOT)


def test_layouts_stand_beside_the_space() -> None:
    shares = tuple({"layout": layout, "ambient": 0.8} for layout in (0.99, 0.6, 0.99, 0.99))
    cells = four("mixing", shares)
    first, second = verdict("Fig. 4", *cells), verdict("Fig. 5", *cells)
    assert (first.verdict, second.verdict) == (REPRODUCED, NOT)
    assert "cloob (CLOOB) on in: 40.0% of neighbours of the other modality, 20.0% in the space" in first.why
    assert verdict("Fig. 6", *cells).verdict == NOT


def test_random_cosines() -> None:
    def of(clip: float, cloob: float) -> str:
        cells = four("cosine", tuple({"random": {"mean": one}} for one in (clip, cloob, clip, cloob)))
        return verdict("Fig. 3", *cells).verdict

    assert (of(0.33, 0.001), of(0.33, -0.01), of(0.01, 0.2)) == (REPRODUCED, REPRODUCED, NOT)


def test_the_ablation_is_by_its_layouts_and_its_distances() -> None:
    def arms(loob: float, hop: float, gaps: tuple[float, float]) -> list[Cell]:
        return [
            one_cell(encoder, "out", mixing={"layout": 1 - share}, gap={"centroid_distance": gap}, cosine={"pair": {"mean": 0.7}})
            for encoder, share, gap in (("loob", loob, gaps[0]), ("hop", hop, gaps[1]))
        ]

    assert verdict("Fig. 7", *arms(0.4, 0.01, (0.1, 0.5))).verdict == REPRODUCED
    assert verdict("Fig. 7", *arms(0.4, 0.2, (0.1, 0.5))).verdict == NOT
    assert verdict("Fig. 8", *arms(0.4, 0.01, (0.1, 0.5))).verdict == REPRODUCED
    assert verdict("Fig. 8", *arms(0.4, 0.01, (0.5, 0.1))).verdict == NOT


def spectra(kind: str, pairs: int = 1000) -> dict[str, Any]:
    values = np.where(np.arange(32) < 20, 1.0, {"drop": 1e-6, "flat": 1.0, "fade": 0.0}[kind])
    values = 1 / np.arange(1, 33.0) ** 3 if kind == "fade" else values
    under = np.flatnonzero(values / values[0] < 1e-3)
    part = {"singular_values": values.tolist(), "floor": 1e-9, "collapse_index": int(under[0]) if len(under) else 32}
    return {"pairs": pairs, "dim": 32, "spectrum": {"image": part}}


@pytest.mark.parametrize(
    ("clip", "cloob", "pairs", "wanted"),
    [
        ("flat", "drop", 1000, REPRODUCED),
        ("fade", "drop", 1000, REPRODUCED),
        ("flat", "fade", 1000, NOT),
        ("drop", "drop", 1000, NOT),
        ("flat", "drop", 300, UNDECIDABLE),
    ],
)
def test_a_collapse_is_a_drop_in_enough_rows(clip: str, cloob: str, pairs: int, wanted: str) -> None:
    found = verdict("Fig. 10", one_cell("clip", "in", **spectra(clip, pairs)), one_cell("cloob", "in", **spectra(cloob, pairs)))
    assert found.verdict == wanted


def test_dimension_inside_clusters_is_decided_by_large_ones_alone() -> None:
    def of(median: float, rows: int) -> str:
        both = {"clip": 20.0, "cloob": median}
        tables = {who: [{"effective_rank_text": rank, "texts": rows}] * 5 for who, rank in both.items()}
        cells = [one_cell(who, "in", spectrum={"text": {"effective_rank": 21.0}}, per_cluster=tables[who]) for who in MODELS]
        return verdict("Fig. 14", *cells).verdict

    assert (of(8.0, 500), of(20.0, 500), of(8.0, 50)) == (REPRODUCED, NOT, UNDECIDABLE)


def test_predictions_are_those_of_the_comparisons() -> None:
    cells = four("retrieval", tuple({way: {"top1": one} for way in ("image_to_text", "text_to_image")} for one in (0.9, 0.8, 0.4, 0.3)))
    apart = {"top1_difference": {"image_to_text": {"value": 0.1}, "text_to_image": {"value": 0.09}}}
    first = {"in": {"prediction_1": {"verdict": "supported", "numbers": apart}}}
    assert verdict("Prediction 1", *cells, **first).verdict == verdict("Table II", *cells, **first).verdict == REPRODUCED
    second = first | {"out": {"prediction_1": {"verdict": "undecided", "numbers": apart}}}
    assert verdict("Prediction 1", *cells, **second).verdict == UNDECIDABLE
    found = verdict("Table II", *cells[::-1], **second)
    assert found.verdict == UNDECIDABLE
    assert "in: CLIP's top-1 less CLOOB's +0.100 and +0.090" in found.why
    third = first | {"out": {"prediction_1": {"verdict": "not supported", "numbers": apart}}}
    assert verdict("Prediction 1", *cells, **third).verdict == NOT
    assert verdict("Prediction 2", *cells, **{"in": {"prediction_2": {"verdict": "not supported"}}}).verdict == NOT


def clusters(correlation: float, seed: int, count: int = 150) -> list[dict[str, float]]:
    x_K, z_K = np.random.default_rng(seed).standard_normal((2, count))
    return [{"auc": x, "top1": correlation * x + np.sqrt(1 - correlation**2) * z} for x, z in zip(x_K, z_K, strict=True)]


def test_correlations_over_clusters_are_compared_by_holm() -> None:
    def of(*correlations: float, count: int = 2000) -> Judged:
        return verdict("Fig. 15", *four("per_cluster", tuple(clusters(one, place, count) for place, one in enumerate(correlations))))  # type: ignore[arg-type]

    assert of(0.7, 0.7, 0.1, 0.1).verdict == REPRODUCED
    assert of(0.7, 0.1, 0.1, 0.1).verdict == NOT
    few = of(0.7, 0.7, 0.1, 0.1, count=11)
    assert few.verdict == UNDECIDABLE
    assert "fewer than 12 clusters" in few.why


def test_nearness_to_the_training_data_is_by_intervals() -> None:
    def cell(encoder: str, dataset: str, centre: float) -> Cell:
        values = {name: Values.of(np.random.default_rng(len(dataset)).normal(centre, 0.05, 300)) for name in ("image", "text")}
        return Cell(dataset=dataset, encoder=encoder, metrics={}, closest={"t": Closest(reference="t", rows=300, values=values, digest="")})

    both = [cell(encoder, dataset, centre) for encoder in MODELS for dataset, centre in (("in", 0.9), ("out", 0.7))]
    assert verdict("Fig. 1", *both).verdict == REPRODUCED
    assert verdict("Fig. 1", *both[:2], cell("cloob", "in", 0.7), both[3]).verdict == UNDECIDABLE
    assert verdict("Fig. 1", *both[:2], cell("cloob", "in", 0.5), both[3]).verdict == NOT


def test_layouts_hold_under_all_settings() -> None:
    cell = one_cell("clip", "in", sweep={"cells": [{"mixing": 0.01}, {"mixing": None}, {"mixing": 0.02}]})
    found = verdict("Fig. 16", cell)
    assert (found.verdict, found.why) == (REPRODUCED, "in: 1.0% to 2.0% of the other modality under 2 settings")
    assert verdict("Fig. 16", replace(cell, sweep={"cells": [{"mixing": 0.01}, {"mixing": 0.3}]})).verdict == NOT
    assert verdict("Fig. 17", replace(cell, encoder="cloob")).verdict == NOT


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        (["supported"], REPRODUCED),
        (["not supported"], NOT),
        (["reversed"], NOT),
        (["supported", "not supported"], NOT),
        (["undecided"], UNDECIDABLE),
        (["refused"], UNDECIDABLE),
    ],
)
def test_conjectures_follow_the_guided_images(number: int, verdicts: list[str], wanted: str) -> None:
    (claim,) = [one for one in CLAIMS if one.label == f"Conjecture {number}"]
    reasons = {"refused": {"reason": "the power is 66%"}}
    found = {f"d{i}": {f"conjecture_{number}": {"verdict": one, **reasons.get(one, {})}} for i, one in enumerate(verdicts)}
    one = judged(claim, Run(root="", config=ROLES, cells=[], comparisons={}, diversity=found))
    assert one.verdict == wanted
    assert ("the power is 66%" if verdicts == ["refused"] else verdicts[-1]) in one.why
