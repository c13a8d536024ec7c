"""A root as `jobs.analyze` and `jobs.train` leave it, with planted numbers: the report's tests know what it has to say.

N pairs, D dimensions. Vectors are drawn around two centres `gap` apart; metrics that a test names replace what was planted.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from planted_files import write
from planted_shape import plant_comparisons, plant_shape, plant_sweep

from tda.config.stages import ReportConfig
from tda.store.commit.records import Identity
from tda.store.commit.rows import Rows
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths
from tda.store.types import Source

N, D = 400, 64

# Of each encoder: gap, share of the layout that modalities have in common, top-1, accuracies, first collapsed dimension of its spectra.
ARMS = {
    "toy_infonce": {"gap": 0.187, "mix": 0.0, "top1": 0.72, "pca2": 0.91, "heldout": 0.97, "collapse": 64, "decay": 0.03},
    "toy_infonce_hopfield": {"gap": 0.198, "mix": 0.0, "top1": 0.61, "pca2": 0.96, "heldout": 0.98, "collapse": 64, "decay": 0.045},
    "toy_infoloob": {"gap": 0.025, "mix": 0.8, "top1": 0.80, "pca2": 0.55, "heldout": 0.58, "collapse": 50, "decay": 0.06},
    "toy_cloob": {"gap": 0.027, "mix": 1.0, "top1": 0.76, "pca2": 0.53, "heldout": 0.53, "collapse": 40, "decay": 0.08},
}
CONFIG = ReportConfig(
    models={"toy_infonce": "CLIP", "toy_cloob": "CLOOB"},
    datasets={"toy_heldout": "LAION", "toy_shifted": "COCO"},
    ablation={
        "toy_infonce": "InfoNCE",
        "toy_infonce_hopfield": "InfoNCE + Hopfield",
        "toy_infoloob": "InfoLOOB",
        "toy_cloob": "InfoLOOB + Hopfield",
    },
)
CAPTIONS = {  # row -> what a stranger wrote
    0: "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">",
    1: "\u202egnp.elif a \u05e9\u05dc\u05d5\u05dd \"quoted\" & 'single' \x07bell\tand\nlines",
    2: "\u0645\u0631\u0628\u0639 \u0623\u0632\u0631\u0642 \u0641\u0648\u0642 \u062f\u0627\u0626\u0631\u0629 {{ 7 * 7 }} "
    + "very long " * 60,
}


def plant(root: Path | str, datasets: tuple[str, ...] = ("toy_heldout", "toy_shifted"), encoders: tuple[str, ...] = tuple(ARMS)) -> str:
    """Write a whole root: analysis, captions and training curves of every (data set, encoder), and the data sets' comparisons."""
    for place, dataset in enumerate(datasets):
        others = [other for other in datasets if other != dataset]
        cells = {encoder: plant_cell(root, dataset, encoder, others=others, seed=place) for encoder in encoders}
        if len(encoders) > 1:
            plant_comparisons(Path(root) / "analysis" / dataset, dataset, cells, CONFIG.models)
    for encoder in encoders:
        plant_curve(root, encoder)
    plant_swept(root, "analyze-k-seed", {(k, seed): 0.5 + 0.01 * k - 0.1 * seed for k in (5, 10, 20) for seed in (0, 1)})
    return str(root)


def plant_swept(root: Path | str, name: str, values: Mapping[tuple[Any, ...], float | None], **head: Any) -> None:
    """Write the sweep.json of a sweep over mixing.k and the seed, with the top-1 of each cell; a cell without one has failed."""
    keys = ["analysis.mixing.k", "analysis.seed"]
    cells = [
        {
            "cell": f"{number:08x}-k={value[0]}",
            "values": dict(zip(head.get("keys", keys), value, strict=True)),
            "state": "failed" if top1 is None else "whole",
            "numbers": {} if top1 is None else {"retrieval.image_to_text.top1": top1, "gap.centroid_distance": 0.5, "pairs": N},
            **({"error": "it is out of range"} if top1 is None else {"line": "fine"}),
        }
        for number, (value, top1) in enumerate(values.items())
    ]
    folder = Path(root) / "sweeps" / name
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"schema": 1, "name": name, "job": "analyze", "keys": keys, "objective": None, **head, "cells": cells}
    (folder / "sweep.json").write_text(json.dumps(whole))


