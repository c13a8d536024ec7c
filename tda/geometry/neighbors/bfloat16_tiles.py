"""Candidates among many rows by bfloat16 products, tile by tile: the best scores of earlier tiles rule out most rows of later ones.

N queries, D dimensions, K matches, B queries of a block, T rows of a tile, L candidates.
"""

import numpy as np
import torch

from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.neighbors.bfloat16 import BriefRows, brief_band, pays
from tda.geometry.neighbors.table import Candidates, Queries, Table, band, joined, scratch
from tda.geometry.neighbors.tiles import CROWDED, TILE, Step, candidates

AT_ONCE = 512  # queries of a product
MOST = 64  # matches: sorting in more of them takes longer than the product saves


def briefly(table: Table, k: int) -> bool:
    """Whether bfloat16 products are faster for the K best of these rows."""
    return k <= MOST and not (table.crowded or table.rows_MD.is_cuda) and pays(table.rows_MD.shape[1])


def tile_by_tile(table: Table, queries: Queries, k: int, step: Step) -> Candidates:
    """As `tda.geometry.neighbors.tiles.candidates`, which takes over if bfloat16 is not faster, and from the first crowded tile on.

    A tile is crowded if too many of its rows are within the error bound of the K-th best.
    """
    query_B, rows = step
    if not briefly(table, k):
        return candidates(table, queries, k, step)
    search, found = _BriefSearch(queries, query_B, k, min(TILE, rows.stop - rows.start)), list[Candidates]()
    for tile in row_blocks(rows.stop, TILE, rows.start):
        near = search.tile(table.tile(tile, search.unit_TD), tile.start)
        if near is None:
            table.crowded = True
            found.append(candidates(table, queries, k, (query_B, slice(tile.start, rows.stop))))
            break
        found.append(near)
    return joined(found, query_B.device)


class _BriefSearch:
    """The state of a search of some queries, tile after tile: the K best scores of each so far."""

    def __init__(self, queries: Queries, query_B: torch.Tensor, k: int, rows: int) -> None:
        count, dim = len(query_B), queries.unit_ND.shape[1]
        self.queries, self.query_B = queries, query_B
        self.unit_TD = scratch("rows", (rows, dim))
        self._best_BK = np.full((count, k), -np.inf, np.float32)
        self._margins = [np.float32(2 * bound(dim)) for bound in (brief_band, band)]
        room = CROWDED * k * count + rows  # candidates of a tile are written before they are filtered
        self._out = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float32)

    def tile(self, unit_TD: torch.Tensor, first_row: int) -> Candidates | None:
        """Candidates among the rows (T, D) of a tile, or None if the tile is crowded."""
        from tda.geometry.neighbors.kernels import refine

        brief, unit_ND, rows_TD, count = BriefRows(unit_TD), self.queries.unit_ND.numpy(), unit_TD.numpy(), 0
        for part in row_blocks(len(self.query_B), AT_ONCE):
            query_B = self.query_B[part]
            bits_BT = brief.scores(self.queries.brief, query_B)
            compared = query_B.numpy(), unit_ND, rows_TD, first_row, self._best_BK[part]
            count = refine(bits_BT, *compared, *self._margins, count, *self._out)
            if count < 0:
                return None
        query_L, row_L, score_L = (torch.from_numpy(column[:count].copy()) for column in self._out)
        return query_L, row_L, score_L
