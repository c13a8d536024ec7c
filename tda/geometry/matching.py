"""The K best reference rows of each query by cosine, with the same bits however the reference is cut, and on any number of threads.

N queries, M reference rows, D dimensions, K matches, B queries of a block, T rows of a tile, C cells, P probed cells, L candidates.

A float32 product of unit rows is off by at most `band`. So whatever beats the K-th best float32 score seen so far by more than minus
two bands is a candidate, and the true K best are among the candidates of any cut into tiles, threads, machines or passes. Candidates
are scored again in float64, one row at a time, by elementwise products and sums alone: a score depends on its two rows and nothing
else, and ties go to the earlier reference row. Tensors are torch's, on the device of the rows; TF32 stays off (torch's default).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tda.errors import UserError
from tda.geometry.best import best_of
from tda.geometry.namespace import row_blocks
from tda.geometry.threads import threaded

BLOCK, TILE = 2048, 1024  # of a core: 8 MB of scores
WIDE = 8192  # both, of a GPU
LARGE = 2**18  # scores of a product from which on NumPy's BLAS is faster than torch's
QUERIES = 65_536  # queries in float32 at once
EXACT_ROWS = 4096  # pairs scored in float64 at once: 16 MB a factor at D = 512
TINY = 1e-30  # norms below it, or above its inverse, have no float32 direction
CROWDED = 8  # more candidates than this a query and match, and a tile is multiplied again in float64

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

    def __len__(self) -> int:
        return int(self.rows_MD.shape[0])

    def tile(self, part: slice, out: torch.Tensor) -> torch.Tensor:
        """(T, D) unit rows in float32, in the memory of `out`."""
        return torch.mul(self.rows_MD[part], self.scale_M[part, None], out=out[: part.stop - part.start])


@dataclass
class Queries:
    """Rows as they are stored, their norms in float64, and the unit rows in float32. Raises UserError as `Table` does."""

    rows_ND: torch.Tensor
    first: int = 0  # place of row 0 among all queries, for messages

    def __post_init__(self) -> None:
        self.norm_N = row_norms(self.rows_ND, "queries", self.first)
        self.unit_ND = self.rows_ND.to(torch.float32) * (1 / self.norm_N).to(torch.float32)[:, None]

    def __len__(self) -> int:
        return int(self.rows_ND.shape[0])


def search(table: Table, queries_ND: torch.Tensor, k: int, cells_NP: Any = None, threads: int | None = None) -> tuple[Any, Any]:
    """Cosines (N, K) float64, best first, and rows of the table (N, K) int64, NumPy; NaN and -1 beyond the rows that were compared.

    `cells_NP` names the cells to look into, -1 for none (NumPy); None: all of them. `threads` defaults to torch's; a GPU has one.
    Raises UserError naming a query that is zero or not finite.
    """
    cosine, row = [np.zeros((0, k))], [np.zeros((0, k), np.int64)]
    for part in row_blocks(queries_ND.shape[0], QUERIES):
        queries = Queries(queries_ND[part], part.start)
        found = _search(table, queries, k, None if cells_NP is None else cells_NP[part], threads)
        cosine.append(found[0])
        row.append(found[1])
    return np.concatenate(cosine), np.concatenate(row)


def nearest_rows(table: Table, queries_ND: torch.Tensor, k: int, threads: int | None = None) -> Any:
    """Rows (N, K) of the K best of the whole table, NumPy, by number: float64 is asked only where float32 leaves more than K.

    Raises UserError as `search` does. The table has at least K rows.
    """
    found = [np.zeros((0, k), np.int64)]
    for part in row_blocks(queries_ND.shape[0], QUERIES):
        queries = Queries(queries_ND[part], part.start)
        query_L, row_L = _near(table, queries, k, None, threads)
        chosen_L = torch.bincount(query_L, minlength=len(queries))[query_L] == k
        unsure = torch.nonzero(~chosen_L)[:, 0]
        pairs = query_L[unsure], row_L[unsure]
        scored = [x.cpu().numpy() for x in (pairs[0], pair_cosines(queries, pairs[0], table, pairs[1]), table.position_M[pairs[1]])]
        place_NK = best_of(*scored, count=len(queries), k=k)[1]
        chosen = chosen_L.cpu().numpy()
        chosen[unsure.cpu().numpy()[place_NK[place_NK >= 0]]] = True
        query, row = (x.cpu().numpy()[chosen] for x in (query_L, row_L))
        found.append(row[np.lexsort([row, query])].reshape(-1, k))
    return np.concatenate(found)


def _near(table: Table, queries: Queries, k: int, cells_NP: Any, threads: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and rows (L,) that the K best are among, by float32."""
    threads = 1 if queries.rows_ND.is_cuda else threads or torch.get_num_threads()
    work = _by_block(table, queries, threads) if cells_NP is None else _by_cell(table, queries, cells_NP)
    parts = _in_threads(lambda item: _candidates(table, queries, k, *item), work, threads)
    query_L, row_L, score_L = _joined(parts, queries.norm_N.device)
    near_L = score_L >= _kth_score(query_L, score_L, len(queries), k)[query_L] - 2 * band(table.rows_MD.shape[1])
    return query_L[near_L], row_L[near_L]


