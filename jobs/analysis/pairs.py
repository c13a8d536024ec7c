"""The measures of `jobs.analyze` as Ray tasks: each reads the rows it is given and returns something small.

M pairs in use, at `positions_M` of the set; B pairs of a block. Results merge in the order of the rows, so that a cluster of any
size gives the same numbers.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jobs.analysis.positives import positives
from jobs.runtime.devices import fetched, placed
from jobs.runtime.session import slots
from jobs.runtime.tasks import merged, ordered, start
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.geometry import retrieval, separability
from tda.geometry.arrays.namespace import row_blocks, unit_rows
from tda.geometry.cosine import EXACT_VALUES
from tda.geometry.parts.pair_stats import PairStats
from tda.progress import report_progress
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import Array, evenly_spaced, read_pairs

PCA_POINTS = 5000  # pairs kept of the projection on two principal components


def pair_stats(embeddings: EmbeddingSet, analysis: AnalysisConfig, cluster: ClusterConfig) -> PairStats:
    """Moments and cosines of the whole set, from blocks."""
    import ray

    kept = ray.put(embeddings)
    blocks = [(kept, block.start, block.stop, analysis.device) for block in row_blocks(len(embeddings), analysis.block_rows)]
    whole: PairStats = merged(_pair_stats_of, blocks, PairStats.merge, cluster, whole=len(blocks), device=analysis.device)
    return whole


def ranks(embeddings: EmbeddingSet, analysis: AnalysisConfig, cluster: ClusterConfig) -> tuple[Array, Array, Array]:
    """Positions used, and the ranks of each image's text and of each text's image among them, (M,) each."""
    import ray

    positions_M = evenly_spaced(len(embeddings), analysis.retrieval.max_pairs)
    share = -(-len(positions_M) // slots(cluster)[0])
    rows = min(max(share, analysis.retrieval.tile), analysis.block_rows)
    best = positives(embeddings, len(positions_M), analysis, cluster)
    kept, places, sent = ray.put(embeddings), ray.put(positions_M), ray.put(best and (best[0].cosine_N, best[1].cosine_N))
    blocks = [(kept, places, sent, block.start, block.stop, analysis) for block in row_blocks(len(positions_M), rows)]
    from_images, from_texts_M = [], np.zeros(len(positions_M), dtype=np.int64)
    for from_image_B, from_text_M in ordered(_counts_of, blocks, cluster, whole=len(blocks)):
        from_images.append(from_image_B)
        from_texts_M += from_text_M
    more = (one.more_N for one in best) if best else (0, 0)
    from_image_M, from_text_M = (
        counts_M - more_M for counts_M, more_M in zip((np.concatenate(from_images), from_texts_M), more, strict=True)
    )
    return positions_M, from_image_M, from_text_M


def start_separation(embeddings: EmbeddingSet, others: Mapping[str, EmbeddingSet], analysis: AnalysisConfig, cluster: ClusterConfig) -> Any:
    """Reference of the `separability` part and the columns of `pca.parquet`: one task, since a fit needs its rows together."""
    return start(_separate_of, embeddings, dict(others), analysis, cluster=cluster)


def _pair_stats_of(embeddings: EmbeddingSet, start: int, stop: int, device: str = "cpu") -> PairStats:
    count = len(embeddings)
    begin = start + count // 2
    # Partners wrap around the end of the set.
    parts = [slice(begin, min(begin + stop - start, count))] if begin < count else []
    parts.append(slice(max(begin - count, 0), max(begin + stop - start - count, 0)))
    partner_BD = np.concatenate([embeddings.text(part) for part in parts])
    rows = slice(start, stop)
    image_BD, text_BD, partner_BD = placed((embeddings.image(rows), embeddings.text(rows), partner_BD), device)
    return fetched(PairStats.of(image_BD, text_BD, partner_BD, first=start, exact=count <= EXACT_VALUES))


def _counts_of(  # noqa: PLR0917 (tasks are called by position)
    embeddings: EmbeddingSet, positions_M: Array, best: tuple[Array, Array] | None, start: int, stop: int, analysis: AnalysisConfig
) -> tuple[Array, Array]:
    image_BD, text_BD = read_pairs(embeddings, positions_M[start:stop], analysis.block_rows)
    true_B = best[0][start:stop] if best else retrieval.true_cosines(image_BD, text_BD, start)
    from_image_B, from_texts = np.zeros(stop - start, dtype=np.int64), []
    for columns in row_blocks(len(positions_M), analysis.block_rows):
        image_CD, text_CD = read_pairs(embeddings, positions_M[columns], analysis.block_rows)
        true_C = best[1][columns] if best else retrieval.true_cosines(image_CD, text_CD, columns.start)
        from_block_B, from_text_C = retrieval.tile_counts(image_BD, true_B, text_CD, true_C, analysis.retrieval.tile)
        from_image_B += from_block_B
        from_texts.append(from_text_C)
        report_progress(columns.stop, len(positions_M), "rows compared")
    return from_image_B, np.concatenate(from_texts)


def _separate_of(
    embeddings: EmbeddingSet, others: dict[str, EmbeddingSet], analysis: AnalysisConfig
) -> tuple[dict[str, Any], dict[str, Array]]:
    most, rows = analysis.separability.max_pairs, analysis.block_rows
    positions_M = evenly_spaced(len(embeddings), most)
    image_MD, text_MD = read_pairs(embeddings, positions_M, rows)
    elsewhere = {name: read_pairs(other, evenly_spaced(len(other), most), rows) for name, other in others.items()}
    metrics = separability.metrics(image_MD, text_MD, elsewhere, analysis.separability.c)
    image_M2, text_M2, _ = separability.principal_plane(unit_rows(image_MD), unit_rows(text_MD))
    shown = evenly_spaced(len(positions_M), PCA_POINTS)
    planes = {"image": image_M2[shown], "text": text_M2[shown]}
    return metrics, {"row": positions_M[shown], **{f"{name}_pc{k + 1}": x[:, k] for name, x in planes.items() for k in (0, 1)}}
