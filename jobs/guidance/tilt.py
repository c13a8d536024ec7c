"""Guidance in a drawn world, exactly: the pool is its scenes, p_i ~ exp(s cos(f(scene_i), g(caption))), features are their true facts.

M scenes of the pool, P prompts, S strengths, F facts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jobs.guidance.guided import Guided
from jobs.runtime.tasks import ordered
from tda.config.cluster import ClusterConfig
from tda.config.datasets import ToyConfig
from tda.config.diversity import DiversityConfig
from tda.errors import UserError
from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.diversity.scores import MEASURES, pool_scores, tilted
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import read_pairs, seeded, shared_positions
from tda.toyattributes import fidelity, said_rows, scene_rows, scenes_at

READ_ROWS = 65_536
MOST_SCENES = 20_000  # of the pool: near copies take the square of it
HALVINGS = 40


def tilt(sets: dict[str, EmbeddingSet], dataset: str, toy: ToyConfig, config: DiversityConfig, cluster: ClusterConfig) -> Guided:
    """Every arm at strengths of equal mean fidelity, a Ray task an arm. Raises UserError where the arms share too few scenes."""
    import ray

    first = next(iter(sets.values()))
    positions = _shared(sets, dataset, config)
    count = len(positions[0])
    prompt_P = seeded(count, min(config.prompts, count), config.seed)
    captions, scenes = _world(first, positions[0], toy)
    said = [captions[place] for place in prompt_P]
    fidelity_PM = fidelity(said, scenes, toy.style)
    cosines = [_cosines(one, place_M, prompt_P) for one, place_M in zip(sets.values(), positions, strict=True)]
    strength_AS = equal_strengths(cosines, fidelity_PM, config)
    shared = ray.put((scene_rows(scenes, toy.style), fidelity_PM))
    calls = [(cosine_PM, shared, strength_S, config.near) for cosine_PM, strength_S in zip(cosines, strength_AS, strict=True)]
    found = list(ordered(tilted_scores, calls, cluster, whole=len(calls)))
    return Guided(
        kind="tilt",
        arms=tuple(sets),
        strength_AS=strength_AS,
        fidelity_APS=np.stack([one["fidelity"] for one in found]),
        measures={name: np.stack([one[name] for one in found]) for name in MEASURES},
        prompt_rows_PD=said_rows(said, toy.style),
        place_AP=np.stack([place_M[prompt_P] for place_M in positions]),
        guides={name: name for name in sets},
        dataset=dataset,
        images=count,
    )


def equal_strengths(cosines: Sequence[Any], fidelity_PM: Any, config: DiversityConfig) -> Any:
    """For each arm the strengths (S,) at which its mean fidelity is the same as the others', from the weakest to the strongest.

    The fidelities are the levels that are compared and both ends of the range that all arms reach, so that nothing is interpolated.
    Arms that have no fidelity in common get the same strengths, evenly: then nothing can be matched.
    """
    ends_A2 = [[_mean(cosine_PM, fidelity_PM, strength) for strength in (config.weakest, config.strongest)] for cosine_PM in cosines]
    low, high = max(one[0] for one in ends_A2), min(one[1] for one in ends_A2)
    if not high > low:
        return np.tile(np.linspace(config.weakest, config.strongest, config.levels + 2), (len(cosines), 1))
    wanted = np.linspace(low, high, config.levels + 2)
    return np.array([[_solved(cosine_PM, fidelity_PM, float(one), config) for one in wanted] for cosine_PM in cosines])


def _solved(cosine_PM: Any, fidelity_PM: Any, wanted: float, config: DiversityConfig) -> float:
    """The strength of this mean fidelity, by halving."""
    low, high = config.weakest, config.strongest
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _mean(cosine_PM, fidelity_PM, middle) < wanted else (low, middle)
    return (low + high) / 2


def _mean(cosine_PM: Any, fidelity_PM: Any, strength: float) -> float:
    return float((tilted(cosine_PM, strength) * fidelity_PM).sum(axis=1).mean())


def _shared(sets: dict[str, EmbeddingSet], dataset: str, config: DiversityConfig) -> list[Any]:
    """The places of the pool's scenes in each set."""
    positions = shared_positions(list(sets.values()), np.arange(len(next(iter(sets.values())))))
    count = len(positions[0])
    if count < 2:
        raise UserError(f"{count} scenes of {dataset} are embedded by every arm: at least 2 are needed")
    if count <= MOST_SCENES:
        return positions
    chosen = seeded(count, MOST_SCENES, config.seed)
    return [place_M[chosen] for place_M in positions]


def _world(embeddings: EmbeddingSet, positions_M: Any, toy: ToyConfig) -> tuple[list[str], list[Any]]:
    table = embeddings.table(["shard", "ordinal", "caption"]).take(positions_M)
    places = list(zip(table["shard"].to_pylist(), table["ordinal"].to_pylist(), strict=True))
    return table["caption"].to_pylist(), scenes_at(toy, places)


def _cosines(embeddings: EmbeddingSet, positions_M: Any, prompt_P: Any) -> Any:
    image_MD, text_MD = read_pairs(embeddings, positions_M, READ_ROWS)
    return np.asarray(unit_rows(text_MD[prompt_P], "text") @ unit_rows(image_MD, "image").T)


def tilted_scores(cosine_PM: Any, shared: tuple[Any, Any], strength_S: Any, near: float) -> dict[str, Any]:
    """Fidelity and measures of one arm, (P, S) each."""
    from threadpoolctl import threadpool_limits

    scene_MF, fidelity_PM = shared
    found: dict[str, list[Any]] = {name: [] for name in ("fidelity", *MEASURES)}
    with threadpool_limits(1):
        for strength in strength_S:
            weight_PM = tilted(cosine_PM, float(strength))
            found["fidelity"].append((weight_PM * fidelity_PM).sum(axis=1))
            for name, value_P in pool_scores(scene_MF, weight_PM, near).items():
                found[name].append(value_P)
    return {name: np.stack(columns, axis=1) for name, columns in found.items()}
