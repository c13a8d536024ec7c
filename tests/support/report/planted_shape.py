"""What the shape parts of `jobs.analyze` leave behind, planted: layouts, clusters, local dimension, topology, a sweep, models compared.

N pairs, K clusters, D dimensions. A `mix` of 1 lets both modalities share their places, 0 keeps them apart.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from planted_files import write

from tda.geometry.dimension import Dimension
from tda.geometry.local_dimension import Association, Clusters, associate, pooled
from tda.geometry.predictions import Space, prediction_1, prediction_2

N, D, K = 400, 64, 16
NEIGHBORS, DISTANCES = (5, 15, 50), (0.0, 0.1, 0.8)


def plant_shape(folder: Path, mix: float, rng: np.random.Generator) -> dict[str, Any]:
    """Write the Parquet files of one cell, and return the parts of its metrics.json."""
    label_2N = np.where(rng.random((2, N)) < 0.06, -1, rng.integers(0, K, (2, N)))
    where_2N3 = sphere_layout(label_2N, mix, rng)
    table = cluster_rows(label_2N, rng)
    write(folder / "layout.parquet", layout_columns(where_2N3))
    write(
        folder / "clusters.parquet",
        {**_of_rows(), "label": label_2N.reshape(-1).astype(np.int32), "probability": rng.random(2 * N).astype(np.float32)},
    )
    write(folder / "cluster_spectra.parquet", cluster_spectra(table))
    write(folder / "betti.parquet", betti(1.5 - 0.6 * mix))
    return {
        "umap": {
            "output": "sphere", "n_neighbors": 15, "min_dist": 0.1, "n_epochs": 200, "trustworthiness": 0.93, "mixing": 0.45 * mix,
            "pairs_used": N, "notes": [],
        },
        "mixing": {"k": 15, "ambient": 1 - 0.4 * mix, "layout": 1 - 0.45 * mix},
        "clusters": {
            "space": "layout", "method": "hdbscan", "min_cluster_size": 10, "min_samples": 10, "count": K,
            "noise_fraction": float((label_2N < 0).mean()), "persistence": [0.4] * K,
            "stability": {"across_seeds": 0.83, "across_sizes": 0.71, "runs": [], "agreement_RR": []},
            "modality": {"pure_fraction": 1 - mix},
        },
        "rows": {"scope": "all", "fit": "0" * 64, "pairs": N, "fitted_pairs": N, "noise_fraction": 0.06, "sample": None},
        "per_cluster": table,
        "local_dimension": associations(table),
        "dimension": {
            kind: {
                modality: Dimension(value=value * scale, stderr=0.4, rows=N, duplicates=0).metrics()
                for modality, scale in (("image", 1.0), ("text", 0.8), ("both", 0.95))
            }
            for kind, value in (("two_nn", 11.0), ("mle", 9.0))
        },
        "homology": {modality: homology() for modality in ("image", "text", "both")},
    }  # fmt: skip


def _of_rows() -> dict[str, Any]:
    return {"modality": np.repeat(["image", "text"], N), "row": np.tile(np.arange(N), 2)}


def sphere_layout(label_2N: Any, mix: float, rng: np.random.Generator) -> Any:
    """Unit vectors (2, N, 3): a patch a cluster, the modalities' patches apart unless they mix."""
    centre_K3 = rng.normal(size=(K, 3)) * 0.8 + [0, 0, 1]
    side_23 = (1 - mix) * np.array([[1.4, 0, 0], [-1.4, 0, 0]])
    where_2N3 = centre_K3[label_2N] + side_23[:, None, :] + rng.normal(size=(2, N, 3)) * np.where(label_2N < 0, 0.5, 0.12)[..., None]
    return where_2N3 / np.linalg.norm(where_2N3, axis=2, keepdims=True)


