"""Rows in memory as they are stored, float16 or float32: their norms, unit rows of a part of them, and cosines that no cut changes.

N queries, M reference rows, D dimensions, T rows of a tile, C cells, L pairs. Tensors are torch's, on the device of the rows.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from tda.errors import UserError
from tda.geometry.namespace import row_blocks

EXACT_ROWS, EXACT_WIDE = 512, 65_536  # rows in float64 at once, of a core (2 MB at D = 512, which stay in the cache) and of a GPU
TINY = 1e-30  # norms below it, or above its inverse, have no float32 direction

Candidates = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # query, reference row, float32 score: (L,) each


@dataclass
class Table:
    """Reference rows in memory as they are stored, each distinct row once, those of a cell together.

    `position_M` is the row's place in the reference, which decides ties; `bounds`: cell c holds the rows bounds[c] to bounds[c + 1].
    Raises UserError naming the first row (by position) that is zero or not finite.
    """

    rows_MD: torch.Tensor
    position_M: torch.Tensor
    bounds: Any  # (C + 1,) NumPy

    def __post_init__(self) -> None:
        self.norm_M = row_norms(self.rows_MD, "reference", self.position_M)
        self.scale_M = (1 / self.norm_M).to(torch.float32)
        self.crowded = False  # more rows than float32 tells apart are near the best, as far as bfloat16 can see

    def __len__(self) -> int:
        return int(self.rows_MD.shape[0])

    def tile(self, part: slice, out: torch.Tensor) -> torch.Tensor:
        """(T, D) unit rows in float32, in the memory of `out`."""
        return out[: part.stop - part.start].copy_(self.rows_MD[part]).mul_(self.scale_M[part, None])  # faster than one mixed product


@dataclass
class Queries:
    """Rows as they are stored, their norms in float64, and the unit rows in float32. Raises UserError as `Table` does."""

    rows_ND: torch.Tensor
    first: int = 0  # place of row 0 among all queries, for messages

    def __post_init__(self) -> None:
        self.norm_N = row_norms(self.rows_ND, "queries", self.first)
        scale_N1 = (1 / self.norm_N).to(torch.float32)[:, None]
        self.unit_ND = torch.empty_like(self.rows_ND, dtype=torch.float32).copy_(self.rows_ND).mul_(scale_N1)

    def __len__(self) -> int:
        return int(self.rows_ND.shape[0])

    @cached_property
    def brief(self) -> torch.Tensor:
        """The unit rows (N, D) in bfloat16."""
        return self.unit_ND.to(torch.bfloat16)


def band(dim: int) -> float:
    """Bound on |computed - true| of a float32 product of unit rows, each component off by up to three roundings (Higham 2002, 3.1)."""
    return 1.01 * (dim + 8) * 2.0**-24


def row_norms(x_ND: torch.Tensor, what: str, first: Any = 0) -> torch.Tensor:
    """L2 norms (N,) float64. Raises UserError naming the first row that is zero or not finite (`first`: position of row 0, or of each)."""
    norm_N = torch.empty(x_ND.shape[0], dtype=torch.float64, device=x_ND.device)
    for part in row_blocks(x_ND.shape[0], EXACT_WIDE if x_ND.is_cuda else EXACT_ROWS):
        norm_N[part] = torch.sqrt(_tree_sum(x_ND[part].to(torch.float64) ** 2))
    bad = torch.nonzero(~((norm_N > TINY) & (norm_N < 1 / TINY)))[:, 0]
    if len(bad):
        row = int(bad[0]) + first if isinstance(first, int) else int(first[bad].min())
        raise UserError(f"{what}: row {row} has norm {float(norm_N[bad[0]]):g}; every row needs a finite norm above {TINY:g}")
    return norm_N


def pair_cosines(queries: Queries, query_L: torch.Tensor, table: Table, row_L: torch.Tensor) -> torch.Tensor:
    """Cosines (L,) float64 of queries with rows of the table: the same two rows give the same bits anywhere."""
    out_L = torch.empty(len(query_L), dtype=torch.float64, device=query_L.device)
    for part in row_blocks(len(query_L), EXACT_WIDE if query_L.is_cuda else EXACT_ROWS):
        query, row = query_L[part], row_L[part]
        dot = _tree_sum(queries.rows_ND[query].to(torch.float64) * table.rows_MD[row].to(torch.float64))
        out_L[part] = dot / (queries.norm_N[query] * table.norm_M[row])
    return out_L


def _tree_sum(x_BD: torch.Tensor) -> torch.Tensor:
    """Sum over D by halving: elementwise additions, so that the order is D's alone, on any device."""
    while x_BD.shape[1] > 1:
        half = x_BD.shape[1] // 2
        rest = x_BD[:, 2 * half :]
        x_BD = torch.cat([x_BD[:, :half] + x_BD[:, half : 2 * half], rest], dim=1) if rest.shape[1] else x_BD[:, :half] + x_BD[:, half:]
    return x_BD[:, 0]


def joined(found: list[Candidates], device: torch.device) -> Candidates:
    """Candidates of several steps together."""
    if not found:
        empty = torch.zeros(0, dtype=torch.int64, device=device)
        return empty, empty, torch.zeros(0, dtype=torch.float32, device=device)
    query_L, row_L, score_L = (torch.cat(part) for part in zip(*found, strict=True))
    return query_L, row_L, score_L
