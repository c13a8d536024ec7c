"""Scores in bfloat16, whose error is bounded, for processors that multiply it two to three times as fast as float32.

What they leave is scored again in float32 (`tda.geometry.neighbors.kernels.refine`), so that a search finds what it finds without them.

N queries, D dimensions, B queries at once, T rows of a tile.
"""

from functools import cache
from typing import Any

import torch

from tda.geometry.neighbors.table import band, scratch

ROUNDING = 2.0**-8  # relative error of a number rounded to bfloat16
LEAST_DIM = 64  # below it a product is too small to gain
ROW_STEP, QUERY_STEP = 64, 16  # sizes of products are rounded up to these: a size that is new has its code made anew


@cache
def pays(dim: int) -> bool:
    """Whether this processor has instructions for bfloat16 (AVX-512 BF16 or AMX), and torch the library that uses them."""
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    library = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]  # torch has no type for it
    return dim >= LEAST_DIM and library and any(bool(ask()) for ask in asked if ask)


def brief_band(dim: int) -> float:
    """Bound on |score - true dot product| of unit rows: each rounded, their product summed in float32, and the sum rounded."""
    return 2 * ROUNDING + ROUNDING**2 + 1.01 * ROUNDING + 1.02 * band(dim)


class BriefRows:
    """The rows of a tile in bfloat16, in memory of this thread, with room behind them for a size rounded up."""

    def __init__(self, unit_TD: torch.Tensor) -> None:
        count, dim = unit_TD.shape
        self._rows_TD = scratch("brief_rows", (_up(count, ROW_STEP), dim), torch.bfloat16)
        self._rows_TD[:count].copy_(unit_TD)

    def scores(self, queries_ND: torch.Tensor, query_B: torch.Tensor) -> Any:
        """At least (B, T) scores as the bits of bfloat16, uint16, NumPy; valid until the thread's next call."""
        gathered = self._gathered(queries_ND, query_B)
        out = scratch("brief_scores", (len(gathered), len(self._rows_TD)), torch.bfloat16)
        score = torch.mm(gathered, self._rows_TD.T, out=out)
        return score.view(torch.uint16).numpy()

    @staticmethod
    def _gathered(queries_ND: torch.Tensor, query_B: torch.Tensor) -> torch.Tensor:
        tall, first = _up(len(query_B), QUERY_STEP), int(query_B[0])
        if first + tall <= len(queries_ND) and torch.equal(query_B, torch.arange(first, first + len(query_B))):
            return queries_ND[first : first + tall]
        gathered = scratch("brief_queries", (tall, queries_ND.shape[1]), torch.bfloat16)
        torch.index_select(queries_ND, 0, query_B, out=gathered[: len(query_B)])
        return gathered


def _up(count: int, step: int) -> int:
    return -(-count // step) * step