def _search(table: Table, queries: Queries, k: int, cells_NP: Any, threads: int | None) -> tuple[Any, Any]:
    query_L, row_L = _near(table, queries, k, cells_NP, threads)
    cosine_L = pair_cosines(queries, query_L, table, row_L)
    on_host = [x.cpu().numpy() for x in (query_L, cosine_L, table.position_M[row_L], row_L)]
    cosine_NK, place_NK = best_of(*on_host[:3], count=len(queries), k=k)
    return cosine_NK, np.where(place_NK < 0, -1, np.append(on_host[3], -1)[place_NK])


def band(dim: int) -> float:
    """Bound on |computed - true| of a float32 dot product of unit rows, each component off by two roundings (Higham 2002, sec. 3.1)."""
    return 1.01 * (dim + 8) * 2.0**-24


def row_norms(x_ND: torch.Tensor, what: str, first: Any = 0) -> torch.Tensor:
    """L2 norms (N,) float64. Raises UserError naming the first row that is zero or not finite (`first`: position of row 0, or of each)."""
    norm_N = torch.empty(x_ND.shape[0], dtype=torch.float64, device=x_ND.device)
    for part in row_blocks(x_ND.shape[0], EXACT_ROWS):
        norm_N[part] = torch.sqrt(_tree_sum(x_ND[part].to(torch.float64) ** 2))
    bad = torch.nonzero(~((norm_N > TINY) & (norm_N < 1 / TINY)))[:, 0]
    if len(bad):
        row = int(bad[0]) + first if isinstance(first, int) else int(first[bad].min())
        raise UserError(f"{what}: row {row} has norm {float(norm_N[bad[0]]):g}; every row needs a finite norm above {TINY:g}")
    return norm_N


def pair_cosines(queries: Queries, query_L: torch.Tensor, table: Table, row_L: torch.Tensor) -> torch.Tensor:
    """Cosines (L,) float64 of queries with rows of the table: the same two rows give the same bits anywhere."""
    out_L = torch.empty(len(query_L), dtype=torch.float64, device=query_L.device)
    for part in row_blocks(len(query_L), EXACT_ROWS):
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


def _in_threads(function: Callable[[Any], Any], items: Iterable[Any], threads: int) -> list[Any]:
    before = torch.get_num_threads()
    try:
        return list(threaded(function, items, threads, begin=lambda: torch.set_num_threads(1)))
    finally:
        torch.set_num_threads(before)  # what later threads begin with


