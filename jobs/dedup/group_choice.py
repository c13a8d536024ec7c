"""Which row of a group of repeats stays: the first, or that of the largest picture, longest caption or highest cosine of its pair.

N rows, B rows of a shard. A value that is not known is below every other; of equal values the first row stays.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tda.geometry.duplicates import unit_pair
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.hashes import known_values

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
BLOCK = 4096  # rows whose vectors are read at once
UNKNOWN = -np.inf


def kept_of_each(rows: EmbeddingSet, first_N: Ints, stays_N: Bools, keep: str) -> Ints:
    """(N,) for the first row of each group, which row of it stays; any other row itself. `first_N` names the group of every row.

    `keep` is one of `tda.config.stages.KEEPS`. Rows that do not stay (by `stays_N`) are never chosen where another row of the group is.
    """
    kept_N = np.arange(len(rows))
    if keep == "first":
        return kept_N
    order = np.lexsort((kept_N, -_values(rows, keep), ~stays_N, first_N))
    group, at = np.unique(first_N[order], return_index=True)
    kept_N[group] = order[at]
    return kept_N


def pair_cosines(rows: EmbeddingSet) -> Floats:
    """(N,) cosine of the image and the text of each row, in [-1, 1]; the same in blocks of any size."""
    parts = [np.empty(0)]
    for block in rows.blocks(BLOCK):
        image_BD, text_BD = unit_pair(block.image_ND, block.text_ND)
        parts.append(np.einsum("bd,bd->b", image_BD.astype(np.float64), text_BD.astype(np.float64)))
    return np.clip(np.concatenate(parts), -1, 1)


def sizes_of(table: pa.Table) -> tuple[Floats, Floats]:
    """(B,) width and height of each picture; -inf where it is not known, as with a side below 1."""
    width_B, height_B = (table[name].fill_null(0).to_numpy().astype(np.float64) for name in ("width", "height"))
    known_B = (width_B > 0) & (height_B > 0)
    return np.where(known_B, width_B, UNKNOWN), np.where(known_B, height_B, UNKNOWN)


def _values(rows: EmbeddingSet, keep: str) -> Floats:
    if keep == "pair_cosine":
        return pair_cosines(rows)
    columns = ("caption",) if keep == "caption" else ("width", "height")
    return np.concatenate([np.empty(0), *(_of_table(table, keep) for table in rows.tables(columns))])


def _of_table(table: pa.Table, keep: str) -> Floats:
    if keep == "caption":
        length_B = np.array([len((text or "").strip()) for text in table["caption"].to_pylist()], dtype=np.float64)
        return np.where(known_values(table["caption"]), length_B, UNKNOWN)
    width_B, height_B = sizes_of(table)
    area_B = np.where(np.isfinite(width_B), width_B * np.abs(height_B), UNKNOWN)
    return {"width": width_B, "height": height_B, "largest": area_B}[keep]
