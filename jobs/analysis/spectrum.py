"""Spectra that take several readings of the rows, as passes of Ray tasks over blocks: randomized SVD and TSQR.

B rows of a block, K values asked for, D dimensions.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

from jobs.runtime.devices import fetched, placed
from jobs.runtime.tasks import merged
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.geometry.arrays.namespace import row_blocks, unit_rows
from tda.geometry.spectrum.moments import average_floor, spectrum_from
from tda.geometry.spectrum.passes import Sum
from tda.geometry.spectrum.randomized import randomized_svd
from tda.geometry.spectrum.tsqr import tsqr_spectrum
from tda.store.datasets.embedding_set import EmbeddingSet

MODALITIES = {"image": ("image",), "text": ("text",), "both": ("image", "text")}


@dataclass(frozen=True)
class Passes:
    """A `Total` over the unit rows of a set: each call reads every block once, one task a block, and adds up in the order of the rows."""

    kept: Any  # the set, as Ray holds it
    count: int
    modality: str
    block_rows: int
    cluster: ClusterConfig
    device: str
    calls: list[str] = field(default_factory=list)  # the modality of each pass so far

    def __call__(self, function: Callable[[Any], Sum]) -> Sum:
        import ray

        sent = ray.put(function)
        blocks = list(row_blocks(self.count, self.block_rows))
        calls = ((sent, self.kept, self.modality, block.start, block.stop, self.device) for block in blocks)
        whole: Sum = merged(_apply, calls, add, self.cluster, whole=len(blocks), device=self.device)
        self.calls.append(self.modality)
        return whole


def spectrum(embeddings: EmbeddingSet, analysis: AnalysisConfig, cluster: ClusterConfig) -> dict[str, dict[str, Any]]:
    """The part spectrum by `analysis.spectrum.method`: tsqr, or randomized with its error estimate."""
    import ray

    kept = ray.put(embeddings)
    found, calls = {}, list[str]()
    for name in MODALITIES:
        total = Passes(kept, len(embeddings), name, analysis.block_rows, cluster, analysis.device, calls)
        found[name] = _tsqr(total, embeddings, analysis) if analysis.spectrum.method == "tsqr" else _largest(total, embeddings, analysis)
    reported = ", ".join(f"{calls.count(name)} of {name}" for name in MODALITIES)
    print(f"lacuna: spectrum by {analysis.spectrum.method}: passes over the rows: {reported}", file=sys.stderr, flush=True)
    return found


def _tsqr(total: Passes, embeddings: EmbeddingSet, analysis: AnalysisConfig) -> dict[str, Any]:
    config = analysis.spectrum
    found = tsqr_spectrum(total, config.collapse_threshold, config.stored(embeddings.dtype))
    return found.metrics() | {"method": "tsqr", "passes": 2}


def _largest(total: Passes, embeddings: EmbeddingSet, analysis: AnalysisConfig) -> dict[str, Any]:
    """The `rank` largest values with the bound of their error. Measures that take all values are null where some are missing."""
    config, dim = analysis.spectrum, embeddings.dim
    found = randomized_svd(total, min(config.rank, dim), oversample=config.oversample, power=config.power, seed=analysis.seed)
    values_K = found.covariance_K
    floor = average_floor(float(values_K[0]), 1 / dim, found.n, dim, config.stored(embeddings.dtype))
    whole = spectrum_from(values_K, floor, config.collapse_threshold).metrics()
    notes = []
    if len(values_K) < dim:
        whole |= dict.fromkeys(("effective_rank", "participation_ratio", "auc", "numerical_rank"))
        if whole["collapse_index"] == len(values_K):  # it is not among these values
            whole |= dict.fromkeys(("collapse_index", "drop_index", "drop_decades"))
        notes = [f"the {len(values_K)} largest of {dim} values: effective rank, participation ratio and auc need all of them"]
    error = [float(value) for value in found.covariance_error_K]
    return whole | {"method": "randomized", "error": error, "passes": found.passes, "notes": notes}


def _apply(  # noqa: PLR0917 (tasks are called by position)
    function: Callable[[Any], Sum], embeddings: EmbeddingSet, modality: str, start: int, stop: int, device: str
) -> Sum:
    rows, function = slice(start, stop), placed(function, device)
    read = {"image": embeddings.image, "text": embeddings.text}
    return fetched(reduce(add, (function(unit_rows(placed(read[name](rows), device), name, start)) for name in MODALITIES[modality])))
