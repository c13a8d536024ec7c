"""The part interventions as one Ray task, on a sample of pairs.

M pairs in use.
"""

from typing import Any

from jobs.analysis.part import Found, Measuring
from jobs.runtime.tasks import result, start
from tda.config.analysis import AnalysisConfig
from tda.geometry.arrays.rows import sample_rows
from tda.geometry.modalities.interventions import LEAST, interventions
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import read_pairs


def start_interventions(run: Measuring) -> Any:
    """Reference of the part."""
    return start(_changed_of, run.subject.embeddings, run.subject.analysis, cluster=run.cluster)


def finish_interventions(_: Measuring, pending: Any) -> Found:
    """The part interventions."""
    return {"interventions": result(pending)}, {}


def _changed_of(embeddings: EmbeddingSet, analysis: AnalysisConfig) -> dict[str, Any]:
    """Pairs drawn by the seed; a note instead of points where there are too few."""
    config = analysis.interventions
    positions_M = sample_rows(len(embeddings), config.sample, analysis.seed)
    if len(positions_M) < LEAST:
        return {"fit_pairs": 0, "pairs": 0, "points": [], "notes": [f"{len(positions_M)} pairs are too few for interventions"]}
    image_MD, text_MD = read_pairs(embeddings, positions_M, analysis.block_rows)
    return interventions(image_MD, text_MD, shifts=config.shifts, dropped=config.dropped, draws=config.draws, seed=analysis.seed)
