"""What a row retrieves, against a plain sort of all cosines."""

import numpy as np
import pytest

from tda.report.explorer import nearest_shown
from tda.report.explorer.nearest_shown import top_matches


def _unit(n: int, d: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.mark.parametrize("block", [7, 1024])
def test_it_is_what_a_sort_finds(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_shown, "BLOCK", block)
    query, candidate = _unit(50, 12, 0), _unit(50, 12, 1)
    expected = np.argsort(-(query.astype(np.float64) @ candidate.T), axis=1)[:, :5]
    assert np.array_equal(top_matches(query, candidate, 5), expected)


def test_ties_go_to_the_lower_index_and_k_is_cut() -> None:
    same = np.tile(_unit(1, 4, 0), (3, 1))
    assert top_matches(same, same, 8).tolist() == [[0, 1, 2]] * 3
