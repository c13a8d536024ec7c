"""The part `clusters` of metrics.json: the space that is clustered, the clustering, its stability and its modalities.

M pairs, N = 2M rows of both modalities, the images first, D dimensions, C coordinates of the space, S rows of the sample,
B rows of a block.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.columns import Columns
from tda.config.analysis import AnalysisConfig, ClustersConfig
from tda.geometry.arrays.namespace import namespace, unit_rows
from tda.geometry.arrays.rows import to_host
from tda.geometry.clusters.assign import NOISE
from tda.geometry.clusters.density import Clustering, hdbscan
from tda.geometry.clusters.stability import stability
from tda.geometry.neighbors.graph import unit32
from tda.geometry.spectrum.moments import Moments

PURE = 0.95  # share of a cluster's rows from one modality at which it counts as pure
UNSAMPLED = 2**62
SMALLEST, UNIT_ROWS = 10, 10_000


@dataclass(frozen=True)
class Raw:
    """The unit rows themselves: euclidean distance gives the same order as the angle."""

    def project(self, x_BD: Any) -> Any:
        """Unit rows (B, D), float32. Raises UserError for a row that is zero or not finite."""
        return unit32(x_BD)


@dataclass(frozen=True)
class Principal:
    """Unit rows along the first principal components of a sample."""

    mean_D: Any
    vectors_DC: Any

    @classmethod
    def of(cls, x_SD: Any, components: int) -> "Principal":
        """The space of the first `components` of the rows (S, D), L2-normalised. Raises UserError below two rows."""
        moments = Moments.of(unit_rows(x_SD))
        return cls(moments.mean_D, moments.principal()[1][:, :components])

    def project(self, x_BD: Any) -> Any:
        """Coordinates (B, C), float32, of rows (B, D). Raises UserError for a row that is zero or not finite."""
        coordinates_BC = (unit_rows(x_BD) - self.mean_D) @ self.vectors_DC
        return namespace(coordinates_BC).astype(coordinates_BC, namespace(coordinates_BC).float32)


def space_of(x_SD: Any, config: ClustersConfig) -> Raw | Principal:
    """The space named in `config`, fitted to the rows (S, D) that are clustered."""
    return Principal.of(x_SD, config.components) if config.space == "pca" else Raw()


def smallest_by_rows(rows: int) -> int:
    """The smallest cluster by default among so many fitted rows: 10, above `UNIT_ROWS` in proportion to the root of their number."""
    return max(SMALLEST, round(SMALLEST * math.sqrt(rows / UNIT_ROWS)))


def smallest(config: ClustersConfig) -> int:
    """The smallest cluster that is set; `SMALLEST` where that was left open and no number of rows is known."""
    return config.min_cluster_size or SMALLEST


def cluster(x_SC: Any, analysis: AnalysisConfig, sample: int | None = None) -> Clustering:
    """HDBSCAN of coordinates (S, C) with the options of `analysis.clusters`; `sample` as in `hdbscan`."""
    return hdbscan(x_SC, smallest(analysis.clusters), seed=analysis.seed, sample=sample, **_options(analysis.clusters))


def how_stable(spaces: Sequence[Any], analysis: AnalysisConfig, sample: int | None = None) -> dict[str, Any]:
    """Agreement (adjusted Rand index) across seeds and smallest sizes. `spaces`: one array (S, C), or one layout for each seed."""
    config = analysis.clusters
    seeds = [analysis.seed + i for i in range(config.stability_seeds)]
    sizes = config.stability_sizes or [smallest(config), 2 * smallest(config)]
    options = _options(config) | ({} if sample is None else {"sample": sample})
    return stability(spaces, sizes, seeds, **options).metrics()


def cluster_metrics(found: Clustering, label_N: Any, analysis: AnalysisConfig, stable: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """The `clusters` part of metrics.json. `label_N`: labels of all labelled rows, images first; `stable`: from `how_stable`."""
    config = analysis.clusters
    fitted = {name: value for name, value in found.metrics().items() if name not in ("noise_fraction", "notes")}
    return {
        "space": config.space,
        "method": config.method,
        "min_cluster_size": smallest(config),
        "min_cluster_size_by_rows": smallest_by_rows(found.fitted),
        "min_samples": config.min_samples or smallest(config),
        "epsilon": config.epsilon,
        "noise_fraction": float(np.mean(label_N == NOISE)),
        **fitted,
        "pairs_used": len(label_N) // 2,
        "stability": stable,
        "modality": _purity(label_N),
        "notes": [*found.notes, *notes],
    }


def cluster_columns(label_N: Any, probability_N: Any, positions_M: Any) -> Columns:
    """Columns of `clusters.parquet`: modality, row, label (-1 is noise), probability."""
    return {
        "modality": np.repeat(["image", "text"], len(positions_M)),
        "row": np.tile(np.asarray(positions_M, np.int64), 2),
        "label": to_host(label_N).astype(np.int32),
        "probability": to_host(probability_N).astype(np.float32),
    }


def _options(config: ClustersConfig) -> dict[str, Any]:
    names = ("min_samples", "method", "epsilon", "engine", "single")
    return {name: getattr(config, name) for name in names}


def _purity(label_N: Any) -> dict[str, Any]:
    """Share of clusters that are pure (`PURE` of their rows from one modality), and share of clustered rows in pure clusters."""
    half, count = len(label_N) // 2, int(label_N.max(initial=NOISE)) + 1
    size_2C = np.stack([np.bincount(part[part >= 0], minlength=count) for part in (label_N[:half], label_N[half:])])
    pure_C = size_2C.max(axis=0) >= PURE * size_2C.sum(axis=0)
    rows = int(size_2C.sum())
    return {
        "pure_fraction": float(pure_C.mean()) if count else None,
        "rows_in_pure": float(size_2C.sum(axis=0)[pure_C].sum() / rows) if rows else None,
        "threshold": PURE,
    }