def layout_columns(where_2NC: Any) -> dict[str, Any]:
    """Columns of layout.parquet: three coordinates and two angles, or the plane's two."""
    flat = where_2NC.reshape(2 * N, -1).astype(np.float32)
    columns = {**_of_rows(), **dict(zip("xyz", flat.T, strict=False))}
    if flat.shape[1] == 3:
        columns |= {"colatitude": np.arccos(np.clip(flat[:, 2], -1, 1)), "longitude": np.arctan2(flat[:, 1], flat[:, 0])}
    return columns


def cluster_rows(label_2N: Any, rng: np.random.Generator) -> list[dict[str, Any]]:
    """One row a cluster, in the words of metrics.json: a higher dimension goes with better retrieval."""
    rows = []
    for cluster in range(K):
        images, texts = (int((label_N == cluster).sum()) for label_N in label_2N)
        auc = 0.15 + 0.4 * cluster / K
        top1 = {
            name: float(np.clip(0.3 + auc + rng.normal(0, 0.05), 0, 1)) for name in ("top1_image_to_text", "top1_text_to_image", "top1")
        }
        kinds = {f"{name}{end}": value for end in ("", "_image", "_text") for name, value in (("auc", auc), ("effective_rank", 20 * auc))}
        rows.append({"id": cluster, "size": images + texts, "images": images, "texts": texts, **kinds, **top1, "two_nn": 6.0})
    return rows


