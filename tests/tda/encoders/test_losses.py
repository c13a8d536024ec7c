"""Losses against golden values and gradients, closed forms, finite differences, and in half precision."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tda.encoders import losses

INV_TAU, BETA = 30.0, 8.0
ROUNDING = 1e-14  # of logits near 100: saturated records are as small as that
TWO: dict[str, Callable[..., Tensor]] = {"infonce": losses.info_nce, "infoloob": losses.info_loob, "infoloob_rows": losses.info_loob_rows}
FOUR: dict[str, Callable[..., Tensor]] = {"cloob": losses.cloob, "infonce_hopfield": losses.info_nce_hopfield}
PUBLIC = {name: loss for name, loss in {**TWO, **FOUR}.items() if name != "infoloob_rows"}


def _rows(seed: int, pairs: int = 6, dim: int = 5, dtype: torch.dtype = torch.float64) -> Tensor:
    rows = torch.randn(pairs, dim, dtype=dtype, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=1)


def _call(name: str, x: Tensor, y: Tensor, inv_tau: float = INV_TAU, beta: float = BETA) -> Tensor:
    return TWO[name](x, y, inv_tau) if name in TWO else FOUR[name](x, y, inv_tau, beta)


@pytest.mark.parametrize("name", [*TWO, *FOUR])
def test_golden_values_and_gradients(name: str, shared_golden: Path) -> None:
    records = [r for r in json.loads((shared_golden / "losses.json").read_text())["records"] if r["loss"] == name]
    arrays = np.load(shared_golden / "losses.npz")
    for record in records:
        x = torch.from_numpy(arrays[f"{record['batch']}__X"]).requires_grad_()
        y = torch.from_numpy(arrays[f"{record['batch']}__Y"]).requires_grad_()
        value = _call(name, x, y, record["inv_tau"], record["beta"])
        value.backward()
        np.testing.assert_allclose(value.item(), record["value"], rtol=1e-9, atol=ROUNDING, err_msg=str(record))
        for grad, key in ((x.grad, "gX"), (y.grad, "gY")):
            expected = arrays[record[key]]
            np.testing.assert_allclose(grad, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max() + ROUNDING, err_msg=str(record))
    assert len(records) == (15 if name in TWO else 20)


def test_closed_forms_of_identity() -> None:
    eye = torch.eye(4, dtype=torch.float64)
    assert losses.info_loob(eye, eye, 30).item() == pytest.approx(-1.9267591807554594, rel=1e-14)
    assert losses.cloob(eye, eye, 30, 8).item() == pytest.approx(-1.9254168805563183, rel=1e-14)
    assert losses.info_nce(eye, eye, 30).item() == pytest.approx(np.log1p(3 * np.exp(-30)), rel=1e-2)


@pytest.mark.parametrize("name", PUBLIC)
def test_gradients_against_finite_differences(name: str) -> None:
    x, y = _rows(0).requires_grad_(), _rows(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: _call(name, a, b, inv_tau=5.0), (x, y))


@pytest.mark.parametrize("name", PUBLIC)
def test_does_not_change_when_modalities_swap_or_pairs_are_shuffled(name: str) -> None:
    x, y, order = _rows(0), _rows(1), torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(_call(name, y, x), _call(name, x, y))
    torch.testing.assert_close(_call(name, x[order], y[order]), _call(name, x, y))


def test_infoloob_leaves_the_positive_out_exactly() -> None:
    """At a huge scale the positives are e^{3000} times the negatives: any trace of them in the sum would show."""
    x = torch.eye(3, dtype=torch.float64)
    assert losses.info_loob_rows(x, x, 3000.0).item() == pytest.approx((np.log(2) - 3000) / 3000, rel=1e-15)
    logits = torch.full((2, 2), -5000.0, dtype=torch.float64)  # under -1000, where a finite stand-in for -inf would win
    assert losses._loob_rows(logits).item() == 0.0


def test_infonce_saturates_and_infoloob_does_not() -> None:
    """Why InfoLOOB closes the gap: aligned pairs keep being pulled together."""
    x = torch.eye(4, dtype=torch.float64, requires_grad=True)
    (nce,) = torch.autograd.grad(losses.info_nce(x, x.detach(), INV_TAU), x)
    (loob,) = torch.autograd.grad(losses.info_loob(x, x.detach(), INV_TAU), x)
    assert nce.norm() < 1e-9
    assert loob.norm() > 0.1


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_input_is_computed_in_single(name: str, dtype: torch.dtype) -> None:
    x, y = _rows(0, 64, 16).to(dtype), _rows(1, 64, 16).to(dtype)
    value = _call(name, x, y, inv_tau=100.0)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), _call(name, x.double(), y.double(), inv_tau=100.0), rtol=2e-5, atol=0)


@pytest.mark.parametrize("name", PUBLIC)
def test_autocast_does_not_reach_the_logits(name: str) -> None:
    x, y = _rows(0, 64, 16, torch.float32), _rows(1, 64, 16, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = _call(name, x, y)
    assert torch.equal(inside, _call(name, x, y))


@pytest.mark.parametrize("name", PUBLIC)
def test_identical_rows_stay_finite(name: str) -> None:
    x = _rows(0)[:1].repeat(4, 1).requires_grad_()
    value = _call(name, x, x)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("shapes", [((1, 3), (1, 3)), ((4, 3), (5, 3)), ((4,), (4,))])
def test_batches_that_cannot_be_contrasted_are_refused(shapes: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="B at least 2"):
        losses.info_loob(torch.ones(shapes[0]), torch.ones(shapes[1]), INV_TAU)


def test_objective_brings_all_arms_to_one_scale() -> None:
    x, y = _rows(0), _rows(1)
    for name, loss, hopfield, scale in (
        ("infonce", "infonce", False, 1.0),
        ("infonce_hopfield", "infonce", True, 1.0),
        ("infoloob", "infoloob", False, INV_TAU / 2),
        ("cloob", "infoloob", True, INV_TAU / 2),
    ):
        torch.testing.assert_close(losses.objective(loss, hopfield, INV_TAU, BETA)(x, y), scale * _call(name, x, y))


def test_golden_retrievals(shared_golden: Path) -> None:
    arrays = np.load(shared_golden / "losses.npz")
    checked = 0
    for key in arrays.files:
        if "__p" not in key:
            continue
        batch, which, label = key.split("__")
        x, y = torch.from_numpy(arrays[f"{batch}__X"]), torch.from_numpy(arrays[f"{batch}__Y"])
        ours = dict(zip(("pxx", "pxy", "pyy", "pyx"), losses.retrievals(x, y, float(label.removeprefix("beta"))), strict=True))
        np.testing.assert_allclose(ours[which], arrays[key], rtol=1e-9, atol=1e-12, err_msg=key)
        checked += 1
    assert checked == 16


def test_sharp_retrieval_finds_the_nearest_row() -> None:
    state, stored = _rows(0, 5, 8), _rows(1, 9, 8)
    torch.testing.assert_close(losses.retrieve(state, stored, 1e5), stored[(state @ stored.T).argmax(1)])


def test_flat_retrieval_is_the_mean_for_every_query() -> None:
    state, stored = _rows(0, 5, 8), _rows(1, 9, 8)
    torch.testing.assert_close(
        losses.retrieve(state, stored, 0.0), torch.nn.functional.normalize(stored.mean(0, keepdim=True), dim=1).expand(5, -1)
    )


def test_rows_have_unit_norm_and_queries_do_not_meet() -> None:
    state, stored = _rows(0, 5, 8), _rows(1, 9, 8)
    found = losses.retrieve(state, stored, 8.0)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(losses.retrieve(state[2:3], stored, 8.0), found[2:3])


def test_half_precision_is_retrieved_in_single() -> None:
    state, stored = _rows(0, 5, 8).half(), _rows(1, 9, 8).half()
    with torch.autocast("cpu", torch.bfloat16):
        found = losses.retrieve(state, stored, 8.0)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), losses.retrieve(state.double(), stored.double(), 8.0), rtol=1e-5, atol=1e-6)
