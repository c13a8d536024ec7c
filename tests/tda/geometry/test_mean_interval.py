"""Student's interval over a few repeats: its coverage, and what it refuses."""

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.mean_interval import mean_interval


@pytest.mark.parametrize("repeats", [2, 3, 10])
def test_it_covers_as_often_as_it_claims(repeats: int) -> None:
    """4,000 draws: a share of .95 has a standard error of .0035."""
    rng = np.random.default_rng(repeats)
    draws = [mean_interval(list(rng.normal(3.0, 2.0, repeats))) for _ in range(4000)]
    assert np.mean([found.low <= 3.0 <= found.high for found in draws]) == pytest.approx(0.95, abs=0.0105)
    narrower = [mean_interval(list(rng.normal(3.0, 2.0, repeats)), confidence=0.5) for _ in range(4000)]
    assert np.mean([found.low <= 3.0 <= found.high for found in narrower]) == pytest.approx(0.5, abs=0.024)


def test_three_values_by_hand() -> None:
    """Mean 2, standard deviation 1, t(2) = 4.302653 at .975."""
    found = mean_interval([1.0, 2.0, 3.0])
    assert (found.mean, found.repeats) == (2.0, 3)
    assert (found.low, found.high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-5)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_one_repeat_has_no_spread(values: list[float]) -> None:
    with pytest.raises(UserError, match=rf"at least 2 values, here are {len(values)}$"):
        mean_interval(values)
