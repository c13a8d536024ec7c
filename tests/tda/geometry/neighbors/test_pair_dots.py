"""Dot products of pairs have the bits of a sum by halves, however they are cut. N and M rows, D dimensions, L pairs."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from tda.geometry.neighbors import pair_dots as dots
from tda.geometry.neighbors.pair_dots import pair_dots, tree_sum


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("dim", [1, 2, 3, 7, 48, 513])
def test_pairs_are_added_up_by_halves(dim: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    made = torch.Generator().manual_seed(dim)
    x_ND, y_MD = (torch.randn(count, dim, generator=made).to(dtype) for count in (20, 30))
    x_L, y_L = torch.randint(20, (101,), generator=made), torch.randint(30, (101,), generator=made)
    wanted_L = tree_sum(x_ND[x_L].double() * y_MD[y_L].double())
    assert torch.equal(pair_dots(x_ND, x_L, y_MD, y_L), wanted_L)
    monkeypatch.setattr(dots, "BLOCK", 10)
    assert torch.equal(pair_dots(x_ND, x_L, y_MD, y_L, threads=2), wanted_L)
    exact_L = [math.fsum(x * y) for x, y in zip(x_ND[x_L].double().numpy(), y_MD[y_L].double().numpy(), strict=True)]
    np.testing.assert_allclose(wanted_L, exact_L, atol=1e-13 * dim)


def test_no_pairs_have_no_products() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert pair_dots(torch.ones(2, 3), none, torch.ones(2, 3), none, threads=2).shape == (0,)


def test_numba_waits_until_a_product_is_asked_for() -> None:
    check = "import sys, tda.geometry.neighbors.reference; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True).stdout.strip() == "False"
