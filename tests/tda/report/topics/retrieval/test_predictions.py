"""The verdicts on both predictions follow the numbers."""

import json
from pathlib import Path

import pytest
from planted_cells import arm_cells, run_of
from planted_report import CONFIG, plant

from tda.report.data.load import load_run
from tda.report.topics.registry import headlines
from tda.report.topics.retrieval import predictions


def test_models_without_both_roles_have_no_verdict() -> None:
    cells = arm_cells()
    assert predictions.prediction_one(run_of(*cells[:3])) == []  # CLIP alone
    assert predictions.prediction_one(run_of(*cells[1:3])) == []
    assert predictions.prediction_two(run_of(*cells)) == []


@pytest.mark.parametrize(
    ("clip", "cloob", "word"),
    [(0.8, 0.6, " holds: "), (0.6, 0.8, "does not hold; the opposite is seen: "), (0.7, 0.71, "is undecided: ")],
)
def test_prediction_one_may_hold_fail_or_stay_open(clip: float, cloob: float, word: str) -> None:
    top1 = {"toy_infonce": clip, "toy_cloob": cloob}
    both = {e: {"retrieval.image_to_text.top1": p, "retrieval.text_to_image.top1": p} for e, p in top1.items()}
    (told,) = predictions.prediction_one(run_of(*arm_cells(**both)))
    assert word in told
    assert f"top-1 is {100 * clip:.1f}% in toy_infonce (CLIP) and {100 * cloob:.1f}% in toy_cloob (CLOOB)" in told


def test_more_pairs_decide_what_few_leave_open() -> None:
    top1 = {"toy_infonce": 0.70, "toy_cloob": 0.73}
    for pairs, word in ((400, "undecided"), (100_000, "opposite")):
        both = {
            e: {"retrieval": {"image_to_text": {"top1": p}, "text_to_image": {"top1": p}, "pairs_used": pairs}} for e, p in top1.items()
        }
        assert word in predictions.prediction_one(run_of(*arm_cells(**both)))[0]


def test_verdicts_of_a_comparison_stand_before_those_on_top_1(tmp_path: Path) -> None:
    root = plant(tmp_path, ("d",), ("toy_infonce", "toy_cloob"))
    file = tmp_path / "analysis" / "d" / "comparisons.json"
    found = json.loads(file.read_text())
    run = load_run(root, CONFIG)
    assert predictions.prediction_two(run)[0].startswith("On d, Prediction 2 is undecided: over 32 clusters")
    assert predictions.prediction_one(run)[0].startswith("On d, Prediction 1 is not supported: the gap is 0.19 in CLIP and 0.03 in CLOOB")
    assert "−0.040 (−0.059 to −0.021)" in predictions.prediction_one(run)[0]
    file.write_text(json.dumps({**found, "prediction_1": None, "prediction_2": {"sentence": "Prediction 2 is not supported: -0.10."}}))
    run = load_run(root, CONFIG)
    assert predictions.prediction_two(run) == ["On d, Prediction 2 is not supported: −0.10."]
    assert (
        "On d, Prediction 1, that CLIP retrieves better than CLOOB," in predictions.prediction_one(run)[0]
    )  # on the two top-1, where ranks were not paired
    assert headlines(run)["Local dimension"] == predictions.prediction_two(run)
