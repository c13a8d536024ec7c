"""Verdicts on the paper's predictions: by the numbers, at their bounds, with p-values and intervals held to plain computations."""

import json
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from tda.errors import UserError
from tda.geometry.local_dimension import Association, Clusters, associate
from tda.geometry.predictions import Space, Verdict, _interval, prediction_1, prediction_2

PARTIAL = "partial_spearman_given_size"
UNRELATED, SAME, FEW = [3, 1, 5, 0, 4, 2], range(6), [0, 1, 2]
MANY = np.random.default_rng(3).permutation(500).tolist()  # enough models for an interval within ±0.2


def association(low: float, high: float) -> Association:
    return Association(
        pearson=0.1,
        spearman=0.2,
        partial_spearman_given_size=(low + high) / 2,
        ci95={"pearson": [0, 1], "spearman": [0, 1], PARTIAL: [low, high]},
        n_clusters=50,
    )


def spaces(order: Any) -> list[Space]:
    return [Space(model=f"m{i}", dataset="coco", dimension=i / 10, top1=float(top1)) for i, top1 in enumerate(order)]


@pytest.mark.parametrize(
    ("interval", "order", "verdict"),
    [
        ((0.2, 0.6), MANY, "supported"),
        ((0.2, 0.6), UNRELATED, "undecided"),
        ((-0.3, 0.1), UNRELATED, "not supported"),
        ((0.2, 0.6), SAME, "not supported"),
        ((-0.1, 0.5), UNRELATED, "undecided"),
        ((0.2, 0.6), FEW, "undecided"),
        ((0.2, 0.6), [1], "undecided"),
    ],
)
def test_prediction_2_is_decided_by_numbers(interval: tuple[float, float], order: Any, verdict: str) -> None:
    found = prediction_2(association(*interval), spaces(order))
    assert found.verdict == verdict
    assert found.sentence.startswith(f"Prediction 2 is {verdict}: over 50 clusters")


@pytest.mark.parametrize(
    ("interval", "predicts"),
    [((0.001, 0.9), "yes"), ((0.0, 0.9), "open"), ((-0.5, 0.199), "no"), ((-0.5, 0.2), "open")],
)
def test_local_dimension_predicts_by_the_bounds_of_its_interval(interval: tuple[float, float], predicts: str) -> None:
    assert prediction_2(association(*interval), spaces(UNRELATED)).numbers["local_predicts"] == predicts


def test_global_dimension_is_compared_within_data_sets() -> None:
    """Two data sets of three models each, easier and of higher dimension as a whole: within them nothing."""
    points = [
        Space(model=f"m{i}", dataset=name, dimension=i + 10 * shift, top1=(0.3, 0.1, 0.2)[i] + shift / 2)
        for name, shift in (("a", 0), ("b", 1))
        for i in range(3)
    ]
    found = prediction_2(association(0.2, 0.6), points[:3] + points[3:])
    assert found.numbers["global_spearman"] == pytest.approx(-0.5)
    none = associate(Clusters(dimension_K=np.arange(2.0), top1_K=np.arange(2.0) / 2, size_K=np.full(2, 9)))
    undecided = prediction_2(none, points)
    assert undecided.verdict == "undecided"
    assert "2 clusters are too few, or too alike" in undecided.sentence


@pytest.mark.parametrize("top1", [UNRELATED, [0, 1, 2, 4, 3, 5], [0, 0, 1, 1, 2, 2]])
def test_the_global_correlation_is_spearmans_and_its_p_value_that_of_all_orders(top1: list[int]) -> None:
    found = prediction_2(association(0.2, 0.6), spaces(top1)).numbers
    value = spearmanr(range(6), top1).statistic
    every = np.array([spearmanr(range(6), order).statistic for order in permutations(top1)])
    exact = float((np.abs(every) >= abs(value) - 1e-9).mean())
    assert found["global_spearman"] == pytest.approx(value)
    assert found["global_p_value"] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 10_000) + 1e-4)  # drawn, not enumerated
    assert found["global_predicts"] == ("yes" if exact < 0.05 else "open"), "six models cannot show that there is none"


def test_models_change_places_on_all_data_sets_at_once() -> None:
    """Six models with the same values on three data sets: p is that of one data set, not of three independent ones."""
    top1 = [0, 1, 2, 4, 3, 5]
    once = prediction_2(association(0.2, 0.6), spaces(top1)).numbers
    thrice = [Space(model=one.model, dataset=name, dimension=one.dimension, top1=one.top1) for name in "abc" for one in spaces(top1)]
    found = prediction_2(association(0.2, 0.6), thrice).numbers
    assert found["global_spearman"] == pytest.approx(once["global_spearman"])
    assert found["global_p_value"] == pytest.approx(once["global_p_value"], abs=0.01)
    assert found["global_ci95"] == pytest.approx(once["global_ci95"])


def test_a_model_that_one_data_set_lacks_changes_places_with_its_like_alone() -> None:
    points = [*spaces(SAME), *(Space(model=f"m{i}", dataset="b", dimension=i, top1=i) for i in (0, 1))]
    found = prediction_2(association(0.2, 0.6), points).numbers
    assert found["global_spearman"] == pytest.approx(1.0)
    assert found["global_p_value"] == pytest.approx(2 / (24 * 2) / 2, abs=0.006), "24 orders of four models, 2 of two: one is as far"


