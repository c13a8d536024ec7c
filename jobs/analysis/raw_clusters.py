"""Clusters of the vectors themselves, as the original has them, beside those of the layout (Prediction 2).

M pairs in use, N = 2M rows, the images first.
"""

from typing import Any

import numpy as np

from tda.columns import Columns
from tda.config.analysis import AnalysisConfig
from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.clusters import hdbscan
from tda.geometry.controlled import controlled, rarefied_ranks
from tda.geometry.parts.local_dimension import DIRECTIONS
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import Array, evenly_spaced, read_pairs

PAIRS = 2000  # at most: HDBSCAN of vectors of many dimensions costs the square of the rows
SMALLEST = 10  # min_cluster_size and min_samples of the original
LEAST_ROWS = 10  # of which a rarefied dimension is measured


def aligned(ranks: Columns, positions_M: Array) -> Array:
    """Ranks (2, M) of images and texts at these positions; 0 where retrieval was not measured."""
    at_M = np.searchsorted(ranks["row"], positions_M).clip(max=len(ranks["row"]) - 1)
    there_M = ranks["row"][at_M] == positions_M
    return np.stack([np.where(there_M, ranks[way][at_M], 0) for way in DIRECTIONS])


def equal_rows(label_N: Array) -> int:
    """The rows of each cluster that its rarefied dimension takes: those of the smallest, and at least 10."""
    sizes = np.bincount(label_N[label_N >= 0]) if (label_N >= 0).any() else np.zeros(1)
    return max(LEAST_ROWS, int(sizes[sizes > 0].min(initial=np.iinfo(np.int64).max)) if sizes.any() else LEAST_ROWS)


def raw_clusters(embeddings: EmbeddingSet, ranks: Columns, analysis: AnalysisConfig) -> dict[str, Any]:
    """Clusters of the unit rows of both modalities, and rarefied dimension against top-1 over them, as a task."""
    positions_M = evenly_spaced(len(embeddings), PAIRS)
    x_ND = unit_rows(np.concatenate(read_pairs(embeddings, positions_M, analysis.block_rows)))
    if len(x_ND) <= SMALLEST:
        return {"pairs_used": len(positions_M), "count": 0, "noise_fraction": 1.0, "controlled": controlled({"": _none()}).metrics()}
    found = hdbscan(x_ND, SMALLEST, SMALLEST, seed=analysis.seed)
    label_N, rank_N = np.asarray(found.labels), aligned(ranks, positions_M).ravel()
    columns = _columns(x_ND, label_N, rank_N, found.count, analysis.seed) if found.count else _none()
    return {
        "pairs_used": len(positions_M),
        "count": found.count,
        "noise_fraction": found.noise_fraction,
        "controlled": controlled({"": columns}).metrics(),
    }


def _none() -> dict[str, Any]:
    return dict.fromkeys(("dimension", "top1", "log_size", "purity", "log_trace"), np.zeros(0))


def _columns(x_ND: Array, label_N: Array, rank_N: Array, count: int, seed: int) -> dict[str, Any]:
    rarefied = rarefied_ranks(x_ND, label_N, count, equal_rows(label_N), seed=seed)
    inside = [label_N == cluster for cluster in range(count)]
    asked = [rank_N[mask_N & (rank_N > 0)] for mask_N in inside]
    image_N = np.arange(len(label_N)) < len(label_N) // 2
    images = np.array([image_N[mask_N].mean() for mask_N in inside])
    trace = np.array([x_ND[mask_N].var(axis=0, ddof=1).sum() for mask_N in inside])
    return {
        "dimension": np.array([np.nan if one is None else one for one in rarefied], float),
        "top1": np.array([(one == 1).mean() if len(one) else np.nan for one in asked]),
        "log_size": np.log([mask_N.sum() for mask_N in inside]),
        "purity": np.maximum(images, 1 - images),
        "log_trace": np.log(np.where(trace > 0, trace, np.nan)),
    }
