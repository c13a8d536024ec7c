"""A data set of a few topics, and `jobs.analyze` run on it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from jobs.analyze import run
from tda.config.analysis import (
    AnalysisConfig,
    HomologyConfig,
)
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob
from tda.config.models import EncoderConfig

SHAPE = ["umap", "mixing", "clusters", "local_dimension", "dimension", "homology"]
QUICK: dict[str, Any] = {"homology": HomologyConfig(landmarks=20, stability_seeds=2)}


def topics(n: int, *, gap: float = 0.6, dim: int = 16, count: int = 6, seed: int = 0) -> tuple[Any, Any, Any]:
    """Images and texts that share one of a few topics, a gap apart, and the topic of each pair."""
    rng = np.random.default_rng(seed)
    topic_N = rng.integers(count, size=n)
    shared_ND = 2 * rng.standard_normal((count, dim))[topic_N] + 0.3 * rng.standard_normal((n, dim))
    gap_D = gap * rng.standard_normal(dim)
    image_ND, text_ND = (shared_ND + side * gap_D + 0.1 * rng.standard_normal((n, dim)) for side in (1, -1))
    return image_ND, text_ND, topic_N


def job(root: Path, dataset: str = "world", **analysis: Any) -> AnalyzeJob:
    analysis = {"parts": SHAPE, **QUICK, **analysis}
    return AnalyzeJob(
        root=str(root), dataset=DatasetConfig(name=dataset), encoder=EncoderConfig(name="tiny"), analysis=AnalysisConfig(**analysis)
    )


def folder_of(root: Path, dataset: str = "world") -> Path:
    return root / "analysis" / dataset / "tiny"


def metrics_of(root: Path, dataset: str = "world") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder_of(root, dataset) / "metrics.json").read_text())
    return found


def table_of(root: Path, name: str, dataset: str = "world") -> dict[str, Any]:
    table = pq.read_table(folder_of(root, dataset) / f"{name}.parquet")
    return {column: table[column].to_numpy(zero_copy_only=False) for column in table.column_names}


def stamps(root: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder_of(root).iterdir())}


def measured(root: Path, dataset: str = "world", **analysis: Any) -> dict[str, Any]:
    assert run(job(root, dataset, **analysis)).whole
    return metrics_of(root, dataset)
