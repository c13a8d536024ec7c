"""Hopfield retrieval against golden values, and in its two limits."""

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from tda.encoders.hopfield import retrievals, retrieve


def _rows(seed: int, rows: int, dim: int = 8) -> torch.Tensor:
    return normalize(torch.randn(rows, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_golden_retrievals(shared_golden: Path) -> None:
    arrays = np.load(shared_golden / "losses.npz")
    checked = 0
    for key in arrays.files:
        if "__p" not in key:
            continue
        batch, which, label = key.split("__")
        x, y = torch.from_numpy(arrays[f"{batch}__X"]), torch.from_numpy(arrays[f"{batch}__Y"])
        ours = dict(zip(("pxx", "pxy", "pyy", "pyx"), retrievals(x, y, float(label.removeprefix("beta"))), strict=True))
        np.testing.assert_allclose(ours[which], arrays[key], rtol=1e-9, atol=1e-12, err_msg=key)
        checked += 1
    assert checked == 16


def test_sharp_retrieval_finds_the_nearest_row() -> None:
    state, stored = _rows(0, 5), _rows(1, 9)
    torch.testing.assert_close(retrieve(state, stored, 1e5), stored[(state @ stored.T).argmax(1)])


def test_flat_retrieval_is_the_mean_for_every_query() -> None:
    state, stored = _rows(0, 5), _rows(1, 9)
    torch.testing.assert_close(retrieve(state, stored, 0.0), normalize(stored.mean(0, keepdim=True), dim=1).expand(5, -1))


def test_rows_have_unit_norm_and_queries_do_not_meet() -> None:
    state, stored = _rows(0, 5), _rows(1, 9)
    found = retrieve(state, stored, 8.0)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(retrieve(state[2:3], stored, 8.0), found[2:3])


def test_half_precision_is_retrieved_in_single() -> None:
    state, stored = _rows(0, 5).half(), _rows(1, 9).half()
    with torch.autocast("cpu", torch.bfloat16):
        found = retrieve(state, stored, 8.0)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), retrieve(state.double(), stored.double(), 8.0), rtol=1e-5, atol=1e-6)