def _by_block(table: Table, queries: Queries, threads: int) -> Iterator[tuple[Any, slice]]:
    size = WIDE if queries.rows_ND.is_cuda else min(BLOCK, -(-len(queries) // threads))
    blocks = row_blocks(len(queries), max(size, 1))
    return ((torch.arange(block.start, block.stop, device=queries.norm_N.device), slice(0, len(table))) for block in blocks)


def _by_cell(table: Table, queries: Queries, cells_NP: Any) -> Iterator[tuple[Any, slice]]:
    """Each cell with the queries that look into it, at most `WIDE` of them at once."""
    flat = cells_NP.reshape(-1)
    order = np.argsort(flat, kind="stable")
    bounds = np.searchsorted(flat[order], np.arange(len(table.bounds)))
    query = torch.from_numpy(order // max(cells_NP.shape[1], 1)).to(queries.norm_N.device)
    for cell in np.flatnonzero(np.diff(bounds)):
        for part in row_blocks(int(bounds[cell + 1]), WIDE, int(bounds[cell])):
            yield query[part], slice(int(table.bounds[cell]), int(table.bounds[cell + 1]))


def _candidates(table: Table, queries: Queries, k: int, query_B: torch.Tensor, rows: slice) -> Candidates:
    """Candidates of some queries among some rows of the table."""
    unit_BD, margin = queries.unit_ND[query_B], 2 * band(table.rows_MD.shape[1])
    size = min(WIDE if unit_BD.is_cuda else TILE, rows.stop - rows.start)
    scores, units, found = unit_BD.new_empty(len(unit_BD) * size), unit_BD.new_empty((size, unit_BD.shape[1])), list[Candidates]()
    best_BK: torch.Tensor | None = None
    for tile in row_blocks(rows.stop, size, rows.start):
        score_hT, query_h = _product(unit_BD, table.tile(tile, units), scores), query_B
        if best_BK is None:  # every query has its best of the first tile: a small cell is no more than that
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
    return _joined(found, unit_BD.device)


def _top(score_BT: torch.Tensor, k: int) -> torch.Tensor:
    """(B, K): the K best scores in descending order, -inf where there are fewer."""
    if k == 1:
        return score_BT.amax(dim=1, keepdim=True)
    top_BK = torch.topk(score_BT, min(k, score_BT.shape[1]), dim=1).values
    return torch.nn.functional.pad(top_BK, (0, k - top_BK.shape[1]), value=-torch.inf)


def _product(x_BD: torch.Tensor, y_TD: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """(B, T) dot products, in the memory of `out`."""
    out_BT = out[: len(x_BD) * len(y_TD)].view(len(x_BD), len(y_TD))
    if out.is_cuda or out_BT.numel() < LARGE:
        return torch.mm(x_BD, y_TD.T, out=out_BT)
    np.matmul(x_BD.numpy(), y_TD.numpy().T, out=out_BT.numpy())
    return out_BT


def _joined(found: list[Candidates], device: torch.device) -> Candidates:
    if not found:
        empty = torch.zeros(0, dtype=torch.int64, device=device)
        return empty, empty, torch.zeros(0, dtype=torch.float32, device=device)
    query_L, row_L, score_L = (torch.cat(part) for part in zip(*found, strict=True))
    return query_L, row_L, score_L


def _near_in_float64(table: Table, queries: Queries, query_B: torch.Tensor, tile: slice, k: int) -> torch.Tensor:
    """(B, T): what may be among the K best of the tile, by a product whose band is that of float64."""
    rows_BD, rows_TD = queries.rows_ND[query_B].to(torch.float64), table.rows_MD[tile].to(torch.float64)
    score_BT = (rows_BD / queries.norm_N[query_B, None]) @ (rows_TD / table.norm_M[tile, None]).T
    kth_B = torch.topk(score_BT, min(k, score_BT.shape[1]), dim=1).values[:, -1]
    return score_BT >= kth_B[:, None] - 4 * band(rows_BD.shape[1]) * 2.0**-29


def _kth_score(query_L: torch.Tensor, score_L: torch.Tensor, count: int, k: int) -> torch.Tensor:
    """The K-th best score of each query, (count,); -inf where it has fewer candidates."""
    kth_N = score_L.new_full((count,), -torch.inf)
    if k == 1:
        return kth_N.scatter_reduce(0, query_L, score_L, "amax")
    order_L = torch.argsort(score_L, descending=True, stable=True)
    order_L = order_L[torch.argsort(query_L[order_L], stable=True)]
    last_L = order_L[_rank(query_L[order_L], count) == k - 1]
    kth_N[query_L[last_L]] = score_L[last_L]
    return kth_N


def _rank(query_L: torch.Tensor, count: int) -> torch.Tensor:
    """Place of each entry within the run of its query; `query_L` ascends."""
    begin_N = torch.searchsorted(query_L, torch.arange(count, device=query_L.device))
    return torch.arange(len(query_L), device=query_L.device) - begin_N[query_L]
