"""The parts `per_cluster` and `local_dimension` of metrics.json (Figs 13 to 15), and the verdicts on the paper's two predictions.

N pairs, K clusters, D dimensions.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tda.columns import Columns
from tda.geometry.controlled import Controlled, controlled
from tda.geometry.local_dimension import Association, Clusters, associate, cluster_table, pooled
from tda.geometry.predictions import Space, prediction_1, prediction_2
from tda.geometry.spectrum.moments import Spectrum

DIMENSIONS = ("auc", "effective_rank")
DIRECTIONS = ("image_to_text", "text_to_image")
OF = "auc of both modalities together against top-1 of all queries of the cluster, both ways"

Table = list[dict[str, Any]]
Metrics = Mapping[str, Any]


def per_cluster(
    spectra: Mapping[str, Sequence[Spectrum | None]],
    label_2N: Any,
    ranks_2N: Any,
    two_nn_K: Sequence[float | None],
    rarefied_K: Sequence[float | None] | None = None,
) -> Table:
    """Table with one row per cluster: the columns of `cluster_table`, `top1` and number of its `queries` both ways, and `two_nn`.

    Beside them `purity`, the share of the modality that most rows are of; `log_trace`, the logarithm of the total variance; `rarefied`, the
    effective rank of equally many rows of each cluster, where given. `label_2N`, `ranks_2N`: clusters and ranks (2, N) of images and of
    texts; rank 0 is a pair that was not a query. `two_nn_K`: intrinsic dimension of each cluster.
    """
    ranks = dict(zip(DIRECTIONS, ranks_2N, strict=True))
    asked_2N = np.where(ranks_2N > 0, label_2N, -1)
    table, asked = (cluster_table(spectra, labels[0], labels[1], ranks) for labels in (label_2N, asked_2N))
    rarefied = rarefied_K or [None] * len(table)
    for row, ranked, dimension, rank, spectrum in zip(table, asked, two_nn_K, rarefied, spectra["both"], strict=True):
        row |= {f"top1_{direction}": ranked[f"top1_{direction}"] for direction in DIRECTIONS}
        row |= {"top1": _both_ways(ranked), "queries": ranked["size"], "two_nn": dimension}
        row |= {"rarefied": rank, "purity": max(row["images"], row["texts"]) / row["size"], "log_trace": _log_trace(spectrum)}
    return table


def _log_trace(spectrum: Spectrum | None) -> float | None:
    total = 0.0 if spectrum is None else float(np.sum(spectrum.singular_values))
    return float(np.log(total)) if total > 0 else None


def columns_of(table: Table) -> dict[str, Any]:
    """The variables of `controlled`, (K,) each, NaN where a cluster lacks one; all NaN in tables of earlier versions."""
    names = {"dimension": "rarefied", "top1": "top1", "purity": "purity", "log_trace": "log_trace"}
    found = {name: np.array([np.nan if row.get(key) is None else row[key] for row in table], float) for name, key in names.items()}
    return found | {"log_size": np.log([row["size"] for row in table])}


def controlled_dimension(tables: Mapping[str, Table], overlap_CC: Any = None) -> dict[str, Any]:
    """`controlled` over the clusters of one model, named "", or of several."""
    return controlled({name: columns_of(table) for name, table in tables.items()}, overlap_CC=overlap_CC).metrics()


def local_dimension(table: Table, draws: int, seed: int) -> dict[str, Any]:
    """Correlations of dimension and top-1 over the clusters of one model: auc and top-1 of both directions first, others in `by`."""
    found = _associations({"": table}, lambda models: associate(models[""], draws=draws, seed=seed))
    return found | {"controlled": controlled_dimension({"": table})}


def pooled_dimension(tables: Mapping[str, Table], draws: int, seed: int) -> tuple[dict[str, Any], Association]:
    """The same over the clusters of several models, with model as a factor, and the first of the associations, for `prediction_2`."""
    first = pooled({name: Clusters.of(table, "auc", "top1") for name, table in tables.items()}, draws=draws, seed=seed)
    return _associations(tables, lambda models: pooled(models, draws=draws, seed=seed)), first


def prediction_two(
    metrics: Mapping[str, Metrics], others: Mapping[tuple[str, str], Metrics], draws: int, seed: int, overlap_CC: Any = None
) -> dict[str, Any]:
    """`pooled` and `prediction_2` for comparisons.json.

    `metrics`: encoder -> its metrics.json; `others`: (data set, encoder) -> metrics.json of further data sets. Local dimension is pooled
    over the clusters of the encoders; global dimension is the auc of the spectrum of both modalities, one point for each encoder and
    data set. `overlap_CC`: as in `controlled`, of the clusters in order of the encoders.
    """
    tables = {name: one["per_cluster"] for name, one in metrics.items() if "per_cluster" in one}
    pooled, local = pooled_dimension(tables, draws, seed)
    spaces = [space for one in (*metrics.values(), *others.values()) if (space := _space(one)) is not None]
    given = controlled({name: columns_of(table) for name, table in tables.items()}, overlap_CC=overlap_CC)
    raw = [one["local_dimension"]["raw"]["controlled"]["value"] for one in metrics.values() if "raw" in one.get("local_dimension", {})]
    verdict = prediction_2(local, spaces, seed=seed, given=given if _measured(given) else None, raw=raw)
    return {"pooled": pooled | {"controlled": given.metrics()}, "prediction_2": verdict.metrics()}


def _measured(given: Controlled) -> bool:
    """Analyses of earlier versions have no rarefied dimension: their plain correlation given size decides."""
    return given.value is not None


def prediction_one(
    ranks: tuple[dict[str, Any], dict[str, Any]], clip: Metrics, cloob: Metrics, premises: dict[str, Any] | None = None
) -> dict[str, Any]:
    """`prediction_1` from the ranks of CLIP and of CLOOB on the same pairs, the gaps in their metrics.json, and its premises."""
    clip_gap, cloob_gap = (float(one["gap"]["centroid_distance"]) for one in (clip, cloob))
    return prediction_1(*ranks, clip_gap, cloob_gap, premises).metrics()


def spectra_columns(spectra: Mapping[str, Sequence[Spectrum | None]], label_2N: Any) -> Columns:
    """Columns of `cluster_spectra.parquet`: cluster, modality, rows, index, singular_value, floor (Figs 13 and 14).

    `spectra`: from `cluster_spectra`; `label_2N`: clusters (2, N) of images and of texts.
    """
    sizes = {
        name: np.bincount(label_N[label_N >= 0], minlength=len(spectra[name])) for name, label_N in zip(spectra, label_2N, strict=False)
    }
    sizes["both"] = sizes["image"] + sizes["text"]
    found = [(cluster, name, one) for name in spectra for cluster, one in enumerate(spectra[name]) if one is not None]
    lengths = [len(one.singular_values) for _, _, one in found]
    return {
        "cluster": np.repeat(np.asarray([cluster for cluster, _, _ in found], np.int32), lengths),
        "modality": np.repeat(np.asarray([name for _, name, _ in found], dtype=str), lengths),
        "rows": np.repeat(np.asarray([sizes[name][cluster] for cluster, name, _ in found], np.int64), lengths),
        "index": np.concatenate([np.arange(length, dtype=np.int32) for length in lengths] or [np.empty(0, np.int32)]),
        "singular_value": np.concatenate([np.asarray(one.singular_values, np.float64) for _, _, one in found] or [np.empty(0)]),
        "floor": np.repeat(np.asarray([one.floor for _, _, one in found], np.float64), lengths),
    }


def _both_ways(row: Mapping[str, Any]) -> float | None:
    hits = sum((row[f"top1_{way}"] or 0.0) * row[queries] for way, queries in zip(DIRECTIONS, ("images", "texts"), strict=True))
    return hits / row["size"] if row["size"] else None


def _associations(tables: Mapping[str, Table], measure: Callable[[dict[str, Clusters]], Association]) -> dict[str, Any]:
    def of(dimension: str, top1: str) -> dict[str, Any]:
        return measure({name: Clusters.of(table, dimension, top1) for name, table in tables.items()}).metrics()

    by = {dimension: {direction: of(dimension, f"top1_{direction}") for direction in DIRECTIONS} for dimension in DIMENSIONS}
    return {**of("auc", "top1"), "of": OF, "by": by}


def _space(one: Metrics) -> Space | None:
    if "spectrum" not in one or "retrieval" not in one or one["spectrum"]["both"]["auc"] is None:
        return None
    top1 = sum(one["retrieval"][direction]["top1"] for direction in DIRECTIONS) / len(DIRECTIONS)
    return Space(model=one["encoder"], dataset=one["dataset"], dimension=one["spectrum"]["both"]["auc"], top1=top1)
