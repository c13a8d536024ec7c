"""Sentences on the gap follow the numbers, whatever these say."""

import numpy as np
import pytest
from planted_cells import arm_cells
from planted_report import ARMS, CONFIG, N

from tda.report.data.load import Cell, Run
from tda.report.topics.gap import findings
from tda.report.topics.registry import headlines
from tda.report.topics.rules import gap_by_chance


def _gaps(**gaps: float) -> list[Cell]:
    return arm_cells(**{encoder: {"gap.centroid_distance": gap, "pairs": 1_000_000} for encoder, gap in gaps.items()})


def test_the_smallest_gaps_are_named_with_the_ratio_of_the_largest() -> None:
    assert findings.gap(arm_cells(), CONFIG) == [
        (
            "On toy_heldout, toy_infoloob and toy_cloob (CLOOB) have the smallest gaps, 0.025 to 0.027; the largest, 0.198 in "
            "toy_infonce_hopfield, is 7.9 times the smallest."
        )
    ]
    (one,) = findings.gap(_gaps(toy_infonce=0.4, toy_infonce_hopfield=0.4, toy_infoloob=0.2, toy_cloob=0.1), CONFIG)
    assert one.startswith("On toy_heldout, toy_cloob (CLOOB) has the smallest gap, 0.100; ")


def test_one_sentence_a_data_set() -> None:
    found = findings.gap([*arm_cells("one"), *arm_cells("two")], CONFIG)
    assert [sentence.split()[1] for sentence in found] == ["one,", "two,"]


def test_equal_gaps_are_called_equal() -> None:
    (sentence,) = findings.gap(_gaps(toy_infonce=0.2, toy_infonce_hopfield=0.21, toy_infoloob=0.19, toy_cloob=0.2), CONFIG)
    assert sentence == "On toy_heldout, all gaps are about equal, 0.190 to 0.210."


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
    ("gaps", "loss", "hopfield"),
    [
        ((0.5, 0.5, 0.1, 0.1), "closes most of the gap", "leaves the gap about as it is"),
        ((0.55, 0.41, 0.22, 0.23), "closes most of the gap", "narrows the gap"),  # the published RN50 models
        ((0.5, 0.1, 0.5, 0.1), "leaves the gap about as it is", "closes most of the gap"),
        ((0.1, 0.1, 0.5, 0.5), "widens the gap", "leaves the gap about as it is"),
        ((0.5, 0.1, 0.1, 0.1), "closes most of the gap", "closes most of the gap"),
    ],
)
def test_the_arms_are_compared_factor_by_factor(gaps: tuple[float, ...], loss: str, hopfield: str) -> None:
    nce, nce_hopfield, loob, cloob = gaps
    cells = _gaps(toy_infonce=nce, toy_infonce_hopfield=nce_hopfield, toy_infoloob=loob, toy_cloob=cloob)
    assert findings.ablation(cells, CONFIG) == [
        (
            f"On toy_heldout, InfoLOOB alone {loss} (× {loob / nce:.2f}) and Hopfield retrieval alone {hopfield} "
            f"(× {nce_hopfield / nce:.2f}). "
            f"Each added to the other: InfoLOOB × {cloob / nce_hopfield:.2f}, Hopfield retrieval × {cloob / loob:.2f}. "
            "These are four trainings, one of each arm; only several seeds give intervals."
        )
    ]


def test_ablation_needs_all_four_arms() -> None:
    assert findings.ablation(arm_cells()[:3], CONFIG) == []


def test_separability_has_three_words() -> None:
    assert findings.separability(arm_cells(toy_infonce={"separability.heldout": {"accuracy": 0.8}}), CONFIG) == [
        (
            "On toy_heldout, the modalities are separated in toy_infonce_hopfield, partly separated in toy_infonce (CLIP), and mixed in "
            "toy_infoloob and toy_cloob (CLOOB): a linear classifier is right on 53.0% to 98.0% of unseen rows."
        )
    ]