def cluster_spectra(table: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Spectra that end where a cluster's rows do, at rank n - 1."""
    parts: list[dict[str, Any]] = []
    for row in table:
        for modality, rows in (("image", row["images"]), ("text", row["texts"]), ("both", row["size"])):
            index = np.arange(D)
            values = np.where(index < rows - 1, 0.01 * np.exp(-index / (60 * row["auc"])), 1e-18)
            parts.append({"cluster": row["id"], "modality": modality, "rows": rows, "index": index, "singular_value": values})
    columns = {name: np.concatenate([np.broadcast_to(part[name], D) for part in parts]) for name in parts[0]}
    return {**columns, "floor": np.full(len(columns["index"]), 2e-7)}


def associations(table: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    by = {
        dimension: {
            direction: associate(Clusters.of(table, dimension, f"top1_{direction}"), draws=200).metrics() for direction in DIRECTIONS
        }
        for dimension in ("auc", "effective_rank")
    }
    return {**associate(Clusters.of(table, "auc", "top1"), draws=200).metrics(), "of": "auc against top1", "by": by}


DIRECTIONS = ("image_to_text", "text_to_image")


def betti(last: float) -> dict[str, Any]:
    """Curves that end at `last`: components from many to one, loops that come and go."""
    radius = np.linspace(0, last, 64)
    curves = {0: 1 + 150 * np.exp(-((radius / last * 3) ** 4)), 1: 30 * np.exp(-(((radius / last - 0.5) / 0.1) ** 2))}
    parts = [
        (modality, degree, curve * scale)
        for modality, scale in (("image", 1), ("text", 0.8), ("both", 1.2))
        for degree, curve in curves.items()
    ]
    return {
        "modality": np.repeat([modality for modality, _, _ in parts], 64),
        "degree": np.repeat([degree for _, degree, _ in parts], 64).astype(np.int32),
        "radius": np.tile(radius, len(parts)),
        "betti": np.concatenate([np.ceil(curve) - degree for _, degree, curve in parts]).astype(np.int64),
    }


def homology() -> dict[str, Any]:
    def summary(scale: float) -> dict[str, Any]:
        return {"features": 150, "total_persistence": 90 * scale, "longest": 0.9 * scale, "second_longest": 0.5 * scale, "peak": 150}

    def over_seeds(scale: float) -> dict[str, Any]:
        return {name: {"mean": value, "std": 0.02 * scale} for name, value in summary(scale).items()}

    degrees = {"h0": summary(1.0), "h1": summary(0.1)}
    stability = {"h0": over_seeds(1.0), "h1": over_seeds(0.1), "seeds": 3, "landmarks": 150}
    return {**degrees, "landmarks": 150, "metric": "geodesic", "choice": "farthest", "cover": 0.6, "stability": stability, "notes": []}


def plant_sweep(folder: Path, mix: float, rng: np.random.Generator) -> None:
    """Write sweep.json and sweep.parquet of one cell: the layout under nine settings."""
    cells, parts = [], []
    for neighbors in NEIGHBORS:
        for distance in DISTANCES:
            label_2N = rng.integers(0, K, (2, N))
            where_2N3 = sphere_layout(label_2N, mix, rng)
            settings = {"n_neighbors": neighbors, "min_dist": distance}
            parts.append({**settings, **layout_columns(where_2N3), "cluster": label_2N.reshape(-1).astype(np.int32)})
            found = {
                "trustworthiness": 0.95 - 0.05 * distance,
                "mixing": 0.4 * mix,
                "clusters": K - neighbors // 10,
                "noise_fraction": 0.06,
            }
            cells.append({**settings, **found, "agreement": 0.9 - 0.2 * distance, "seconds": 1.5})
    (folder / "sweep.json").write_text(json.dumps({"schema": 1, "cells": cells}))
    columns = {name: np.concatenate([np.broadcast_to(part[name], 2 * N) for part in parts]) for name in parts[0]}
    write(folder / "sweep.parquet", columns)


def plant_comparisons(folder: Path, dataset: str, cells: Mapping[str, Mapping[str, Any]], roles: Mapping[str, str]) -> None:
    """Write comparisons.json of a data set: every pair of its encoders, and the verdicts on both predictions."""
    names = list(cells)
    found = [
        {"a": a, "b": b, "modality": modality, "pairs": N, **measures(0.1 * place)}
        for place, (a, b) in enumerate((a, b) for i, a in enumerate(names) for b in names[i + 1 :])
        for modality in ("image", "text", "both")
    ]
    together = pooled_over(cells)
    spaces = [
        Space(model=name, dataset=dataset, dimension=one["spectrum"]["both"]["auc"], top1=one["retrieval"]["image_to_text"]["top1"])
        for name, one in cells.items()
    ]
    first = _first(cells, {role: name for name, role in roles.items() if name in cells})
    (folder / "comparisons.json").write_text(
        json.dumps(
            {
                "schema": 1, "dataset": dataset, "pairs": N, "comparisons": found, "prediction_1": first,
                "prediction_2": prediction_2(together, spaces).metrics(), "pooled": pooled_metrics(cells),
            }
        )
    )  # fmt: skip


def pooled_over(cells: Mapping[str, Mapping[str, Any]], dimension: str = "auc", top1: str = "top1") -> Association:
    return pooled({name: Clusters.of(one["per_cluster"], dimension, top1) for name, one in cells.items()}, draws=200)


def pooled_metrics(cells: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    by = {
        dimension: {direction: pooled_over(cells, dimension, f"top1_{direction}").metrics() for direction in DIRECTIONS}
        for dimension in ("auc", "effective_rank")
    }
    return {**pooled_over(cells).metrics(), "of": "auc against top1", "by": by}


def measures(apart: float) -> dict[str, Any]:
    def one(value: float, chance: float) -> dict[str, Any]:
        return {"value": value, "ci95": [value - 0.03, value + 0.03], "chance": chance}

    same = 0.9 - apart / 3
    return {
        "linear_cka": one(same, 0.1), "linear_cka_debiased": one(same - 0.05, 0.0),
        "mutual_knn": one(same - 0.3, 0.02) | {"k": 10}, "cross_barcode": one(0.1 + apart / 4, 0.4),
    }  # fmt: skip


def _first(cells: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, Any] | None:
    if not {"CLIP", "CLOOB"} <= names.keys():
        return None
    gaps = [cells[names[role]]["gap"]["centroid_distance"] for role in ("CLIP", "CLOOB")]
    hits = [round(N * cells[names[role]]["retrieval"]["image_to_text"]["top1"]) for role in ("CLIP", "CLOOB")]
    clip, cloob = ({direction: np.where(np.arange(N) < hit, 1, 9) for direction in DIRECTIONS} for hit in hits)
    return prediction_1(clip, cloob, *gaps).metrics()
