"""Does the gap cost retrieval: the sentence by planted intervals, and how often it is wrong on drawn worlds."""

import numpy as np
import pytest
from drawn_axes import cell_of, run_of
from planted_interventions import planted

from tda.geometry.modalities.interventions import interventions
from tda.report.topics.interventions.findings import cost_of_gap
from tda.report.topics.interventions.points import verdict


def test_a_cost_in_mixed_search_alone() -> None:
    run = run_of(planted("a", (-0.01, 0.01), (0.2, 0.3)), planted("b", (-0.01, 0.015), (-0.005, 0.01)))
    assert cost_of_gap(run) == [
        (
            "On d, the gap costs mixed search in a: once a shift closes it, top-1 between modalities is unchanged in both models (largest "
            "change +0.00, in b); NDCG@10 of mixed search is raised in a, and unchanged in b (largest change +0.25, in a)."
        )
    ]


@pytest.mark.parametrize(
    ("top1", "mixed", "answer"),
    [
        ((0.01, 0.03), (0.2, 0.3), "the gap costs retrieval between modalities in a and mixed search in a"),
        ((-0.01, 0.01), (-0.01, 0.01), "the gap costs no retrieval"),
        ((-0.05, -0.01), (-0.01, 0.01), "the gap costs no retrieval"),
        ((-0.05, 0.04), (-0.01, 0.01), "no cost of the gap is shown"),
        ((-0.01, 0.01), (-0.01, 0.021), "no cost of the gap is shown"),
    ],
)
def test_the_answer_follows_the_intervals(top1: tuple[float, float], mixed: tuple[float, float], answer: str) -> None:
    (sentence,) = cost_of_gap(run_of(planted("a", top1, mixed)))
    assert sentence.startswith(f"On d, {answer}: ")


def test_few_pairs_decide_nothing_and_nothing_measured_is_no_sentence() -> None:
    (sentence,) = cost_of_gap(run_of(planted("a", (0, 0), (0, 0), pairs=199)))
    assert sentence == "On d, 199 pairs do not decide whether the gap costs retrieval; 200 are needed."
    assert cost_of_gap(run_of(cell_of("a"), cell_of("b", interventions={"pairs": 0, "points": [], "notes": ["few"]}))) == []


@pytest.mark.long
@pytest.mark.parametrize(("gap", "wrong"), [(0.0, ("raised", "lowered")), (1.5, ("lowered", "unchanged"))])
def test_wrong_sentences_are_rare(gap: float, wrong: tuple[str, ...]) -> None:
    """200 worlds whose mixed search a gap harms, or that have no gap: at most 5 % of the verdicts are wrong."""
    count = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shared_ND = rng.standard_normal((500, 16))
        image_ND, text_ND = (shared_ND + 0.5 * rng.standard_normal((500, 16)) for _ in range(2))
        image_ND[:, -1] += gap
        text_ND[:, -1] -= gap
        found = interventions(image_ND, text_ND, shifts=[], dropped=[], draws=400, seed=seed)
        count += verdict(cell_of("a", interventions=found), "mixed") in wrong
    assert count <= 10
