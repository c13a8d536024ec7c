"""Stability of clusters: agreement of clusterings with other seeds and other smallest cluster sizes.

N rows, D dimensions, R runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.arrays.rows import to_host
from tda.geometry.clusters.assign import NOISE
from tda.geometry.clusters.density import default_sample, hdbscan
from tda.geometry.spectrum.moments import Moments


@dataclass(frozen=True, kw_only=True)
class Stability:
    """Agreement of clusterings of the same rows: adjusted Rand index (Hubert and Arabie 1985), 1 for equal ones, 0 by chance."""

    runs: list[dict[str, Any]]  # seed, min_cluster_size, count, noise_fraction of each of the R runs
    agreement_RR: Any  # over all rows, noise counted as one cluster
    across_seeds: float | None  # mean over pairs of runs that differ in the seed alone; None with one seed
    across_sizes: float | None  # mean over pairs of runs that differ in min_cluster_size alone; None with one size

    def metrics(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return {**vars(self), "agreement_RR": np.asarray(self.agreement_RR).tolist()}


def agreement(labels_N: Any, others_N: Any, *, noise: bool = True) -> float | None:
    """Adjusted Rand index of two labellings (N,), at most 1; without `noise`, over rows that both put in a cluster (None if none)."""
    from sklearn.metrics import adjusted_rand_score

    one_N, two_N = to_host(labels_N), to_host(others_N)
    kept_N = np.ones(len(one_N), dtype=bool) if noise else (one_N != NOISE) & (two_N != NOISE)
    return float(adjusted_rand_score(one_N[kept_N], two_N[kept_N])) if kept_N.any() else None


def stability(spaces: Sequence[Any], min_cluster_sizes: Sequence[int] = (10,), seeds: Sequence[int] = (0,), **options: Any) -> Stability:
    """Cluster the same rows with every seed and every smallest size, and compare the results.

    `spaces`: one array (N, D) for each seed (layouts, say), or a single array for all seeds. With a single array and several seeds, each
    seed fits on its own draw of 4 rows in 5 and assigns the others. `options` go to `hdbscan`. Raises UserError for any other number of
    spaces.
    """
    if len(spaces) not in (1, len(seeds)):
        raise UserError(f"{len(spaces)} spaces for {len(seeds)} seeds; give one space, or one a seed")
    shared = len(spaces) == 1 and len(seeds) > 1
    if shared:
        options.setdefault("sample", min(default_sample(spaces[0]), 4 * spaces[0].shape[0] // 5))
    labels, runs = [], []
    for position, seed in enumerate(seeds):
        for size in min_cluster_sizes:
            found = hdbscan(spaces[0 if shared else position], size, seed=seed, **options)
            labels.append(found.labels)
            runs.append({"seed": seed, "min_cluster_size": size, "count": found.count, "noise_fraction": found.noise_fraction})
    return _compare(labels, runs)


def _compare(labels: list[Any], runs: list[dict[str, Any]]) -> Stability:
    agreement_RR = np.eye(len(runs))
    by: dict[str, list[float]] = {"seed": [], "min_cluster_size": []}
    for one, two in combinations(range(len(runs)), 2):
        agreement_RR[one, two] = agreement_RR[two, one] = value = agreement(labels[one], labels[two]) or 0.0
        differ = [name for name in by if runs[one][name] != runs[two][name]]
        if len(differ) == 1:
            by[differ[0]].append(value)
    seeds, sizes = (float(np.mean(values)) if values else None for values in by.values())
    return Stability(runs=runs, agreement_RR=agreement_RR, across_seeds=seeds, across_sizes=sizes)


def principal_rows(x_ND: Any, components: int = 12) -> Any:
    """Coordinates (N, components) of the L2-normalised rows (N, D) along their first principal components.

    Raises UserError for a row that is zero or not finite.
    """
    x_ND = unit_rows(x_ND)
    moments = Moments.of(x_ND)
    _, vectors_DD = moments.principal()
    return (x_ND - moments.mean_D) @ vectors_DD[:, :components]