def plant_cell(
    root: Path | str,
    dataset: str,
    encoder: str,
    *,
    metrics: Mapping[str, Any] | None = None,
    others: list[str] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Write metrics.json, the Parquet files and the embeddings of one cell; `metrics` replaces whole parts. Returns the metrics."""
    arm = ARMS[encoder]
    rng = np.random.default_rng([seed, *encoder.encode()])
    paths = RootPaths(str(root))
    spectra = {modality: spectrum(arm, height) for modality, height in (("image", 1.0), ("text", 0.6), ("both", 0.9))}
    folder = Path(paths.analysis_dir(dataset, encoder))
    folder.mkdir(parents=True, exist_ok=True)
    mix = arm["mix"]
    planted = planted_metrics(dataset, encoder, arm, spectra, others or []) | plant_shape(folder, mix, rng) | dict(metrics or {})
    if encoder in CONFIG.models:
        plant_sweep(folder, mix, rng)
    (folder / "metrics.json").write_text(json.dumps(planted))
    write(folder / "spectra.parquet", _spectra(spectra))
    write(folder / "cosine.parquet", _cosine(arm, rng))
    write(folder / "ranks.parquet", _ranks(arm, rng))
    write(folder / "pca.parquet", _pca(arm, rng))
    plant_captions(paths, dataset, encoder, rng)
    return planted


def strip(root: Path | str, *keep: str) -> None:
    """Remove the Parquet files of every analysis but those of these names: less to draw."""
    for file in Path(root).glob("analysis/*/*/*.parquet"):
        if file.stem not in keep:
            file.unlink()


def spectrum(arm: Mapping[str, float], height: float) -> dict[str, Any]:
    """A spectrum that falls by 1e-3 exactly at the arm's collapse, and goes on falling to below its floor."""
    index = np.arange(D)
    values = height * 0.02 * np.exp(-arm["decay"] * index) * np.where(index < arm["collapse"], 1, 1e-3)
    return {
        "singular_values": values.tolist(),
        "floor": 2e-7,
        "effective_rank": 30.0 / (1 + 10 * arm["decay"]) * height,
        "participation_ratio": 12.0,
        "collapse_index": int(arm["collapse"]),
        "auc": 0.8,
    }


def plant_curve(root: Path | str, encoder: str, steps: int = 400) -> None:
    rng = np.random.default_rng([*encoder.encode()])
    step = np.arange(1, steps + 1)
    folder = Path(RootPaths(str(root)).model_dir(encoder))
    folder.mkdir(parents=True, exist_ok=True)
    loss = 4 * np.exp(-step / 80) + 0.5 + rng.normal(0, 0.05, steps)
    rate = 2e-3 * np.minimum(step / 40, 0.5 + 0.5 * np.cos(np.pi * step / steps))
    write(folder / "curve.parquet", {"step": step, "loss": loss, "learning_rate": rate})


def plant_captions(paths: RootPaths, dataset: str, encoder: str, rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(N, 8))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    captions = [CAPTIONS.get(row, f"a small red square above a large blue circle, {row}") for row in range(N)]
    rows = Rows(ordinals=range(N), keys=[f"{row:06}" for row in range(N)], captions=captions, image_ND=unit, text_ND=unit)
    identity = Identity(encoder=encoder, weights_sha256="ab" * 32, preprocessing={}, dtype="float32")
    publish_shard(
        paths, dataset, encoder, "00000", rows=rows, drops=[], identity=identity, source=Source(path="00000.tar", size=1, etag="1")
    )


def planted_metrics(dataset: str, encoder: str, arm: Mapping[str, float], spectra: dict[str, Any], others: list[str]) -> dict[str, Any]:
    ranks = {"top1": arm["top1"], "top5": min(arm["top1"] + 0.15, 1.0), "median_rank": 1.0}
    score = dict.fromkeys(("accuracy", "precision", "recall"), arm["heldout"])
    random = 0.056 if arm["gap"] > 0.1 else 0.001
    return {
        "schema": 1, "dataset": dataset, "encoder": encoder, "weights_sha256": "ab" * 32, "config_hash": "cd" * 32,
        "pairs": N, "dim": D, "dtype": "float16", "seed": 0,
        "gap": {"centroid_distance": arm["gap"], "relative": arm["gap"] / 0.9},
        "cosine": {"pair": {"mean": 0.71, "std": 0.08, "quantiles": {}}, "random": {"mean": random, "std": 0.2, "quantiles": {}}},
        "separability": {
            "train": {name: min(arm["heldout"] + 0.02, 1) for name in score}, "heldout": score,
            "pca2": {"accuracy": arm["pca2"], "explained": [0.21, 0.09]}, "transfer": dict.fromkeys(others, score),
        },
        "retrieval": {"image_to_text": ranks, "text_to_image": {**ranks, "top1": arm["top1"] - 0.02}, "pairs_used": N},
        "spectrum": spectra,
    }  # fmt: skip


def _spectra(spectra: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "modality": np.repeat(list(spectra), D),
        "index": np.tile(np.arange(D), len(spectra)),
        "singular_value": np.concatenate([part["singular_values"] for part in spectra.values()]),
        "floor": np.repeat([part["floor"] for part in spectra.values()], D),
    }


def _cosine(arm: Mapping[str, float], rng: np.random.Generator) -> dict[str, Any]:
    edges = np.linspace(-1, 1, 201)
    draws = {"pair": rng.normal(0.71, 0.08, N), "random": rng.normal(0.056 if arm["gap"] > 0.1 else 0.001, 0.2, N)}
    return {
        "kind": np.repeat(list(draws), 200),
        "left": np.tile(edges[:-1], 2),
        "right": np.tile(edges[1:], 2),
        "count": np.concatenate([np.histogram(values, edges)[0] for values in draws.values()]),
    }


def _ranks(arm: Mapping[str, float], rng: np.random.Generator) -> dict[str, Any]:
    hit = rng.random(N) < arm["top1"]
    ranks = np.where(hit, 1, rng.integers(2, 60, N))
    ranks[:3] = [400, 399, 398]  # the captions of CAPTIONS are the worst
    return {"row": np.arange(N), "image_to_text": ranks, "text_to_image": ranks}


def _pca(arm: Mapping[str, float], rng: np.random.Generator) -> dict[str, Any]:
    shared = rng.normal(0, 0.2, (N, 2))
    image, text = (shared + rng.normal(0, 0.08, (N, 2)) + [side * arm["gap"] * 0.9, 0] for side in (-1, 1))
    return {"row": np.arange(N), "image_pc1": image[:, 0], "image_pc2": image[:, 1], "text_pc1": text[:, 0], "text_pc2": text[:, 1]}