@pytest.mark.parametrize(
    ("accuracy", "word"), [(0.95, "separated"), (0.949, "partly separated"), (0.601, "partly separated"), (0.6, "mixed")]
)
def test_separability_in_every_model_is_one_word(accuracy: float, word: str) -> None:
    (sentence,) = findings.separability(arm_cells(**{e: {"separability.heldout": {"accuracy": accuracy}} for e in ARMS}), CONFIG)
    assert sentence == (
        f"On toy_heldout, the modalities are {word} in all 4 models: a linear classifier is right on {100 * accuracy:.1f}% of unseen rows."
    )


def test_two_components_separate_all_some_or_none() -> None:
    def of_all(accuracy: float) -> str:
        return findings.two_components(arm_cells(**{e: {"separability.pca2.accuracy": accuracy} for e in ARMS}), CONFIG)[0]

    right = "a line between them is right on"
    assert of_all(0.99) == f"On toy_heldout, two principal components separate the modalities in all 4 models: {right} 99.0% of rows."
    assert (
        of_all(0.5) == f"On toy_heldout, two principal components do not separate the modalities in any of 4 models: {right} 50.0% of rows."
    )
    (mixed,) = findings.two_components(arm_cells(), CONFIG)
    assert mixed == (
        "On toy_heldout, two principal components separate the modalities in toy_infonce_hopfield but not in toy_infonce (CLIP), "
        f"toy_infoloob or toy_cloob (CLOOB): {right} 53.0% to 96.0% of rows."
    )
    assert "do not separate the modalities in toy_infonce (CLIP): " in findings.two_components(arm_cells()[:1], CONFIG)[0]


def test_cosines_name_the_models_furthest_and_least_far_apart() -> None:
    wide = {"toy_infonce": {"cosine.pair.std": 0.01, "cosine.random.std": 0.1}}
    (sentence,) = findings.cosine(arm_cells(**wide), CONFIG)
    furthest = (0.71 - 0.056) / np.sqrt((0.01**2 + 0.1**2) / 2)
    least = (0.71 - 0.056) / np.sqrt((0.08**2 + 0.2**2) / 2)
    assert sentence == (
        f"On toy_heldout, true pairs stand furthest above random ones in toy_infonce (CLIP) (d′ {furthest:.1f}), "
        f"least in toy_infonce_hopfield (d′ {least:.1f})."
    )


def test_cosines_that_are_about_equally_far_apart_have_no_order() -> None:
    (sentence,) = findings.cosine(arm_cells(), CONFIG)
    assert sentence == "On toy_heldout, true pairs stand about equally far above random ones in all 4 models: d′ 4.3 to 4.7."
    below = {e: {"cosine.pair.mean": -0.5} for e in ("toy_infonce", "toy_cloob")}
    assert "(d′ −3" in findings.cosine(arm_cells(**below), CONFIG)[0]


def test_what_was_not_measured_is_not_spoken_of() -> None:
    bare = [Cell(dataset="d", encoder=encoder, metrics={"schema": 1}) for encoder in ARMS]
    assert headlines(Run(root="", config=CONFIG, cells=tuple(bare))) == {}
    assert findings.cosine(bare, CONFIG) == findings.joined_pairs(bare, CONFIG) == findings.two_components(bare, CONFIG) == []


def test_a_single_model_makes_whole_sentences() -> None:
    cells = arm_cells()[:1]
    assert [*findings.gap(cells, CONFIG), *findings.cosine(cells, CONFIG), *findings.separability(cells, CONFIG)] == [
        "On toy_heldout, the gap of toy_infonce (CLIP) is 0.187.",
        "On toy_heldout, true pairs stand above random ones in toy_infonce (CLIP) (d′ 4.3): mean cosine 0.710 against 0.056.",
        "On toy_heldout, the modalities are separated in toy_infonce (CLIP): a linear classifier is right on 97.0% of unseen rows.",
    ]


def test_the_shared_part_of_the_distance() -> None:
    (sentence,) = findings.joined_pairs(arm_cells(), CONFIG)
    assert sentence.startswith(
        f"On toy_heldout, the gap, which all pairs share, makes up {100 * 0.187**2 / (2 - 2 * 0.71):.1f}% in toy_infonce (CLIP), "
    )
    assert sentence.endswith(" in toy_cloob (CLOOB) of the mean squared distance between partners.")
