"""Passes over rows that are in one array or on many machines: a picklable function of a block, and the sum of its results.

N rows, D dimensions, B rows of a block, P rows of a panel, L columns.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from tda.errors import UserError
from tda.geometry.arrays.namespace import namespace, row_blocks

Total = Callable[[Callable[[Any], Any]], Any]  # runs a function of a block (B, D) on all blocks and returns the sum of its results


def over(blocks: Callable[[], Iterable[Any]]) -> Total:
    """The `Total` of blocks (B, D) that `blocks` yields again for each pass, one at a time."""
    return lambda function: reduce(add, (function(x_BD) for x_BD in blocks()))


def over_rows(x_ND: Any, block_rows: int = 65_536) -> Total:
    """The `Total` of one array or memory map (N, D)."""
    return over(lambda: (x_ND[block, :] for block in row_blocks(x_ND.shape[0], block_rows)))


@dataclass(frozen=True)
class Sum:
    """The result of a pass: `n` rows, sums, and the R of a QR decomposition of rows. R factors add up by the QR of both, stacked."""

    n: int
    parts: tuple[Any, ...] = ()
    triangle_LL: Any = None

    def __add__(self, other: "Sum") -> "Sum":
        parts = tuple(one + two for one, two in zip(self.parts, other.parts, strict=True))
        if self.triangle_LL is None:
            return Sum(self.n + other.n, parts)
        stacked = namespace(self.triangle_LL).concat([self.triangle_LL, other.triangle_LL])
        return Sum(self.n + other.n, parts, triangle(stacked))


def triangle(x_BL: Any) -> Any:
    """R factor (min(B, L), L) of the QR decomposition of rows (B, L)."""
    return namespace(x_BL).linalg.qr(x_BL, mode="reduced")[1]


def by_panels(x_BD: Any, function: Callable[[Any], Sum]) -> Sum:
    """Sum of the function over panels (P, D) in float64, so that a block of any size needs the memory of one panel."""
    xp, panels = namespace(x_BD), list(row_blocks(x_BD.shape[0])) or [slice(0, 0)]
    return reduce(add, (function(xp.astype(x_BD[panel, :], xp.float64)) for panel in panels))


@dataclass(frozen=True)
class _RowSum:
    """Number and sum (D,) of the rows. Raises UserError for a row that is not finite."""

    def __call__(self, x_BD: Any) -> Sum:
        found = by_panels(x_BD, lambda rows_PD: Sum(rows_PD.shape[0], (namespace(rows_PD).sum(rows_PD, axis=0),)))
        if not bool(namespace(x_BD).isfinite(namespace(x_BD).sum(found.parts[0]))):
            raise UserError("a row is not finite: its spectrum is not defined; remove it first")
        return found


def row_mean(total: Total) -> tuple[int, Any]:
    """Number of rows and their mean (D,), in one pass. Raises UserError below two rows or for a row that is not finite."""
    found = total(_RowSum())
    if found.n < 2:
        raise UserError(f"a spectrum needs at least 2 rows and got {found.n}")
    return found.n, found.parts[0] / found.n


def as_total(x_ND: Any) -> Total:
    """A `Total` of rows (N, D); a `Total` is returned as it is. Raises UserError for another shape or no rows."""
    if callable(x_ND):
        return x_ND  # type: ignore[no-any-return]  # what is callable here is a Total
    if x_ND.ndim != 2 or 0 in x_ND.shape:
        raise UserError(f"rows have shape {tuple(x_ND.shape)}; they must be (N, D) with N and D at least 1")
    return over_rows(x_ND)
