"""The part gap_measures as Ray tasks: exact measures from the moments of all rows, the others on a sample of pairs.

M pairs in use.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.analysis.pairs import pair_stats
from jobs.analysis.part import Found, Measuring
from jobs.runtime.tasks import result, start
from tda.config.analysis import AnalysisConfig
from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.arrays.rows import sample_rows
from tda.geometry.compare import compare
from tda.geometry.modalities import between, gap_measures, hubness, two_sample
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import Array, read_pairs

if TYPE_CHECKING:
    from tda.geometry.parts.pair_stats import PairStats

LEAST = 16  # pairs: halves of fewer have no shape to compare


def start_gap_measures(run: Measuring) -> Any:
    """Reference of the measures on a sample of pairs."""
    return start(_sampled_of, run.subject.embeddings, run.subject.analysis, cluster=run.cluster)


def finish_gap_measures(run: Measuring, pending: Any) -> Found:
    """The part gap_measures."""
    embeddings, analysis = run.subject.embeddings, run.subject.analysis
    stats: PairStats = run.once("pair_stats", lambda: pair_stats(embeddings, analysis, run.cluster))
    exact = gap_measures.metrics(stats.image, stats.text, stats.pair.mean, embeddings.dtype)
    return {"gap_measures": exact | result(pending)}, {}


def _sampled_of(embeddings: EmbeddingSet, analysis: AnalysisConfig) -> dict[str, Any]:
    """The measures on pairs drawn by the seed; a note instead where there are too few."""
    config = analysis.gap_measures
    positions_M = sample_rows(len(embeddings), config.sample, analysis.seed)
    if len(positions_M) < LEAST:
        return {
            "pairs_used": len(positions_M),
            "sampled": None,
            "notes": [f"{len(positions_M)} pairs are too few for measures on a sample"],
        }
    image_MD, text_MD = read_pairs(embeddings, positions_M, analysis.block_rows)
    found = sampled(image_MD, text_MD, min(config.k, len(positions_M) // 2 - 1), config.draws, analysis.seed)
    return {"pairs_used": len(positions_M), "sampled": found, "notes": []}


def sampled(image_MD: Array, text_MD: Array, k: int, draws: int, seed: int) -> dict[str, Any]:
    """Every measure on these pairs."""
    cosine_MM = np.asarray(unit_rows(image_MD, "image") @ unit_rows(text_MD, "text").T)
    likeness = compare(image_MD, text_MD, k=k, sample=len(image_MD), draws=2, seed=seed)
    return {
        "pair_difference": between.differences(image_MD, text_MD),
        "mmd": two_sample.mmd(image_MD, text_MD, draws=draws, seed=seed).metrics(),
        "own_modality": two_sample.own_modality(image_MD, text_MD, k, draws=draws, seed=seed).metrics(),
        "hubness": {"image_to_text": hubness.metrics(cosine_MM, k), "text_to_image": hubness.metrics(cosine_MM.T, k)},
        "mutual_knn": likeness.mutual_knn.value,
        "cka_debiased": likeness.cka_debiased.value,
        "cross_barcode": likeness.cross_barcode.value,
        "information_imbalance": between.information_imbalance(image_MD, text_MD),
        "dimension_correlation": between.dimension_correlation(image_MD, text_MD, seed=seed),
        "procrustes": between.procrustes(image_MD, text_MD, seed=seed),
    }
