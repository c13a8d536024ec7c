"""Best positives of a whole set, from one reading of its rows as Ray tasks: the cosine of each pair and two hashes of each row.

M pairs in use, B pairs of a block. 40 bytes a pair are held.
"""

from typing import Any

import numpy as np

from jobs.runtime.tasks import ordered
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.geometry.arrays.equal_rows import row_hashes
from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.retrieval import true_cosines
from tda.geometry.shared_positives import Best, best_positives
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import Array, evenly_spaced, read_pairs

MOST_PAIRS = 50_000_000  # above, no partners are shared: two gigabytes of hashes


def positives(embeddings: EmbeddingSet, candidates: int, analysis: AnalysisConfig, cluster: ClusterConfig) -> tuple[Best, Best] | None:
    """`best_positives` of `candidates` evenly spaced pairs; None where they are too many to compare."""
    import ray

    if candidates > MOST_PAIRS:
        return None
    kept = ray.put(embeddings)
    blocks = [(kept, candidates, block.start, block.stop, analysis) for block in row_blocks(candidates, analysis.block_rows)]
    parts = list(ordered(_facts_of, blocks, cluster, whole=len(blocks)))
    true_M, image_M2, text_M2 = (np.concatenate([part[of] for part in parts]) for of in range(3))
    return best_positives(true_M, _groups(image_M2), _groups(text_M2))


def _facts_of(embeddings: EmbeddingSet, candidates: int, start: int, stop: int, analysis: AnalysisConfig) -> tuple[Array, Array, Array]:
    positions_B = evenly_spaced(len(embeddings), candidates, slice(start, stop))
    image_BD, text_BD = read_pairs(embeddings, positions_B, analysis.block_rows)
    return true_cosines(image_BD, text_BD, start), row_hashes(image_BD + 0), row_hashes(text_BD + 0)


def _groups(hash_M2: Array) -> Any:
    """A number (M,) that equal rows share."""
    order_M = np.lexsort(hash_M2.T)
    sorted_M2 = hash_M2[order_M]
    group_M = np.zeros(len(hash_M2), dtype=np.int64)
    group_M[order_M[1:]] = np.cumsum((sorted_M2[1:] != sorted_M2[:-1]).any(axis=1))
    return group_M
