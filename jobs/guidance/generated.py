"""Images that guided models have generated elsewhere, embedded like any data set: the JSON beside each says what it was made from.

P prompts, S strengths, n images of each prompt, arm and strength.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.guidance.guided import Guided
from tda.config.diversity import DiversityConfig
from tda.errors import UserError
from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.diversity.scores import MEASURES, drawn_scores
from tda.store.commit.records import iter_records
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import read_pairs, shared_positions
from tda.store.paths import RootPaths
from tda.store.shards.side_files import side_files

READ_ROWS = 65_536
FIELDS = ("prompt", "arm", "strength", "seed")


@dataclass(frozen=True)
class Sample:
    """What the JSON beside a generated image says of it."""

    prompt: str
    arm: str
    strength: float
    seed: int


Groups = dict[tuple[str, str, float], dict[int, int]]  # prompt, arm and strength -> seed -> place among the shared rows


def generated(root: str, dataset: str, config: DiversityConfig) -> Guided:
    """Fidelity and measures of every prompt that all arms have at all their strengths, on equally many images of each.

    Raises UserError for encoders that are not named or not independent, and where too little is complete.
    """
    measure, other = _encoders(config)
    sets = [EmbeddingSet(root, dataset, name) for name in (measure, other)]
    positions = shared_positions(sets, np.arange(len(sets[0])))
    groups, unlabelled = _grouped(_labels(root, dataset, measure), sets[0], positions[0])
    strengths = _strengths(groups, dataset)
    prompts, count = _complete(groups, strengths, dataset)
    image_MD, _ = read_pairs(sets[0], positions[0], READ_ROWS)
    picture_MD, text_MD = read_pairs(sets[1], positions[1], READ_ROWS)
    image_MD, picture_MD, text_MD = (unit_rows(one) for one in (image_MD, picture_MD, text_MD))
    shape = (len(strengths), len(prompts), len(next(iter(strengths.values()))))
    fidelity_APS, measures = np.empty(shape), {name: np.empty(shape) for name in MEASURES}
    for (a, arm), (p, prompt) in ((one, two) for one in enumerate(strengths) for two in enumerate(prompts)):
        for s, strength in enumerate(strengths[arm]):
            rows = [place for _, place in sorted(groups[prompt, arm, strength].items())][:count]
            fidelity_APS[a, p, s] = float((picture_MD[rows] * text_MD[rows]).sum(axis=1).mean())
            for name, value in drawn_scores(image_MD[rows], config.near).items():
                measures[name][a, p, s] = value
    left = len({prompt for prompt, _, _ in groups}) - len(prompts)
    notes = [f"{left} prompts lack an arm or a strength, and are left out"] * (left > 0)
    notes += [f"{unlabelled} images have no JSON with {', '.join(FIELDS)}, and are left out"] * (unlabelled > 0)
    first = [next(iter(groups[prompt, next(iter(strengths)), strengths[next(iter(strengths))][0]].values())) for prompt in prompts]
    return Guided(
        kind="generated",
        arms=tuple(strengths),
        strength_AS=np.array(list(strengths.values())),
        fidelity_APS=fidelity_APS,
        measures=measures,
        prompt_rows_PD=text_MD[first],
        place_AP=np.stack([_places(root, config, arm, prompts) for arm in strengths]),
        guides=dict(config.guides or {}),
        dataset=config.prompt_dataset or "",
        images=count,
        notes=tuple(notes),
    )


def _encoders(config: DiversityConfig) -> tuple[str, str]:
    measure, other = config.measure, config.fidelity
    if not measure or not other:
        raise UserError("diversity.measure and diversity.fidelity are missing: name two encoders of the generated images")
    for name in (measure, other):
        if name in (config.guides or {}).values():
            raise UserError(f"{name} is a guide: images that it has guided cannot be judged in its own space; name another encoder")
    if measure == other:
        raise UserError(f"diversity.measure and diversity.fidelity are both {measure}: one space cannot judge both; name two")
    return measure, other


def _labels(root: str, dataset: str, encoder: str) -> Iterator[tuple[str, dict[str, Sample]]]:
    """Each shard with what its tar says of its images, by key."""
    for record in iter_records(RootPaths(root), dataset, encoder):
        url = str(record.source.get("path", ""))
        if not url.partition("?")[0].endswith(".tar"):
            raise UserError(f"{dataset} was made from {url}: generated images are read from tars with a JSON beside each")
        yield record.shard, {key: one for key, content in side_files(url).items() if (one := sample_of(content)) is not None}


def sample_of(content: Mapping[str, Any]) -> Sample | None:
    """What a JSON says of its image; None where it says not enough."""
    prompt, arm, strength, seed = (content.get(name) for name in FIELDS)
    if not isinstance(prompt, str) or not prompt or not isinstance(arm, str) or not arm:
        return None
    numbers = [value for value in (strength, seed) if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < 2 or not math.isfinite(numbers[0]) or not math.isfinite(numbers[1]):
        return None
    return Sample(prompt, arm, float(numbers[0]), int(numbers[1]))


def _grouped(labels: Iterator[tuple[str, dict[str, Sample]]], embeddings: EmbeddingSet, positions_M: Any) -> tuple[Groups, int]:
    """Places of the images by prompt, arm and strength, of each seed the first; and how many have no label."""
    by_shard = dict(labels)
    groups: Groups = defaultdict(dict)
    table = embeddings.table(["shard", "key"]).take(positions_M)
    unlabelled = 0
    for place, (shard, key) in enumerate(zip(table["shard"].to_pylist(), table["key"].to_pylist(), strict=True)):
        one = by_shard.get(str(shard), {}).get(str(key))
        if one is None:
            unlabelled += 1
        else:
            groups[one.prompt, one.arm, one.strength].setdefault(one.seed, place)
    return groups, unlabelled


def _strengths(groups: Groups, dataset: str) -> dict[str, list[float]]:
    """The strengths of each arm, ascending: those that most of its prompts have."""
    prompts, seen = Counter[tuple[str, float]](), dict[str, set[str]]()
    for prompt, arm, strength in groups:
        prompts[arm, strength] += 1
        seen.setdefault(arm, set()).add(prompt)
    found = {arm: sorted(one for (own, one), count in prompts.items() if own == arm and count > len(seen[arm]) / 2) for arm in sorted(seen)}
    if len(found) < 2:
        raise UserError(
            f"{dataset} holds images of {len(found)} arms: two guides or more are compared; each JSON names {', '.join(FIELDS)}"
        )
    if len({len(one) for one in found.values()}) > 1 or any(len(one) < 2 for one in found.values()):
        counts = ", ".join(f"{arm} {len(one)}" for arm, one in found.items())
        raise UserError(f"arms of {dataset} have different numbers of strengths, or fewer than two ({counts}): give each as many")
    return found


def _complete(groups: Groups, strengths: dict[str, list[float]], dataset: str) -> tuple[list[str], int]:
    """Prompts with two images or more everywhere, and how many all of them have."""
    sizes: dict[str, int] = {}
    for prompt in dict.fromkeys(prompt for prompt, _, _ in groups):
        sizes[prompt] = min(len(groups.get((prompt, arm, one), ())) for arm, own in strengths.items() for one in own)
    whole = {prompt: size for prompt, size in sizes.items() if size >= 2}
    if not whole:
        raise UserError(f"no prompt of {dataset} has two images or more of every arm at every strength")
    return list(whole), min(whole.values())


def _places(root: str, config: DiversityConfig, arm: str, prompts: list[str]) -> Any:
    """The row of each prompt among the captions of `diversity.prompt_dataset`, -1 where it is none."""
    guide = (config.guides or {}).get(arm)
    if not config.prompt_dataset or guide is None:
        return np.full(len(prompts), -1)
    captions = EmbeddingSet(root, config.prompt_dataset, guide).table(["caption"])["caption"].to_pylist()
    place = {caption: row for row, caption in reversed(list(enumerate(captions)))}
    return np.array([place.get(prompt, -1) for prompt in prompts])
