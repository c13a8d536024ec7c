"""Which pairs the clusters of several encoders have in common.

M pairs that all encoders hold, C clusters of all encoders.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tda.columns import Columns
from tda.errors import LacunaError
from tda.geometry.controlled import overlaps
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import Array, evenly_spaced, shared_positions
from tda.store.files import join
from tda.store.paths import RootPaths
from tda.store.tables import read_table

PAIRS = 10_000  # at most: the share of pairs in common is estimated well from these


def cluster_overlaps(root: str, dataset: str, sets: Mapping[str, EmbeddingSet], metrics: Mapping[str, Mapping[str, Any]]) -> Any | None:
    """`overlaps` of the clusters in the encoders' `per_cluster`, in their order; None where a table cannot be read or shares no pair."""
    names = [name for name in sets if metrics[name].get("per_cluster")]
    try:
        tables = [_table(root, dataset, name, metrics[name]) for name in names]
    except (LacunaError, OSError):
        return None
    if not tables:
        return None
    half = len(tables[0]["row"]) // 2
    candidates = tables[0]["row"][:half][evenly_spaced(half, PAIRS)]
    places = shared_positions(tuple(sets[name] for name in names), candidates)
    if not len(places[0]):
        return None
    labels = [_labels(table, at_M) for table, at_M in zip(tables, places, strict=True)]
    return overlaps(labels, [len(metrics[name]["per_cluster"]) for name in names])


def _table(root: str, dataset: str, encoder: str, metrics: Mapping[str, Any]) -> Columns:
    url = join(RootPaths(root).analysis_dir(dataset, encoder), "clusters.parquet")
    return read_table(url, (metrics.get("tables") or {}).get("clusters"))


def _labels(table: Columns, at_M: Array) -> Array:
    """Labels (2M,) of images and texts at these positions; -1 for what was not clustered."""
    half = len(table["row"]) // 2
    row_H, label_2H = table["row"][:half], table["label"].reshape(2, half)
    place_M = np.searchsorted(row_H, at_M).clip(max=half - 1)
    labels: Array = np.where(row_H[place_M] == at_M, label_2H[:, place_M], -1).ravel()
    return labels
