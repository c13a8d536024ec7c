"""Samples of a data set, and how their rows are read. M pairs in use, at `positions_M` of the set; D dimensions."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from tda.store.datasets.embedding_set import EmbeddingSet

Array = npt.NDArray[Any]


def evenly_spaced(count: int, most: int | None, places: slice | Array | None = None) -> Array:
    """Positions of at most `most` of `count` rows, evenly spaced and ascending; all if `most` is None.

    `places`: of these positions only those at the slice (from start to stop) or at the indices, without the others ever in memory.
    """
    used = count if most is None else min(count, most)
    wanted = np.arange(used) if places is None else np.arange(places.start, places.stop) if isinstance(places, slice) else places
    return (wanted * count) // used


def seeded(count: int, most: int, seed: int) -> Array:
    """`most` of `count` places drawn without replacement, each set of them equally likely, ascending.

    Memory: 8 bytes for each of `most`, and at most 400 while they are drawn, whatever `count` is.
    """
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False, shuffle=False))


def read_pairs(embeddings: EmbeddingSet, positions_M: Array, rows: int) -> tuple[Array, Array]:
    """Image and text rows, (M, D) each in the stored type, at ascending positions; at most `rows` rows are read at once."""
    runs = np.split(positions_M, np.flatnonzero(np.diff(positions_M // rows)) + 1)
    images, texts = zip(*(_run(embeddings, run) for run in runs), strict=True)
    return np.concatenate(images), np.concatenate(texts)


def read_stacked(embeddings: EmbeddingSet, positions_M: Array, rows: int) -> Array:
    """Rows of both modalities, (2M, D), the images first."""
    return np.concatenate(read_pairs(embeddings, positions_M, rows))


def shared_positions(sets: Sequence[EmbeddingSet], candidates_C: Array) -> list[Array]:
    """Positions in each set of the pairs (shard, ordinal) that all sets hold, among the first set's ascending `candidates_C`.

    Ordinals are read one shard at a time, and only from shards that hold a candidate.
    """
    begins = [[0, *accumulate(one.rows_per_shard)] for one in sets]
    places = [{shard: index for index, shard in enumerate(one.shards)} for one in sets]
    found: list[list[Array]] = [[np.empty(0, np.int64)] for _ in sets]
    for index, shard in enumerate(sets[0].shards):
        start, stop = begins[0][index : index + 2]
        inside_C = candidates_C[(candidates_C >= start) & (candidates_C < stop)]
        if not len(inside_C) or not all(shard in place for place in places):
            continue
        ordinal_C = sets[0].ordinals(index)[inside_C - start]
        rows = [_rows_of(one.ordinals(place[shard]), ordinal_C) for one, place in zip(sets, places, strict=True)]
        there_C = np.all([row_C >= 0 for row_C in rows], axis=0)
        for own, begin, place, row_C in zip(found, begins, places, rows, strict=True):
            own.append(begin[place[shard]] + row_C[there_C])
    return [np.concatenate(parts) for parts in found]


def _rows_of(ordinal_N: Array, wanted_C: Array) -> Array:
    """Index of each wanted ordinal in the ascending ones; -1 if it is missing."""
    at_C = np.searchsorted(ordinal_N, wanted_C).clip(max=max(len(ordinal_N) - 1, 0))
    return np.where(ordinal_N[at_C] == wanted_C, at_C, -1) if len(ordinal_N) else np.full(len(wanted_C), -1)


def _run(embeddings: EmbeddingSet, run: Array) -> tuple[Array, Array]:
    span, at = slice(int(run[0]), int(run[-1]) + 1), run - run[0]
    return embeddings.image(span)[at], embeddings.text(span)[at]
