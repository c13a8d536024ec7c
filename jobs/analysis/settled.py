"""Settings that depend on the number of pairs, settled once; and whether the rows of a stored analysis are all there."""

from dataclasses import replace
from typing import Any

from tda.config.analysis import AnalysisConfig
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.placed import FOLDER, standing
from tda.store.files import join

ALL_UP_TO = 1_000_000  # pairs whose rows are all placed by default


def settled(analysis: AnalysisConfig, pairs: int) -> AnalysisConfig:
    """The settings for so many pairs. `rows` is "all" where rows outside the fit are placed, else "sample"; "auto" chooses."""
    fitted = min(pairs, analysis.umap.max_pairs)
    everything = analysis.rows == "all" or (analysis.rows == "auto" and pairs <= ALL_UP_TO)
    return replace(analysis, rows="all" if everything and fitted < pairs else "sample")


def with_its_rows(found: dict[str, Any], url: str, embeddings: EmbeddingSet) -> dict[str, Any]:
    """The standing parts of the metrics.json at `url`, without placement where files of its shards are missing or of another fit."""
    rows = found.get("rows") or {}
    if "placement" not in found["part_hashes"] or (rows["scope"] == "sample" and rows["pairs"] < len(embeddings)):
        return found
    records = standing(join(url.rpartition("/")[0], FOLDER), embeddings, rows["fit"])
    if len(records) == len(embeddings.shards):
        return found
    return {**found, "part_hashes": {name: own for name, own in found["part_hashes"].items() if name != "placement"}}
