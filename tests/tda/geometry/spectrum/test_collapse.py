"""Collapses whose answer is known, on rows as they are stored."""

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.spectrum.collapse import classify, collapsed_rows
from tda.geometry.spectrum.moments import Spectrum, covariance_spectrum


@pytest.mark.parametrize("dim", [3, 64])
@pytest.mark.parametrize("kind", ["none", "dimensional", "complete"])
def test_both_cases_of_the_figure_and_none(kind: str, dim: int) -> None:
    found = classify(covariance_spectrum(collapsed_rows(kind, 4000, dim)))
    assert found.kind == kind
    if kind == "dimensional":
        assert (found.index, found.above_floor) == (dim - 1, dim - 1)
    if kind == "none":
        assert found.variance == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_a_collapse_at_400_of_512_is_found_at_400(dtype: str, mean: float) -> None:
    """Beside a mean of norm 1 too, as real rows have: the index by the threshold, the count by the floor, both 400 of 512."""
    x_ND = collapsed_rows("dimensional", 4000, 512, kept=400)
    x_ND = x_ND + mean * x_ND[0]
    stored_ND = (x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)).astype(dtype)
    found = classify(covariance_spectrum(stored_ND))
    assert (found.kind, found.index, found.above_floor) == ("dimensional", 400, 400)


def test_a_scant_few_directions_are_complete_collapse() -> None:
    assert classify(covariance_spectrum(collapsed_rows("dimensional", 2000, 512, kept=5))).kind == "complete"
    assert classify(covariance_spectrum(collapsed_rows("dimensional", 2000, 512, kept=6))).kind == "dimensional"


def test_rows_all_equal_are_one_point() -> None:
    found = classify(covariance_spectrum(np.tile([[0.6, 0.8, 0.0]], (20, 1))))
    assert (found.kind, found.index) == ("complete", 0)
    assert "one point" in found.note


def test_one_dimension_cannot_collapse_and_a_known_spectrum_is_named() -> None:
    assert classify(covariance_spectrum(np.linspace(-1, 1, 50)[:, None])).kind == "none"
    values_D = np.asarray([0.5, 0.3, 0.2, 1e-9])
    given = Spectrum(singular_values=values_D, effective_rank=2.8, participation_ratio=2.6, collapse_index=3, auc=0.7, floor=1e-12)
    assert classify(given).metrics() == {
        "kind": "dimensional",
        "index": 3,
        "above_floor": 4,
        "dim": 4,
        "variance": pytest.approx(1),
        "note": "3 of 4 dimensions are used",
    }


def test_a_power_law_that_passes_the_threshold_is_no_collapse() -> None:
    values_D = np.arange(1, 513.0) ** -1.2
    given = Spectrum(singular_values=values_D, effective_rank=9, participation_ratio=3, collapse_index=316, auc=0.7, floor=1e-12)
    found = classify(given)
    assert (found.kind, found.index) == ("fades", 316)
    assert found.note == "values fade under the threshold after 316 of 512 dimensions, without a drop"


def test_bad_input_is_one_clear_line() -> None:
    with pytest.raises(UserError, match="choose one of: none, dimensional, complete"):
        collapsed_rows("partial", 10, 3)
    with pytest.raises(UserError, match="kept=9"):
        collapsed_rows("dimensional", 10, 3, kept=9)
