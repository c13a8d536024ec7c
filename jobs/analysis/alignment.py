"""Alignment and uniformity as Ray tasks: pairs block by block, uniformity in one task that runs beside them.

M positions of rows in use, S sampled pairs of rows.
"""

from typing import Any

import numpy as np

from jobs.analysis.part import Found, Measuring
from jobs.runtime.tasks import ordered, result, start
from tda.config.analysis import AnalysisConfig
from tda.geometry import alignment
from tda.geometry.arrays.namespace import row_blocks
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import read_pairs


def start_uniformity(run: Measuring) -> Any:
    """Reference of the uniformity within images, within texts and across."""
    return start(_uniformity_of, run.subject.embeddings, run.subject.analysis, cluster=run.cluster)


def finish_alignment(run: Measuring, pending: Any) -> Found:
    """The part alignment, of all pairs."""
    import ray

    embeddings = run.subject.embeddings
    kept, count = ray.put(embeddings), len(embeddings)
    blocks = [(kept, block.start, block.stop) for block in row_blocks(count, run.subject.analysis.block_rows)]
    squared = sum(ordered(_squared_of, blocks, run.cluster, whole=len(blocks)))
    return {"alignment": {"mean_squared_distance": squared / count, "uniformity": result(pending)}}, {}


def _squared_of(embeddings: EmbeddingSet, start: int, stop: int) -> float:
    """Sum of the squared distances of a block's pairs."""
    rows = slice(start, stop)
    return (stop - start) * alignment.alignment(embeddings.image(rows), embeddings.text(rows), start)


def _uniformity_of(embeddings: EmbeddingSet, analysis: AnalysisConfig) -> dict[str, Any]:
    """Exact up to `exact_rows` pairs; above, only the rows that the sampled pairs name are held."""
    count, config = len(embeddings), analysis.alignment
    if count <= config.exact_rows:
        found = alignment.uniformity(*read_pairs(embeddings, np.arange(count), analysis.block_rows))
    else:
        drawn = alignment.drawn_pairs(count, config.sample_pairs, analysis.seed)
        positions_M, place_2S = np.unique(np.stack(drawn), return_inverse=True)
        i_S, j_S = place_2S.reshape(2, -1)
        found = alignment.sampled_uniformity(*read_pairs(embeddings, positions_M, analysis.block_rows), i_S, j_S)
    return {name: one.metrics() for name, one in found.items()}
