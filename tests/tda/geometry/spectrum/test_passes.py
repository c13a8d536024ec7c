"""Passes over rows: what blocks, panels and merges of triangles add up to is what the whole gives. N rows, D dimensions, B of a block."""

import pickle
from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.arrays.namespace import BLOCK_ROWS
from tda.geometry.spectrum.passes import Sum, as_total, by_panels, over, over_rows, row_mean, triangle
from tda.geometry.spectrum.randomized import _Normal
from tda.geometry.spectrum.tsqr import _Centred


def rows(count: int = 1000, dim: int = 6) -> Any:
    return np.random.default_rng(count).standard_normal((count, dim)) + 2


def summed(x_BD: Any) -> Sum:
    return Sum(len(x_BD), (x_BD.sum(axis=0), x_BD.T @ x_BD), triangle(x_BD))


@pytest.mark.parametrize("cuts", [[], [1], [3, 500, 997], list(range(10, 1000, 10))])
def test_the_sum_over_blocks_is_that_of_the_whole(cuts: list[int]) -> None:
    """A triangle of blocks is a triangle of the rows: R'R is their Gram matrix, at whatever cut, blocks of fewer rows than D among them."""
    x_ND = rows()
    found = over(lambda: np.split(x_ND, cuts))(summed)
    assert found.n == 1000
    np.testing.assert_allclose(found.parts[0], x_ND.sum(axis=0))
    np.testing.assert_allclose(found.parts[1], x_ND.T @ x_ND)
    assert found.triangle_LL.shape == (6, 6)
    np.testing.assert_allclose(np.tril(found.triangle_LL, -1), 0)
    np.testing.assert_allclose(found.triangle_LL.T @ found.triangle_LL, x_ND.T @ x_ND)


def test_each_pass_asks_for_the_blocks_again_one_at_a_time() -> None:
    handed: list[int] = []

    def blocks() -> Any:
        for block in np.split(rows(), [400]):
            handed.append(len(block))
            yield block

    total = over(blocks)
    for _ in range(2):
        total(lambda x_BD: Sum(len(x_BD)))
    assert handed == [400, 600, 400, 600]
    sizes: list[int] = []
    over_rows(rows(), 300)(lambda x_BD: Sum(sizes.append(len(x_BD)) or 0))
    assert sizes == [300, 300, 300, 100]


def test_sums_without_a_triangle_and_of_other_lengths() -> None:
    both = Sum(2, (1.0, np.ones(2))) + Sum(3, (2.0, np.full(2, 4.0)))
    assert (both.n, both.parts[0], both.parts[1].tolist(), both.triangle_LL) == (5, 3.0, [5, 5], None)
    with pytest.raises(ValueError, match="zip"):
        _ = Sum(1, (1.0,)) + Sum(1, (1.0, 2.0))


@pytest.mark.parametrize("count", [0, 1, BLOCK_ROWS, 2 * BLOCK_ROWS + 7])
def test_panels_are_float64_and_bounded(count: int) -> None:
    x_ND, seen = rows(count).astype(np.float16), []

    def panel(rows_PD: Any) -> Sum:
        seen.append((len(rows_PD), rows_PD.dtype))
        return Sum(len(rows_PD), (rows_PD.sum(axis=0),))

    found = by_panels(x_ND, panel)
    assert found.n == count
    np.testing.assert_allclose(found.parts[0], x_ND.astype(np.float64).sum(axis=0), rtol=1e-12)
    assert {dtype for _, dtype in seen} == {np.dtype(np.float64)}
    assert max(size for size, _ in seen) <= BLOCK_ROWS


def test_the_mean_of_rows_in_any_blocks() -> None:
    x_ND = rows().astype(np.float32)
    for total in (as_total(x_ND), over_rows(x_ND, 7), over(lambda: np.split(x_ND, [0, 1, 1, 999]))):
        n, mean_D = row_mean(total)
        assert n == 1000
        np.testing.assert_allclose(mean_D, x_ND.mean(axis=0, dtype=np.float64), rtol=1e-13)


def test_functions_of_a_block_travel_to_other_machines() -> None:
    """Each pickles, and gives there what it gives here."""
    x_ND, mean_D = rows(50), np.full(6, 2.0)
    asked: list[Any] = []

    def remember(function: Any) -> Any:
        asked.append(function)
        return function(x_ND)

    row_mean(remember)
    for function in (*asked, _Normal(mean_D, np.eye(6)[:, :3], 2), _Centred(mean_D)):
        here, there = function(x_ND), pickle.loads(pickle.dumps(function))(x_ND)  # noqa: S301 (our own bytes)
        assert here.n == there.n == 50
        for one, other in zip(here.parts, there.parts, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_total_is_passed_on_and_an_array_becomes_one() -> None:
    total = over_rows(rows())
    assert as_total(total) is total
    assert as_total(rows())(lambda x_BD: Sum(len(x_BD))).n == 1000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: as_total(np.ones(5)), r"rows have shape \(5,\); they must be \(N, D\)"),
        (lambda: as_total(np.ones((0, 5))), r"rows have shape \(0, 5\)"),
        (lambda: row_mean(as_total(np.ones((1, 5)))), "a spectrum needs at least 2 rows and got 1"),
        (lambda: row_mean(as_total(np.array([[1.0, np.nan], [1, 2]]))), "a row is not finite"),
        (lambda: row_mean(over(lambda: [np.ones((2, 2)), np.full((1, 2), np.inf)])), "a row is not finite"),
    ],
)
def test_rows_without_a_spectrum_are_refused(call: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        call()
