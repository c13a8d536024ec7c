"""The closest pairs of a data set and a reference, with captions, keys and cosines to judge them by.

N rows of a shard, K pairs.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from tda.errors import LacunaError
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.row_lookup import RowId, rows_of
from tda.store.datasets.views import recorded_name
from tda.store.types import VECTORS

COLUMNS = ("key", "caption", "image", "text")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two rows of a pair."""

    id: RowId
    key: str
    caption: str
    path: str  # of its shard
    source: Mapping[str, Any] = field(default_factory=dict, compare=False, hash=False)  # of its shard, as recorded

    @property
    def place(self) -> tuple[str, int]:
        return self.path, self.id.ordinal


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A query and its match; cosines of their images and of their texts, None where the vectors cannot be read."""

    query: Side
    match: Side
    image: float | None
    text: float | None


def closest_pairs(nearest: NearestSet, modality: str, count: int) -> list[tuple[float, RowId, RowId]]:
    """(cosine, query, match) of the `count` closest rows, closest first, ties in order of the rows; one shard in memory at a time."""
    best: list[tuple[float, int, RowId, RowId]] = []
    start = 0
    for shard in nearest.shards:
        table = nearest.shard_table(shard, ["ordinal", f"{modality}_cosine", f"{modality}_match"])
        cosine_N = table[f"{modality}_cosine"].to_numpy()
        top_K = np.argsort(-cosine_N, kind="stable")[:count]
        rows = table.take(top_K).to_pylist()
        here = [
            (-row[f"{modality}_cosine"], start + int(place), RowId(shard, row["ordinal"]), _row_id(row[f"{modality}_match"]))
            for place, row in zip(top_K, rows, strict=True)
        ]
        best = heapq.nsmallest(count, chain(best, here))
        start += len(cosine_N)
    return [(-cosine, query, match) for cosine, _, query, match in best]


def _row_id(match: dict[str, Any]) -> RowId:
    return RowId(match["shard"], match["ordinal"])


def pairs_of(root: str, names: tuple[str, str, str], nearest: NearestSet, modality: str, count: int) -> list[Pair]:
    """The closest pairs of (data set, encoder, reference), each with its two captions and two cosines."""
    dataset, encoder, reference = names
    found = closest_pairs(nearest, modality, count)
    queries = _sides(root, dataset, encoder, [query for _, query, _ in found])
    matches = _sides(root, reference, encoder, [match for _, _, match in found])
    return [_pair(modality, cosine, query, match) for (cosine, _, _), query, match in zip(found, queries, matches, strict=True)]


def _sides(root: str, dataset: str, encoder: str, ids: Sequence[RowId]) -> list[tuple[Side, dict[str, Any]]]:
    """Each row's side and values; only its id where the embeddings cannot be read."""
    try:
        embeddings = EmbeddingSet(root, recorded_name(dataset), encoder)
        rows, shards = rows_of(embeddings, ids, COLUMNS), sorted({one.shard for one in ids} & set(embeddings.shards))
        sources = {shard: record.source for shard, record in embeddings.records(shards).items()}
    except LacunaError:
        rows, sources = [None] * len(ids), {}
    values = [row or {} for row in rows]
    return [(_side(one, row, sources.get(one.shard, {})), row) for one, row in zip(ids, values, strict=True)]


def _side(one: RowId, row: Mapping[str, Any], source: Mapping[str, Any]) -> Side:
    return Side(id=one, key=row.get("key", ""), caption=row.get("caption", ""), path=str(source.get("path", "")), source=source)


def _pair(modality: str, cosine: float, query: tuple[Side, dict[str, Any]], match: tuple[Side, dict[str, Any]]) -> Pair:
    """A pair with the stored cosine of `modality`, and the other modality's computed from the same two rows."""
    cosines: dict[str, float | None] = {}
    for name in VECTORS:
        if name == modality:
            cosines[name] = cosine
        elif name in query[1] and name in match[1]:
            x_D, y_D = (np.asarray(side[1][name], dtype=np.float64) for side in (query, match))
            cosines[name] = float(x_D @ y_D / (np.linalg.norm(x_D) * np.linalg.norm(y_D)))
    return Pair(query=query[0], match=match[0], image=cosines.get("image"), text=cosines.get("text"))
