"""What guided images say of the paper's conjectures: the content of `diversity.json`, as plain values.

A arms, P prompts, S strengths, L levels of fidelity.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from jobs.guidance.clusters import Local
from jobs.guidance.guided import Guided
from tda.config.diversity import DiversityConfig
from tda.errors import UserError
from tda.geometry.diversity import local as first
from tda.geometry.diversity import two_arms as second
from tda.geometry.diversity.matching import Matched, levels, matched
from tda.geometry.diversity.prompts import prompt_clusters

DECISIVE = ("distance", "vendi")  # diversity, and the number of distinct images: its lack is mode collapse
LocalOf = Callable[[str, Any], Local]  # an arm and its diversity (P,) at matched fidelity -> its clusters


def found_of(guided: Guided, config: DiversityConfig, roles: tuple[str | None, str | None], local_of: LocalOf) -> dict[str, Any]:
    """Curves over strength, the values at matched fidelity, and both conjectures with their verdicts and reasons."""
    cluster_P = prompt_clusters(guided.prompt_rows_PD, config.seed)
    base = {
        "kind": guided.kind,
        "arms": list(guided.arms),
        "prompts": len(cluster_P),
        "prompt_clusters": int(cluster_P.max()) + 1,
        "images": guided.images,
        "curves": {arm: _curve(guided, number) for number, arm in enumerate(guided.arms)},
        "notes": list(guided.notes),
    }
    try:
        level_L = levels(guided.fidelity_APS, config.levels)
        at = matched(guided.fidelity_APS, guided.measures, guided.strength_AS, level_L)
    except UserError as error:
        refused = {"verdict": "undecidable", "reason": str(error)}
        return base | {"levels": [], "matched": {}, "conjecture_1": {**refused, "arms": {}}, "conjecture_2": {**refused, "differences": {}}}
    return base | {
        "levels": level_L.tolist(),
        "matched": {arm: _matched(at, number) for number, arm in enumerate(guided.arms)},
        "conjecture_1": conjecture_1(guided, at, config, local_of, roles),
        "conjecture_2": conjecture_2(guided, at, config, cluster_P, roles),
    }


def _curve(guided: Guided, arm: int) -> dict[str, Any]:
    means = {name: values[arm].mean(axis=0).tolist() for name, values in guided.measures.items()}
    return {"strength": guided.strength_AS[arm].tolist(), "fidelity": guided.fidelity_APS[arm].mean(axis=0).tolist(), **means}


def _matched(at: Matched, arm: int) -> dict[str, Any]:
    return {"strength": at.strength_AL[arm].tolist()} | {name: one[arm].mean(axis=0).tolist() for name, one in at.measure_APL.items()}


def conjecture_2(
    guided: Guided, at: Matched, config: DiversityConfig, cluster_P: Any, roles: tuple[str | None, str | None]
) -> dict[str, Any]:
    """Whether images of the arm in CLOOB's role are more diverse than those of the arm in CLIP's."""
    clip, cloob = roles
    base: dict[str, Any] = {"clip": clip, "cloob": cloob, "differences": {}, "reason": ""}
    if clip is None or cloob is None:
        return base | {
            "verdict": "undecidable",
            "reason": "no arm is named as CLIP, or none as CLOOB: diversity.clip=ARM diversity.cloob=ARM",
        }
    one, two = (guided.arms.index(arm) for arm in (clip, cloob))
    try:
        differences = {
            name: second.difference(values[one], values[two], cluster_P, draws=config.draws, seed=config.seed)
            for name, values in at.measure_APL.items()
        }
    except UserError as error:
        return base | {"verdict": "undecidable", "reason": str(error)}
    return base | {"differences": differences, "verdict": second.verdict({name: differences[name] for name in DECISIVE})}


def conjecture_1(
    guided: Guided, at: Matched, config: DiversityConfig, local_of: LocalOf, roles: tuple[str | None, str | None]
) -> dict[str, Any]:
    """Whether images are more diverse where the cluster of their prompt has more dimensions, in the guides of both roles, else in all."""
    arms: dict[str, first.Partial] = {}
    for number, arm in enumerate(guided.arms):
        if None not in roles and arm not in roles:
            continue
        try:
            one = local_of(arm, at.measure_APL["distance"][number].mean(axis=1))
            arms[arm] = first.partial_spearman(
                one.dimension_C, one.diversity_C, one.given_C4, draws=config.draws, detectable=config.detectable, seed=config.seed
            )
        except UserError as error:
            return {"verdict": "refused", "reason": f"{arm}: {error}", "arms": {}, "detectable": config.detectable}
    verdict = first.verdict(arms, config.detectable)
    weak = min(arms.items(), key=lambda item: item[1].power)
    reason = (
        f"{weak[1].clusters} clusters of {weak[0]} hold prompts: a correlation of {config.detectable:g} would be found in "
        f"{weak[1].power:.0%} of cases, 80 % are asked for"
        if verdict == "refused"
        else ""
    )
    plain = {arm: asdict(one) | {"ci95": list(one.ci95)} for arm, one in arms.items()}
    return {"verdict": verdict, "reason": reason, "arms": plain, "detectable": config.detectable}
