"""The sentence on training follows the curves."""

from typing import Any

import numpy as np
from planted_report import CONFIG

from tda.report.topics.training import findings


def _curve(first: float, last: float, steps: int = 40) -> dict[str, Any]:
    return {"step": np.arange(1, steps + 1), "loss": np.linspace(first, last, steps), "learning_rate": np.ones(steps)}


def test_both_ends_of_the_loss_are_medians_of_a_twentieth() -> None:
    assert findings.training({"toy_infonce": _curve(4, 1)}, CONFIG) == [
        "The loss fell in 40 steps from 3.96 to 1.04 in toy_infonce (CLIP) (medians of the first and last twentieth of the steps)."
    ]


def test_equal_steps_are_named_once_and_others_each() -> None:
    (same,) = findings.training({"toy_infonce": _curve(4, 1), "toy_cloob": _curve(4, -7)}, CONFIG)
    assert same.count("40 steps") == 1
    assert "from 3.86 to −6.86 in toy_cloob (CLOOB)" in same
    (several,) = findings.training({"toy_infonce": _curve(4, 1), "toy_cloob": _curve(4, 1, 2000)}, CONFIG)
    assert several.startswith("The loss fell from 3.96 to 1.04 in toy_infonce (CLIP) (40 steps) and from ")
    assert "in toy_cloob (CLOOB) (2,000 steps) (medians" in several


def test_a_loss_that_rises_did_not_fall() -> None:
    (rose,) = findings.training({"toy_infonce": _curve(4, 1), "toy_cloob": _curve(1, 4)}, CONFIG)
    assert rose.startswith("The loss went in 40 steps from ")


def test_no_curves_are_no_sentence() -> None:
    assert findings.training({}, CONFIG) == []


def test_a_loss_that_stays_did_not_fall() -> None:
    (stayed,) = findings.training({"toy_infonce": _curve(2, 2)}, CONFIG)
    assert stayed.startswith("The loss went in 40 steps from 2 to 2 in ")
