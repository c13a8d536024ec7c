"""Which rows a measure looks at, and how they are read. M pairs in use, at `positions_M` of the set; D dimensions."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tda.store.embeddings import EmbeddingSet

Array = npt.NDArray[Any]


def evenly_spaced(count: int, most: int | None) -> Array:
    """Positions of at most `most` of `count` rows, evenly spaced and ascending; all where `most` is None."""
    used = count if most is None else min(count, most)
    return (np.arange(used) * count) // used


def read_pairs(embeddings: EmbeddingSet, positions_M: Array, rows: int) -> tuple[Array, Array]:
    """Image and text rows, (M, D) each in the stored type, at ascending positions; `rows` rows are read at once."""
    runs = np.split(positions_M, np.flatnonzero(np.diff(positions_M // rows)) + 1)
    images, texts = zip(*(_run(embeddings, run) for run in runs), strict=True)
    return np.concatenate(images), np.concatenate(texts)


def read_stacked(embeddings: EmbeddingSet, positions_M: Array, rows: int) -> Array:
    """Rows of both modalities, (2M, D), the images first."""
    return np.concatenate(read_pairs(embeddings, positions_M, rows))


def _run(embeddings: EmbeddingSet, run: Array) -> tuple[Array, Array]:
    span, at = slice(int(run[0]), int(run[-1]) + 1), run - run[0]
    return embeddings.image(span)[at], embeddings.text(span)[at]
