"""Scores in bfloat16 with a bounded error, for processors that multiply bfloat16 two to three times as fast as float32.

Candidates within the error bound are rescored in float32 (`tda.geometry.neighbors.kernels.refine`): a search gives the same result with
or without bfloat16.

N queries, D dimensions, B queries at once, T rows of a tile.
"""

from functools import cache
from typing import Any

import torch

from tda.geometry.neighbors.table import band, scratch

ROUNDING = 2.0**-8  # bound on the relative error of rounding to bfloat16
LEAST_DIM = 64  # with fewer dimensions there is no gain
ROW_STEP, QUERY_STEP = 64, 16  # sizes of products are rounded up to multiples of these, as oneDNN compiles code for each new size


@cache
def pays(dim: int) -> bool:
    """Whether bfloat16 is faster: the processor has AVX-512 BF16 or AMX, torch has oneDNN, and rows have enough dimensions."""
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    library = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]  # torch has no type for it
    return dim >= LEAST_DIM and library and any(bool(ask()) for ask in asked if ask)


def brief_band(dim: int) -> float:
    """Bound on |score - true dot product| of unit rows of `dim` dimensions: rows rounded, product summed in float32, sum rounded."""
    return 2 * ROUNDING + ROUNDING**2 + 1.01 * ROUNDING + 1.02 * band(dim)


class BriefRows:
    """The rows (T, D) of a tile in bfloat16, in a buffer of this thread that is padded to a rounded-up size."""

    def __init__(self, unit_TD: torch.Tensor) -> None:
        count, dim = unit_TD.shape
        self._rows_TD = scratch("brief_rows", (_up(count, ROW_STEP), dim), torch.bfloat16)
        self._rows_TD[:count].copy_(unit_TD)

    def scores(self, queries_ND: torch.Tensor, query_B: torch.Tensor) -> Any:
        """Scores as bfloat16 bits, a uint16 NumPy array of at least (B, T), valid until the next call in this thread.

        `queries_ND`: unit rows in bfloat16; `query_B`: the numbers of those to score.
        """
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
