"""Clusters of a guide's space, as Conjecture 1 takes them: the dimension of their texts, and what else could explain diversity in them.

C clusters that hold prompts, L levels, P prompts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.columns import Columns
from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.diversity.local import rarefied_rank
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import read_pairs, seeded

MOST_ROWS = 500  # of a cluster, drawn from a larger one
READ_ROWS = 65_536


@dataclass(frozen=True)
class Local:
    """`dimension_C`, `diversity_C` and the covariates (C, 4): size, words of a caption, log of the spread, share of the larger modality."""

    dimension_C: Any
    diversity_C: Any
    given_C4: Any


def local(embeddings: EmbeddingSet, labels: Columns, place_P: Any, diversity_P: Any, *, rows: int, seed: int) -> Local:
    """The clusters with at least `rows` texts and a prompt among these. `place_P`: the prompts' rows in the set, -1 for none."""
    label = {name: {int(row): int(one) for row, one in zip(*_of(labels, name), strict=True) if one >= 0} for name in ("image", "text")}
    texts: dict[int, list[int]] = {}
    for row, one in sorted(label["text"].items()):
        texts.setdefault(one, []).append(row)
    images = np.bincount(list(label["image"].values()) or [0], minlength=max(texts, default=0) + 1)
    prompts: dict[int, list[float]] = {}
    for row, value in zip(place_P, diversity_P, strict=True):
        if int(row) in label["text"]:
            prompts.setdefault(label["text"][int(row)], []).append(float(value))
    chosen = [one for one in sorted(prompts) if len(texts[one]) >= rows]
    captions = embeddings.table(["caption"])["caption"]
    found = [_cluster(embeddings, texts[one], int(images[one]), captions, rows=rows, seed=seed) for one in chosen]
    return Local(
        np.array([dimension for dimension, _ in found]),
        np.array([np.mean(prompts[one]) for one in chosen]),
        np.array([given for _, given in found]).reshape(-1, 4),
    )


def _of(labels: Columns, modality: str) -> tuple[Any, Any]:
    own_N = np.asarray(labels["modality"]).astype(str) == modality
    return np.asarray(labels["row"])[own_N], np.asarray(labels["label"])[own_N]


def _cluster(embeddings: EmbeddingSet, texts: list[int], images: int, captions: Any, *, rows: int, seed: int) -> tuple[float, list[float]]:
    used = np.asarray(texts) if len(texts) <= MOST_ROWS else np.asarray(texts)[seeded(len(texts), MOST_ROWS, seed)]
    _, text_ND = read_pairs(embeddings, used, READ_ROWS)
    text_ND = unit_rows(text_ND, "text")
    words = float(np.mean([len(str(captions[int(row)].as_py()).split()) for row in used]))
    spread = float(np.log(max(float(text_ND.var(axis=0).sum()), 1e-12)))
    size = len(texts) + images
    return rarefied_rank(text_ND, rows, seed=seed), [float(np.log(size)), words, spread, max(len(texts), images) / size]
