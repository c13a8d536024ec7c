"""Candidates for the K best rows of each query, by float32 products, tile by tile, on a CPU or a GPU.

B queries of a block, T rows of a tile, K matches, L candidates.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.neighbors.table import Candidates, Queries, Table, band, joined

BLOCK, TILE = 2048, 1024  # queries and rows of a product on a core: 8 MB of scores
WIDE = 8192  # both, on a GPU
LARGE = 2**18  # scores of a product from which NumPy's BLAS is faster than torch's
CROWDED = 8  # candidates per query and match above which a tile is recomputed in float64

Step = tuple[torch.Tensor, slice]  # numbers (B,) of the queries, and the rows of the table to compare them with


def whole_steps(table: Table, queries: Queries, threads: int) -> Iterator[Step]:
    """Steps that compare every query with every row."""
    size = WIDE if queries.rows_ND.is_cuda else min(BLOCK, -(-len(queries) // threads))
    blocks = row_blocks(len(queries), max(size, 1))
    return ((torch.arange(block.start, block.stop, device=queries.norm_N.device), slice(0, len(table))) for block in blocks)


def cell_steps(table: Table, queries: Queries, query_L: Any, query_bounds: Any) -> Iterator[Step]:
    """Steps that compare each cell with the queries that probe it, at most `WIDE` per step; `query_L`, `query_bounds`: of `asked`."""
    query = torch.from_numpy(query_L).to(queries.norm_N.device)
    for cell in np.flatnonzero((np.diff(query_bounds) > 0) & (np.diff(table.bounds) > 0)):
        for part in row_blocks(int(query_bounds[cell + 1]), WIDE, int(query_bounds[cell])):
            yield query[part], slice(int(table.bounds[cell]), int(table.bounds[cell + 1]))


def candidates(table: Table, queries: Queries, k: int, step: Step) -> Candidates:
    """Candidates of a step: a superset of the K best rows of each query, with their float32 scores."""
    query_B, rows = step
    unit_BD, margin = queries.unit_ND[query_B], 2 * band(table.rows_MD.shape[1])
    size = min(WIDE if unit_BD.is_cuda else TILE, rows.stop - rows.start)
    scores, units, found = unit_BD.new_empty(len(unit_BD) * size), unit_BD.new_empty((size, unit_BD.shape[1])), list[Candidates]()
    best_BK: torch.Tensor | None = None
    for tile in row_blocks(rows.stop, size, rows.start):
        score_hT, query_h = _product(unit_BD, table.tile(tile, units), scores), query_B
        if best_BK is None:  # the first tile, which is all of a small cell: every query has matches in it
            best_BK = kth_hK = _top(score_hT, k)
        else:
            hit = torch.nonzero(score_hT.amax(dim=1) >= best_BK[:, -1] - margin)[:, 0]
            if not len(hit):
                continue
            if len(hit) < len(query_B):
                score_hT, query_h = score_hT[hit], query_B[hit]
            kth_hK = best_BK[hit] = _top(torch.cat([best_BK[hit], _top(score_hT, k)], dim=1), k)
        near_hT = score_hT >= (kth_hK[:, -1] - margin)[:, None]
        row, column = torch.nonzero(near_hT, as_tuple=True)
        if len(row) > CROWDED * k * len(query_h):
            row, column = torch.nonzero(near_hT & _near_in_float64(table, queries, query_h, tile, k), as_tuple=True)
        found.append((query_h[row], column + tile.start, score_hT[row, column]))
    return joined(found, unit_BD.device)


def _top(score_BT: torch.Tensor, k: int) -> torch.Tensor:
    """The K best scores (B, K), descending; -inf where there are fewer."""
    if k == 1:
        return score_BT.amax(dim=1, keepdim=True)
    top_BK = torch.topk(score_BT, min(k, score_BT.shape[1]), dim=1).values
    return torch.nn.functional.pad(top_BK, (0, k - top_BK.shape[1]), value=-torch.inf)


def _product(x_BD: torch.Tensor, y_TD: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Dot products (B, T), in the memory of `out`."""
    out_BT = out[: len(x_BD) * len(y_TD)].view(len(x_BD), len(y_TD))
    if out.is_cuda or out_BT.numel() < LARGE:
        return torch.mm(x_BD, y_TD.T, out=out_BT)
    np.matmul(x_BD.numpy(), y_TD.numpy().T, out=out_BT.numpy())
    return out_BT


def _near_in_float64(table: Table, queries: Queries, query_B: torch.Tensor, tile: slice, k: int) -> torch.Tensor:
    """Mask (B, T) of the rows that may be among the K best of the tile, by a float64 product and its error bound."""
    rows_BD, rows_TD = queries.rows_ND[query_B].to(torch.float64), table.rows_MD[tile].to(torch.float64)
    score_BT = (rows_BD / queries.norm_N[query_B, None]) @ (rows_TD / table.norm_M[tile, None]).T
    kth_B = torch.topk(score_BT, min(k, score_BT.shape[1]), dim=1).values[:, -1]
    return score_BT >= kth_B[:, None] - 4 * band(rows_BD.shape[1]) * 2.0**-29
