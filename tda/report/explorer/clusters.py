"""The clusters of a model for the explorer's list: words, size, local dimension, top-1, share of images, sample pairs.

P pairs, K clusters.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tda.report.explorer.words import cluster_words

SAMPLES = 6  # pairs of a cluster whose pictures are shown
MOST = 1000  # clusters in the list: the largest
NUMBERS = ("size", "images", "texts", "auc", "effective_rank", "two_nn", "top1", "top1_image_to_text", "top1_text_to_image")


def cluster_list(label_2P: NDArray[Any], captions: Sequence[str], metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry a cluster, largest first. A caption counts once for each member of its pair that lies in the cluster.

    Numbers of metrics.json's `per_cluster` are of all rows; counts are those of the shown ones where it has none.
    """
    ids, sizes = np.unique(label_2P[label_2P >= 0], return_counts=True)
    ids = ids[np.argsort(-sizes, kind="stable")][:MOST]
    members = [np.concatenate([np.flatnonzero(label_P == cluster) for label_P in label_2P]) for cluster in ids]
    words = cluster_words(captions, members)
    measured = {int(row["id"]): row for row in metrics.get("per_cluster") or []}
    return [_entry(int(cluster), label_2P, words[k], measured.get(int(cluster), {})) for k, cluster in enumerate(ids)]


def _entry(cluster: int, label_2P: NDArray[Any], words: list[str], measured: Mapping[str, Any]) -> dict[str, Any]:
    images, texts = (int((label_P == cluster).sum()) for label_P in label_2P)
    counted = {"size": images + texts, "images": images, "texts": texts}
    numbers = counted | {name: _finite(measured[name]) for name in NUMBERS if name in measured}
    both_P = (label_2P == cluster).sum(axis=0)
    order = np.argsort(-both_P, kind="stable")[: int((both_P > 0).sum())]  # pairs that lie in it whole come first
    samples = order[np.arange(min(SAMPLES, len(order))) * len(order) // max(min(SAMPLES, len(order)), 1)]
    return {"id": cluster, "words": words, "samples": samples.tolist(), **numbers}


def _finite(value: Any) -> float | int | None:
    return value if isinstance(value, int | float) and np.isfinite(value) else None
