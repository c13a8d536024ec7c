"""Scores in bfloat16 keep to their bound, whatever the processor."""

from typing import Any

import numpy as np
import pytest
import torch

from tda.geometry.neighbors.bfloat16 import LEAST_DIM, BriefRows, brief_band, pays


def unit(rows: Any) -> Any:
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def drawn(count: int, dim: int, kind: str) -> Any:
    rng = np.random.default_rng(count)
    if kind == "halfway":  # every component as far from its bfloat16 as can be, and all to one side
        return unit(np.full((count, dim), 1 + 2.0**-8 - 1e-6) * rng.choice([1, 2, 4], (count, dim)))
    return unit(rng.standard_normal((count, dim)) + 5 * (kind == "a narrow cone"))


@pytest.mark.parametrize("kind", ["any direction", "a narrow cone", "halfway"])
@pytest.mark.parametrize("dim", [1, 48, 512, 1500])
def test_no_score_is_further_off_than_the_band(kind: str, dim: int) -> None:
    rows_TD, queries_ND = drawn(70, dim, kind), drawn(19, dim, kind)
    for count in (70, 64, 1):
        brief = BriefRows(torch.from_numpy(rows_TD[:count]).float())
        for asking in ([0, 7, 18], [2, 3, 4], [18], list(range(19))):
            bits = brief.scores(torch.from_numpy(queries_ND).float().to(torch.bfloat16), torch.tensor(asking))
            score = (bits[: len(asking), :count].astype(np.uint32) << 16).view(np.float32)
            assert np.abs(score - queries_ND[asking] @ rows_TD[:count].T).max() <= brief_band(dim)


def test_few_dimensions_do_not_pay() -> None:
    assert not pays(LEAST_DIM - 1)
