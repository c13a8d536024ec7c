"""Sentences on the gap follow the numbers, whatever these say."""

import numpy as np
import pytest
from planted_cells import arm_cells
from planted_report import ARMS, CONFIG, N

from tda.report.data.evidence import gap_by_chance
from tda.report.data.load import Cell, Run
from tda.report.topics.gap import findings
from tda.report.topics.registry import headlines
from tda.report.topics.retrieval import findings as of_retrieval
from tda.report.topics.spectrum import findings as of_spectrum


def _gaps(**gaps: float) -> list[Cell]:
    return arm_cells(**{encoder: {"gap.centroid_distance": gap, "pairs": 1_000_000} for encoder, gap in gaps.items()})


def test_the_smaller_gaps_are_named_with_numbers_and_ratio() -> None:
    (told,) = findings.gap(arm_cells(), CONFIG)
    assert told.startswith("On toy_heldout toy_infoloob at 0.025 and toy_cloob (CLOOB) at 0.027 have the smaller gaps; ")
    assert told.endswith("the largest, toy_infonce_hopfield at 0.198, is 7.9 times the smallest.")


def test_one_sentence_a_data_set() -> None:
    told = findings.gap([*arm_cells("one"), *arm_cells("two")], CONFIG)
    assert [sentence.split()[1] for sentence in told] == ["one", "two"]


def test_equal_gaps_are_called_equal() -> None:
    (told,) = findings.gap(_gaps(toy_infonce=0.2, toy_infonce_hopfield=0.21, toy_infoloob=0.19, toy_cloob=0.2), CONFIG)
    assert told == "On toy_heldout all gaps are about equal, 0.190 to 0.210."


def test_gaps_that_chance_would_show_are_equal() -> None:
    chance = gap_by_chance(arm_cells()[0])
    assert chance == pytest.approx(np.sqrt(0.58 / N))
    tiny = {encoder: {"gap.centroid_distance": gap} for encoder, gap in zip(ARMS, np.array([0.1, 0.5, 1.0, 1.9]) * chance, strict=True)}
    assert "about equal" in findings.gap(arm_cells(**tiny), CONFIG)[0]


def test_gap_by_chance_is_what_drawn_pairs_show() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 2, 100, 32))
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
    seen = np.sqrt((np.linalg.norm(rows.mean(2)[:, 0] - rows.mean(2)[:, 1], axis=-1) ** 2).mean())
    cell = Cell(dataset="d", encoder="e", metrics={"pairs": 100, "cosine": {"pair": {"mean": 0.0}}})
    assert seen == pytest.approx(gap_by_chance(cell), rel=0.03)


@pytest.mark.parametrize(
    ("gaps", "verdict", "loss", "hopfield"),
    [
        ((0.5, 0.5, 0.1, 0.1), "As", "closes most of the gap", "leaves the gap about as it is"),
        ((0.55, 0.41, 0.22, 0.23), "Partly as", "closes most of the gap", "narrows the gap"),  # the published RN50 models
        ((0.5, 0.1, 0.5, 0.1), "Unlike", "leaves the gap about as it is", "closes most of the gap"),
        ((0.1, 0.1, 0.5, 0.5), "Unlike", "widens the gap", "leaves the gap about as it is"),
    ],
)
def test_the_arms_are_compared_factor_by_factor(gaps: tuple[float, ...], verdict: str, loss: str, hopfield: str) -> None:
    nce, nce_hopfield, loob, cloob = gaps
    (sentence,) = findings.ablation(_gaps(toy_infonce=nce, toy_infonce_hopfield=nce_hopfield, toy_infoloob=loob, toy_cloob=cloob), CONFIG)
    assert sentence.endswith(f"{verdict} in the paper, InfoLOOB alone {loss} and Hopfield retrieval alone {hopfield}.")
    assert f"by {loob / nce:.2f} without Hopfield retrieval and by {cloob / nce_hopfield:.2f} with it" in sentence
    assert f"by {nce_hopfield / nce:.2f} under InfoNCE and by {cloob / loob:.2f} under InfoLOOB" in sentence


def test_ablation_needs_all_four_arms() -> None:
    assert findings.ablation(arm_cells()[:3], CONFIG) == []


def test_separability_has_three_words() -> None:
    (told,) = findings.separability(arm_cells(toy_infonce={"separability.heldout": {"accuracy": 0.8}}), CONFIG)
    assert "separated in toy_infonce_hopfield at 98.0%" in told
    assert "partly separated in toy_infonce (CLIP) at 80.0%" in told
    assert "mixed in toy_infoloob at 58.0% and toy_cloob (CLOOB) at 53.0%" in told


def test_two_components_part_all_some_or_none() -> None:
    def told(accuracy: float) -> str:
        return findings.two_components(arm_cells(**{e: {"separability.pca2.accuracy": accuracy} for e in ARMS}), CONFIG)[0]

    assert told(0.99).startswith("On toy_heldout two principal components part the modalities in toy_infonce (CLIP) at 99.0%")
    assert told(0.5).startswith("On toy_heldout two principal components do not part the modalities in toy_infonce (CLIP) at 50.0%")
    (mixed,) = findings.two_components(arm_cells(), CONFIG)
    assert "part the modalities in toy_infonce_hopfield at 96.0% and do not part them in toy_infonce (CLIP) at 91.0%" in mixed


def test_what_was_not_measured_is_not_spoken_of() -> None:
    bare = [Cell(dataset="d", encoder=encoder, metrics={"schema": 1}) for encoder in ARMS]
    assert headlines(Run(root="", config=CONFIG, cells=tuple(bare))) == {}
    assert findings.cosine(bare, CONFIG) == findings.joined_pairs(bare, CONFIG) == findings.two_components(bare, CONFIG) == []


def test_a_single_model_makes_whole_sentences() -> None:
    cells = arm_cells()[:1]
    told = [
        *findings.gap(cells, CONFIG),
        *findings.cosine(cells, CONFIG),
        *of_retrieval.retrieval(cells, CONFIG),
        *of_spectrum.spectrum(cells, CONFIG, "both"),
    ]
    assert told == [
        "On toy_heldout the gap of toy_infonce (CLIP) is 0.187.",
        "On toy_heldout, true pairs against random ones in toy_infonce (CLIP): mean cosine 0.710 against 0.056, d′ 4.3.",
        "On toy_heldout toy_infonce (CLIP) ranks the true partner first 71.0% of the time, among 400 candidates (mean of both directions).",
        "On toy_heldout no spectrum collapses; the effective rank is 23.1.",
    ]


def test_the_shared_part_of_the_distance() -> None:
    (told,) = findings.joined_pairs(arm_cells(), CONFIG)
    assert f"{100 * 0.187**2 / (2 - 2 * 0.71):.1f}% in toy_infonce (CLIP)" in told
