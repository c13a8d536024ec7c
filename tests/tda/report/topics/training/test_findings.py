"""The sentence on training follows the curves."""

import numpy as np
from planted_report import CONFIG

from tda.report.topics.training import findings


def test_training_tells_both_ends() -> None:
    curve = {"step": np.arange(1, 41), "loss": np.linspace(4, 1, 40), "learning_rate": np.ones(40)}
    (told,) = findings.training({"toy_infonce": curve}, CONFIG)
    assert told.startswith("The loss went from 3.96 to 1.04 in 40 steps in toy_infonce (CLIP)")
