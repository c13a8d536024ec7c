"""The verdicts on both predictions follow the numbers."""

import json
from pathlib import Path

import pytest
from planted_cells import arm_cells, run_of
from planted_report import CONFIG, plant

from tda.report.data.load import load_run
from tda.report.topics import predictions
from tda.report.topics.registry import headlines


def test_models_without_both_roles_have_no_verdict() -> None:
    cells = arm_cells()
    assert predictions.prediction_sentences(run_of(*cells[:3])) == []  # CLIP alone
    assert predictions.prediction_sentences(run_of(*cells[1:3])) == []
    assert predictions.prediction_two(run_of(*cells)) == []


@pytest.mark.parametrize(("clip", "cloob"), [(0.8, 0.6), (0.6, 0.8), (0.7, 0.71)])
def test_without_a_comparison_prediction_one_is_undecided_whatever_the_two_top_1(clip: float, cloob: float) -> None:
    """Two top-1 are not paired: the page with and the page without comparisons.json never contradict each other."""
    top1 = {"toy_infonce": clip, "toy_cloob": cloob}
    both = {e: {"retrieval.image_to_text.top1": p, "retrieval.text_to_image.top1": p} for e, p in top1.items()}
    (reported,) = predictions.prediction_sentences(run_of(*arm_cells(**both)))
    assert reported.startswith("On toy_heldout, Prediction 1 is undecided: CLIP and CLOOB were not compared on the same pairs")
    assert "python -m jobs.analyze dataset.name=toy_heldout encoders=[toy_infonce,toy_cloob] root=" in reported


def test_verdicts_are_those_of_the_comparison(tmp_path: Path) -> None:
    root = plant(tmp_path, ("d",), ("toy_infonce", "toy_cloob"))
    file = tmp_path / "analysis" / "d" / "comparisons.json"
    found = json.loads(file.read_text())
    run = load_run(root, CONFIG)
    assert predictions.prediction_two(run)[0].startswith("On d, Prediction 2 is undecided: over 32 clusters")
    assert predictions.prediction_sentences(run)[0].startswith(
        "On d, Prediction 1 is not supported: the gap is 0.19 in CLIP and 0.03 in CLOOB"
    )
    assert "−0.040 (−0.059 to −0.021)" in predictions.prediction_sentences(run)[0]
    file.write_text(json.dumps({**found, "prediction_1": None, "prediction_2": {"sentence": "Prediction 2 is not supported: -0.10."}}))
    run = load_run(root, CONFIG)
    assert predictions.prediction_two(run) == ["On d, Prediction 2 is not supported: −0.10."]
    assert "On d, Prediction 1 is undecided: CLIP and CLOOB were not compared on the same pairs" in predictions.prediction_sentences(run)[0]
    assert headlines(run)["Local dimension"] == predictions.prediction_two(run)
