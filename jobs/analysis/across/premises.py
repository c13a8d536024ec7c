"""What Prediction 1 presumes: pairs that lie nearer in CLIP, and better retrieval within a modality in CLOOB.

M pairs that both models hold.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tda.config.analysis import AnalysisConfig
from tda.geometry.arrays.equal_rows import first_equal
from tda.geometry.within_modality import paired_difference, within_modality
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import Array, read_pairs

MOST_PAIRS = 10_000  # nearest rows cost the square of their number


def premises_of(
    sets: Sequence[EmbeddingSet], places: Sequence[Array], metrics: Sequence[Mapping[str, Any]], analysis: AnalysisConfig
) -> dict[str, Any]:
    """`pair_distance` of CLIP and of CLOOB, None where it was not measured, and `within`: CLIP's retrieval within texts, and images.

    Texts of equal images are of one group, and images of equal texts. `within` is {} where no image and no text repeats.
    """
    distance = [(one.get("alignment") or {}).get("mean_squared_distance") for one in metrics]
    return {"pair_distance": {"clip": distance[0], "cloob": distance[1]}, "within": _within(sets, places, analysis)}


def _within(sets: Sequence[EmbeddingSet], places: Sequence[Array], analysis: AnalysisConfig) -> dict[str, Any]:
    if len(places[0]) > MOST_PAIRS:
        return {}
    rows = [read_pairs(one, at_M, analysis.block_rows) for one, at_M in zip(sets, places, strict=True)]
    found = {}
    for name, grouped_by, place in (("text", 0, 1), ("image", 1, 0)):
        group_M = first_equal(rows[0][grouped_by] + 0)
        hits = [within_modality(pair[place], group_M) for pair in rows]
        found[name] = paired_difference(hits[0], hits[1], group_M)
    return {name: one for name, one in found.items() if one is not None}
