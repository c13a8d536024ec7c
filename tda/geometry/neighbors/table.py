"""Rows in memory in their stored type: norms, unit rows of a tile, cosines that are independent of tiling, and reused buffers.

N queries, M reference rows, D dimensions, T rows of a tile, C cells, L pairs. Tensors are torch's, on the device of the rows.
"""

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from tda.errors import UserError
from tda.geometry.neighbors.pair_dots import pair_dots

TINY = 1e-30  # rows with a norm below it or above its inverse cannot be normalised in float32

_kept = threading.local()  # buffers of `scratch`, by name

Candidates = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # query, reference row, float32 score: (L,) each


@dataclass
class Table:
    """Reference rows (M, D) in their stored type, sorted by cell.

    `position_M`: positions in the reference, which decide ties. `bounds`: cell c has the rows bounds[c] .. bounds[c + 1] of the table.
    Raises UserError naming the first row, by position, that is zero or not finite.
    """

    rows_MD: torch.Tensor
    position_M: torch.Tensor
    bounds: Any  # (C + 1,) NumPy

    def __post_init__(self) -> None:
        self.norm_M = row_norms(self.rows_MD, "reference", self.position_M)
        self.scale_M = (1 / self.norm_M).to(torch.float32)
        self.crowded = False  # set once bfloat16 has left too many candidates: it is then no longer used

    def __len__(self) -> int:
        return int(self.rows_MD.shape[0])

    def tile(self, part: slice, out: torch.Tensor) -> torch.Tensor:
        """Unit rows (T, D) in float32, in the memory of `out`."""
        return out[: part.stop - part.start].copy_(self.rows_MD[part]).mul_(self.scale_M[part, None])  # faster than one mixed product


@dataclass
class Queries:
    """Query rows (N, D) in their stored type, norms in float64 and unit rows in float32.

    Raises UserError naming the first row that is zero or not finite.
    """

    rows_ND: torch.Tensor
    first: int = 0  # position of row 0 among all queries, for messages

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
    """Bound on the error of a float32 dot product of unit rows whose components carry up to three roundings (Higham 2002, 3.1)."""
    return 1.01 * (dim + 8) * 2.0**-24


def row_norms(x_ND: torch.Tensor, what: str, first: Any = 0) -> torch.Tensor:
    """L2 norms (N,) float64 of rows (N, D). Raises UserError naming the first row that is zero or not finite.

    `what` (a name) and `first` (the position of row 0, or positions (N,)) are for the message.
    """
    own_N = torch.arange(x_ND.shape[0], device=x_ND.device)
    norm_N = torch.sqrt(pair_dots(x_ND, own_N, x_ND, own_N, torch.get_num_threads()))
    bad = torch.nonzero(~((norm_N > TINY) & (norm_N < 1 / TINY)))[:, 0]
    if len(bad):
        row = int(bad[0]) + first if isinstance(first, int) else int(first[bad].min())
        raise UserError(f"{what}: row {row} has norm {float(norm_N[bad[0]]):g}; every row needs a finite norm above {TINY:g}")
    return norm_N


def pair_cosines(queries: Queries, query_L: torch.Tensor, table: Table, row_L: torch.Tensor, threads: int = 1) -> torch.Tensor:
    """Cosines (L,) float64 of queries and rows of the table: their bits depend on the two rows alone."""
    dot_L = pair_dots(queries.rows_ND, query_L, table.rows_MD, row_L, threads)
    return dot_L / (queries.norm_N[query_L] * table.norm_M[row_L])


def joined(found: list[Candidates], device: torch.device) -> Candidates:
    """Candidates of several steps, concatenated."""
    if not found:
        empty = torch.zeros(0, dtype=torch.int64, device=device)
        return empty, empty, torch.zeros(0, dtype=torch.float32, device=device)
    query_L, row_L, score_L = (torch.cat(part) for part in zip(*found, strict=True))
    return query_L, row_L, score_L


def scratch(name: str, shape: tuple[int, int], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """A tensor of this shape in a buffer that this thread keeps under `name`: allocating fresh pages costs more than using them.

    It holds what the last use of the name left: finite numbers, zeros at first. A name belongs to one dtype.
    """
    count = shape[0] * shape[1]
    kept = getattr(_kept, name, None)
    if kept is None or kept.numel() < count:
        kept = torch.zeros(count, dtype=dtype)
        setattr(_kept, name, kept)
    return kept[:count].view(shape)
