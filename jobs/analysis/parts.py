"""The parts of an analysis: what each rests on, which files and keys are its own, and the hash by which it is known again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tda.config import PARTS, AnalysisConfig

# part -> its Parquet files
TABLES = {
    "cosine": ["cosine"],
    "separability": ["pca"],
    "retrieval": ["ranks"],
    "spectrum": ["spectra"],
    "umap": ["layout"],
    "clusters": ["clusters"],
    "local_dimension": ["cluster_spectra"],
    "homology": ["betti", "persistence"],
}
KEYS = {"local_dimension": ["per_cluster", "local_dimension"]}  # part -> its keys of metrics.json, where they are not its name
SEEDED = ("umap", "clusters", "local_dimension", "dimension", "homology")
NO_NUMBER = {"retrieval": ["tile"], "umap": ["knn_k"]}  # settings that change the cost alone
RANDOMIZED_ONLY = ("rank", "oversample", "power")


def keys(part: str) -> list[str]:
    """The keys of metrics.json that a part fills."""
    return KEYS.get(part, [part])


def rests_on(part: str, analysis: AnalysisConfig) -> list[str]:
    """The parts whose results a part is made of."""
    on_layout = ["umap"] if analysis.clusters.space == "layout" else []
    return {"mixing": ["umap"], "clusters": on_layout, "local_dimension": ["clusters", "retrieval"]}.get(part, [])


def with_needed(parts: Sequence[str], analysis: AnalysisConfig) -> list[str]:
    """The parts, and those that they rest on, in the order of `PARTS`."""
    wanted = set(parts)
    for part in reversed(PARTS):  # what a part rests on stands before it, but for retrieval, which rests on nothing
        if part in wanted:
            wanted |= set(rests_on(part, analysis))
    return [part for part in PARTS if part in wanted]


def part_hashes(rows: Mapping[str, Any], dataset: str, analysis: AnalysisConfig) -> dict[str, str]:
    """Hash of what changes the numbers of each part: rows measured and transferred to, its settings, and what it rests on.

    `rows`: data set -> what its rows are known by; `dataset` is the one that is measured.
    """
    hashes: dict[str, str] = {}
    for part in PARTS:
        names = sorted({dataset, *(analysis.separability.transfer if part == "separability" else [])})
        content = {
            "part": part,
            "dataset": dataset,
            "rows": {name: rows[name] for name in names},
            "settings": _settings(part, analysis),
            "rests_on": [hashes[other] for other in rests_on(part, analysis)],
        }
        hashes[part] = digest(content)
    return hashes


def digest(content: Any) -> str:
    """SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _settings(part: str, analysis: AnalysisConfig) -> dict[str, Any]:
    """Settings that change a number; not where it is computed, nor how many rows are held at once."""
    whole = asdict(analysis)
    settings = {name: value for name, value in whole.get(part, {}).items() if name not in NO_NUMBER.get(part, ())}
    seeded = part in SEEDED
    if part == "spectrum":
        seeded = settings["method"] == "randomized"
        settings = {name: value for name, value in settings.items() if seeded or name not in RANDOMIZED_ONLY}
    if part in ("umap", "local_dimension"):
        settings["shared"] = whole["mixing"]["k"] if part == "umap" else whole["spectrum"]["collapse_threshold"]
    return settings | ({"seed": analysis.seed} if seeded else {})
