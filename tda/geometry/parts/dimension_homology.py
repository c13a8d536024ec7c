"""The parts `dimension` and `homology` of metrics.json, and the tables of `homology`.

M rows, D dimensions.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tda.columns import Columns
from tda.config.analysis import DimensionConfig, HomologyConfig
from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.dimension import mle, two_nn
from tda.geometry.homology import Persistence, persistence, persistence_stability


def dimension_of(x_MD: Any, config: DimensionConfig, seed: int) -> dict[str, Any]:
    """Two-NN and maximum-likelihood estimates for rows (M, D), L2-normalised. Raises UserError for a row that is zero or not finite."""
    unit_MD = unit_rows(x_MD)
    estimates = {
        "two_nn": two_nn(unit_MD, discard=config.discard, sample=len(unit_MD), seed=seed),
        "mle": mle(unit_MD, config.k, sample=len(unit_MD), seed=seed),
    }
    return {name: estimate.metrics() for name, estimate in estimates.items()}


def homology_of(x_MD: Any, config: HomologyConfig, seed: int) -> tuple[dict[str, Any], Persistence]:
    """Summaries of the persistence of rows (M, D), their stability over draws of landmarks, and the persistence.

    Raises UserError for a row that is zero or not finite and for options out of range.
    """
    options: dict[str, Any] = {"choice": config.choice, "metric": config.metric, "max_degree": config.max_degree}
    found = persistence(x_MD, config.landmarks, seed=seed, **options)
    stable = None
    if config.stability_seeds > 1:
        stable = persistence_stability(x_MD, config.landmarks, seeds=config.stability_seeds, **options)
    return found.metrics() | {"stability": stable}, found


def homology_tables(found: Mapping[str, Persistence]) -> dict[str, Columns]:
    """Columns of `betti.parquet` (modality, degree, radius, betti) and `persistence.parquet` (modality, degree, birth, death).

    `found`: modality -> its persistence. Radius, birth and death are in the unit of the metric.
    """
    diagrams = [(name, one.scale_T, diagram) for name, one in found.items() for diagram in one.diagrams]

    def spread(values: list[Any], lengths: list[int]) -> Any:
        return np.repeat(np.asarray(values), lengths)

    names, degrees = [name for name, _, _ in diagrams], [np.int32(diagram.degree) for _, _, diagram in diagrams]
    steps, points = [len(scale_T) for _, scale_T, _ in diagrams], [len(diagram.points_P2) for _, _, diagram in diagrams]
    return {
        "betti": {
            "modality": spread(names, steps),
            "degree": spread(degrees, steps),
            "radius": np.concatenate([scale_T for _, scale_T, _ in diagrams]),
            "betti": np.concatenate([diagram.betti_T for _, _, diagram in diagrams]).astype(np.int64),
        },
        "persistence": {
            "modality": spread(names, points),
            "degree": spread(degrees, points),
            "birth": np.concatenate([diagram.points_P2[:, 0] for _, _, diagram in diagrams]),
            "death": np.concatenate([diagram.points_P2[:, 1] for _, _, diagram in diagrams]),
        },
    }
