"""Recall by kind and precision of what a rule has found."""

import numpy as np
import pytest

from tda.geometry.duplicate_recall import recovery


def test_counts_shares_and_intervals() -> None:
    kind_N = np.array(["exact"] * 4 + ["cropped"] * 6 + [""] * 90)
    found_N = np.zeros(100, dtype=bool)
    found_N[[0, 1, 2, 3, 4, 5, 50, 51]] = True
    named_N = np.zeros(100, dtype=bool)
    named_N[[0, 1, 2, 4, 60]] = True
    cropped, exact, whole = recovery(found_N, kind_N, named_N)
    assert [one.kind for one in (cropped, exact, whole)] == ["cropped", "exact", ""]
    assert (exact.planted, exact.found, exact.recall, exact.source_named) == (4, 4, 1.0, 3)
    assert (cropped.planted, cropped.found, cropped.recall, cropped.source_named) == (6, 2, pytest.approx(1 / 3), 1)
    assert (whole.planted, whole.found, whole.others, whole.precision) == (10, 6, 2, 0.75)
    assert cropped.precision == 0.5
    assert exact.recall_low < 1.0 == exact.recall_high
    assert cropped.recall_low < cropped.recall < cropped.recall_high


def test_nothing_planted_and_nothing_found() -> None:
    (whole,) = recovery(np.zeros(3, dtype=bool), np.array(["", "", ""]), np.zeros(3, dtype=bool))
    assert (whole.planted, whole.found, whole.recall, whole.precision, whole.recall_low, whole.recall_high) == (0, 0, 0.0, 1.0, 0.0, 1.0)
