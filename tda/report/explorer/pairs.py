"""The pairs of a data set that the explorer shows: the same ones in every model, so that a pair lights in all of them.

P shown pairs, M pairs of a model. A pair is its shard and ordinal; where no embeddings are at hand, its row number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tda.report.explorer.models import Model
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import evenly_spaced

Array = NDArray[Any]
ORDINALS = 2**40  # an identity is the number of its shard times this, plus its ordinal


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Identities of the P pairs; `row_P` by encoder is each pair's row there, -1 where it has none."""

    shards: list[str]
    shard_P: Array
    ordinal_P: Array
    keys: list[str]
    captions: list[str]
    row_P: Mapping[str, Array]
    held: int  # pairs of the data set that were laid out, shown or not

    def __len__(self) -> int:
        return len(self.shard_P)


def shown_pairs(models: Sequence[Model], most: int) -> Pairs:
    """At most `most` pairs, evenly spaced; those that all models have come first."""
    shards = sorted({shard for model in models if model.embeddings for shard in model.embeddings.shards})
    place = {shard: number for number, shard in enumerate(["", *shards])}
    rows = {model.encoder: _rows(model, most) for model in models}
    identity = {model.encoder: _identities(model, rows[model.encoder], place) for model in models}
    chosen_P = _chosen(list(identity.values()), most)
    row_P = {name: _lookup(own_M, rows[name], chosen_P) for name, own_M in identity.items()}
    keys, captions = _texts(models, row_P, len(chosen_P))
    return Pairs(
        shards=["", *shards],
        shard_P=chosen_P // ORDINALS,
        ordinal_P=chosen_P % ORDINALS,
        keys=keys,
        captions=captions,
        row_P=row_P,
        held=len(reduce(np.union1d, identity.values())),
    )


def _rows(model: Model, most: int) -> Array:
    """(M,) rows, ascending, of which the model knows most: those laid out, or else projected, ranked, or any."""
    for name in ("layout", "pca", "ranks"):
        if name in model.tables:
            return np.unique(model.tables[name]["row"])
    return evenly_spaced(int(model.metrics.get("pairs", 0)), most)


def _identities(model: Model, row_M: Array, place: Mapping[str, int]) -> Array:
    if model.embeddings is None:
        return row_M.astype(np.int64)
    parts = [np.empty(0, np.int64)]
    for index, inside in by_shard(model.embeddings, row_M):
        parts.append(place[model.embeddings.shards[index]] * ORDINALS + model.embeddings.ordinals(index)[inside])
    return np.concatenate(parts)


def by_shard(embeddings: EmbeddingSet, row_M: Array) -> list[tuple[int, Array]]:
    """For each shard that holds any of the ascending rows: its number, and their places in it."""
    begin = [0, *accumulate(embeddings.rows_per_shard)]
    cuts = np.searchsorted(row_M, begin)
    return [(i, row_M[a:b] - begin[i]) for i, (a, b) in enumerate(pairwise(cuts.tolist())) if a < b]


def _chosen(identities: Sequence[Array], most: int) -> Array:
    every = reduce(np.union1d, identities)
    if len(every) <= most:
        return np.asarray(every)
    common = reduce(np.intersect1d, identities)
    first = common[evenly_spaced(len(common), most)]
    rest = np.setdiff1d(every, common, assume_unique=True)
    return np.sort(np.concatenate([first, rest[evenly_spaced(len(rest), most - len(first))]]))


def _lookup(own_M: Array, row_M: Array, wanted_P: Array) -> Array:
    order = np.argsort(own_M)
    at_P = np.searchsorted(own_M, wanted_P, sorter=order).clip(max=max(len(own_M) - 1, 0))
    there = order[at_P]
    return np.where(own_M[there] == wanted_P, row_M[there], -1)


def _texts(models: Sequence[Model], row_P: Mapping[str, Array], count: int) -> tuple[list[str], list[str]]:
    """Keys and captions, each from the first model that has the pair."""
    keys, captions = [""] * count, [""] * count
    left_P = np.ones(count, dtype=bool)
    for model in models:
        own_P = row_P[model.encoder]
        wanted = np.flatnonzero(left_P & (own_P >= 0))
        if model.embeddings is None or not len(wanted):
            continue
        wanted = wanted[np.argsort(own_P[wanted], kind="stable")]
        left_P[wanted] = False
        start = 0
        for index, inside in by_shard(model.embeddings, own_P[wanted]):
            table = model.embeddings.picked(index, inside.tolist(), ["key", "caption"])
            for pair, key, caption in zip(wanted[start:].tolist(), table["key"].to_pylist(), table["caption"].to_pylist(), strict=False):
                keys[pair], captions[pair] = key or "", caption or ""
            start += len(inside)
    return keys, captions
