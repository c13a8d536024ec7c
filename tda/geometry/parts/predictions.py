"""What several encoders' analyses of the same data set come to together: pooled local dimension, and the paper's two predictions."""

from collections.abc import Mapping
from typing import Any

from tda.geometry.parts.local_dimension import DIRECTIONS, pooled_dimension
from tda.geometry.predictions import Space, prediction_1, prediction_2

Metrics = Mapping[str, Any]


def prediction_two(metrics: Mapping[str, Metrics], others: Mapping[tuple[str, str], Metrics], draws: int, seed: int) -> dict[str, Any]:
    """`pooled` and `prediction_2`. `metrics`: encoder -> its metrics.json; `others`: (data set, encoder) -> that of further data sets.

    Local dimension is pooled over the clusters of the encoders; global dimension is the auc of both modalities' spectrum, a point for
    each encoder and data set.
    """
    tables = {name: one["per_cluster"] for name, one in metrics.items() if "per_cluster" in one}
    pooled, local = pooled_dimension(tables, draws, seed)
    spaces = [space for one in (*metrics.values(), *others.values()) if (space := _space(one)) is not None]
    return {"pooled": pooled, "prediction_2": prediction_2(local, spaces, seed=seed).metrics()}


def prediction_one(ranks: tuple[dict[str, Any], dict[str, Any]], clip: Metrics, cloob: Metrics) -> dict[str, Any]:
    """`prediction_1` from the ranks of the same pairs, of CLIP and of CLOOB, and their gaps."""
    gaps = (float(one["gap"]["centroid_distance"]) for one in (clip, cloob))
    return prediction_1(*ranks, *gaps).metrics()


def _space(one: Metrics) -> Space | None:
    if "spectrum" not in one or "retrieval" not in one or one["spectrum"]["both"]["auc"] is None:
        return None
    top1 = sum(one["retrieval"][direction]["top1"] for direction in DIRECTIONS) / len(DIRECTIONS)
    return Space(model=one["encoder"], dataset=one["dataset"], dimension=one["spectrum"]["both"]["auc"], top1=top1)