def test_equivalence_needs_an_interval_within_the_bound() -> None:
    found = prediction_2(association(0.2, 0.6), spaces(MANY)).numbers
    assert -0.2 < found["global_ci95"][0] < found["global_spearman"] < found["global_ci95"][1] < 0.2
    assert found["global_predicts"] == "no"
    assert prediction_2(association(0.2, 0.6), spaces(UNRELATED * 10)).numbers["global_predicts"] == "open"


def test_the_interval_of_the_correlation_covers() -> None:
    """Two normal variables of correlation 0.5 over 40 models: Spearman's is 6 / pi asin(0.25)."""
    rng, truth, inside = np.random.default_rng(0), 6 / np.pi * np.arcsin(0.25), 0
    for _ in range(2000):
        x, z = rng.normal(size=(2, 40))
        found = _interval(float(spearmanr(x, 0.5 * x + 0.75**0.5 * z).statistic), 40)
        assert found is not None
        inside += found[0] <= truth <= found[1]
    assert inside / 2000 == pytest.approx(0.95, abs=0.015)
    assert _interval(0.3, 3) is None


def test_the_verdict_repeats_itself_and_can_be_written_as_json() -> None:
    one, again = (prediction_2(association(0.2, 0.6), spaces(UNRELATED), seed=1) for _ in range(2))
    assert one == again
    written = json.loads(json.dumps(one.metrics()))
    assert set(written) == {"verdict", "sentence", "numbers"}
    assert written["numbers"]["spaces"][2] == {"model": "m2", "dataset": "coco", "dimension": 0.2, "top1": 5.0}


def test_spaces_that_do_not_vary_leave_the_global_question_open() -> None:
    found = prediction_2(association(0.2, 0.6), spaces([1] * 6))
    assert (found.verdict, found.numbers["global_spearman"], found.numbers["global_predicts"]) == ("undecided", None, "open")
    assert "6 spaces" in found.sentence


def ranks(top1: float, count: int = 2000, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {name: np.where(rng.uniform(size=count) < top1, 1, 9) for name in ("image_to_text", "text_to_image")}


@pytest.mark.parametrize(
    ("clip", "cloob", "cloob_gap", "verdict"),
    [(0.6, 0.4, 0.2, "supported"), (0.4, 0.6, 0.2, "not supported"), (0.6, 0.4, 0.9, "not supported"), (0.5, 0.5, 0.2, "undecided")],
)
def test_prediction_1_is_decided_by_numbers(clip: float, cloob: float, cloob_gap: float, verdict: str) -> None:
    found = prediction_1(ranks(clip), ranks(cloob, seed=1), 0.8, cloob_gap)
    assert isinstance(found, Verdict)
    assert found.verdict == verdict
    assert f"the gap is 0.80 in CLIP and {cloob_gap:.2f} in CLOOB" in found.sentence
    with pytest.raises(UserError, match="do not pair up"):
        prediction_1(ranks(0.5), ranks(0.5, 10), 0.8, 0.2)


def test_the_difference_in_top1_is_paired() -> None:
    clip, cloob = ranks(0.6), ranks(0.4, seed=1)
    found = prediction_1(clip, cloob, 0.8, 0.2).numbers["top1_difference"]
    for name, entry in found.items():
        difference_N = (clip[name] == 1) * 1.0 - (cloob[name] == 1) * 1.0
        error = np.sqrt(np.var(difference_N, ddof=1) / 2000)
        assert entry["value"] == pytest.approx(difference_N.mean())
        assert entry["ci95"] == pytest.approx([difference_N.mean() - 1.96 * error, difference_N.mean() + 1.96 * error])
    same = prediction_1(clip, clip, 0.8, 0.2).numbers["top1_difference"]["text_to_image"]
    assert same == {"value": 0.0, "ci95": [0.0, 0.0]}  # paired: models that agree on each pair leave no doubt


def test_one_direction_against_it_is_enough() -> None:
    clip, cloob = ranks(0.6), ranks(0.4, seed=1)
    clip["text_to_image"], cloob["text_to_image"] = cloob["text_to_image"], clip["text_to_image"]
    found = prediction_1(clip, cloob, 0.8, 0.2)
    assert found.verdict == "not supported"
    assert "image to text +0.2" in found.sentence
    assert "text to image -0.2" in found.sentence
    assert prediction_1(ranks(0.6), ranks(0.4, seed=1), 0.5, 0.5).verdict == "not supported"  # the gap is not smaller
    with pytest.raises(UserError, match="image_to_text: 1 and 1 ranks do not pair up; both models need the same pairs, at least 2"):
        prediction_1(ranks(0.5, 1), ranks(0.5, 1), 0.8, 0.2)


def test_premises_stand_beside_the_verdict_of_prediction_1() -> None:
    within = {"text": {"value": -0.05, "ci95": [-0.09, -0.01]}}
    given = {"pair_distance": {"clip": 0.58, "cloob": 0.61}, "within": within}
    found = prediction_1(ranks(0.6), ranks(0.4, seed=1), 0.8, 0.2, given)
    assert found.verdict == "supported"
    assert found.sentence.endswith(
        "; its premises: pairs nearer in CLIP (squared distance 0.58 and 0.61), CLIP's top-1 within texts less CLOOB's -0.050 "
        "(-0.090 to -0.010)."
    )
    assert found.numbers["premises"] == given
    bare = prediction_1(ranks(0.6), ranks(0.4, seed=1), 0.8, 0.2, {"pair_distance": {"clip": None, "cloob": 0.61}, "within": {}})
    assert bare.sentence.endswith(
        "; its premises: pair distances not measured, retrieval within a modality not measured, as nothing repeats."
    )
