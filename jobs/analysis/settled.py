"""Settings that depend on the number of pairs, settled once; and whether the rows of a stored analysis are all there."""

from dataclasses import replace
from typing import Any

from tda.config.analysis import AnalysisConfig, ClustersConfig, UmapConfig
from tda.geometry.clusters.density import FAST_DIM, MATRIX_ROWS, SAMPLE_ROWS
from tda.geometry.parts.clusters import SMALLEST, smallest_by_rows
from tda.geometry.sphere.umap import sphere_radius
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.placed import FOLDER, standing
from tda.store.files import join

ALL_UP_TO = 1_000_000  # pairs whose rows are all placed by default


def settled(analysis: AnalysisConfig, pairs: int) -> AnalysisConfig:
    """The settings for so many pairs. `rows` is "all" where rows outside the fit are placed, else "sample"; "auto" chooses."""
    fitted = min(pairs, analysis.umap.max_pairs)
    everything = analysis.rows == "all" or (analysis.rows == "auto" and pairs <= ALL_UP_TO)
    rows = "all" if everything and fitted < pairs else "sample"
    return replace(analysis, rows=rows, umap=_umap(analysis.umap, 2 * fitted), clusters=_clusters(analysis, pairs))


def _umap(umap: UmapConfig, rows: int) -> UmapConfig:
    """With the radius for so many rows, where it is not 1."""
    chosen = sphere_radius(rows) if umap.output == "sphere" and umap.radius is None else 1.0
    return replace(umap, radius=chosen) if chosen > 1 else umap


def _clusters(analysis: AnalysisConfig, pairs: int) -> ClustersConfig:
    """With the smallest cluster for the rows that are fitted: its value is part of what the clusters are known by."""
    config = analysis.clusters
    if config.min_cluster_size is not None:
        return config
    wide = SAMPLE_ROWS if config.space == "layout" or (config.space == "pca" and config.components <= FAST_DIM) else MATRIX_ROWS
    labelled = analysis.umap.max_pairs if config.space == "layout" else config.max_pairs
    size = smallest_by_rows(min(2 * min(pairs, labelled), config.sample or wide))
    return replace(config, min_cluster_size=size, min_samples=config.min_samples or (SMALLEST if size > SMALLEST else None))


def with_its_rows(found: dict[str, Any], url: str, embeddings: EmbeddingSet) -> dict[str, Any]:
    """The standing parts of the metrics.json at `url`, without placement where files of its shards are missing or of another fit."""
    rows = found.get("rows") or {}
    if "placement" not in found["part_hashes"] or (rows["scope"] == "sample" and rows["pairs"] < len(embeddings)):
        return found
    records = standing(join(url.rpartition("/")[0], FOLDER), embeddings, rows["fit"])
    if len(records) == len(embeddings.shards):
        return found
    return {**found, "part_hashes": {name: own for name, own in found["part_hashes"].items() if name != "placement"}}
