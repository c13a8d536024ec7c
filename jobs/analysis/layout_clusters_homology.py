"""Layout, clusters, intrinsic dimension and homology as Ray tasks, all started at once; each reads its rows.

M pairs in use, N = 2M stacked rows, D dimensions, C coordinates of the space that is clustered, S rows of a sample.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jobs.analysis.graph_cache import stored_graph
from jobs.runtime.devices import placed
from jobs.runtime.tasks import ordered, result, start
from tda.columns import Columns
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.geometry.arrays.equal_rows import value_hashes
from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.arrays.rows import to_host
from tda.geometry.clusters.assign import NOISE, Assigner
from tda.geometry.clusters.density import Clustering, default_sample
from tda.geometry.neighbors.graph import Knn
from tda.geometry.parts import clusters as cluster_part
from tda.geometry.parts import dimension_homology as intrinsic_part
from tda.geometry.parts import layout as layout_part
from tda.geometry.parts.clusters import Principal, Raw
from tda.geometry.parts.placement import Labelled
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import Array, evenly_spaced, read_pairs, read_stacked


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is measured: the set, the settings, and where its neighbour graph is stored under which hash of its rows."""

    embeddings: EmbeddingSet
    analysis: AnalysisConfig
    folder: str
    rows_hash: str
    results: str = ""  # where its results stand

    def stacked(self) -> tuple[Array, Array]:
        """Positions (M,) of the pairs that are laid out, and their rows (N, D)."""
        positions_M = evenly_spaced(len(self.embeddings), self.analysis.umap.max_pairs)
        return positions_M, read_stacked(self.embeddings, positions_M, self.analysis.block_rows)

    def graph(self, x_ND: Array) -> Knn:
        k, analysis = layout_part.neighbours_wanted(len(x_ND), self.analysis), self.analysis
        return stored_graph(self.folder, self.rows_hash, x_ND, k, seed=analysis.seed, device=analysis.device)


def sampled_space(subject: Subject) -> tuple[Array, Array, Raw | Principal, Array]:
    """Positions of the labelled pairs, which of them are fitted, the space that is clustered, and the fitted rows in it, (S, C)."""
    embeddings, config = subject.embeddings, subject.analysis.clusters
    labelled_M = evenly_spaced(len(embeddings), config.max_pairs)
    width = config.components if config.space == "pca" else embeddings.dim
    most = config.sample or default_sample(np.empty((0, width)))
    chosen = evenly_spaced(len(labelled_M), max(1, most // 2))
    x_SD = read_stacked(embeddings, labelled_M[chosen], subject.analysis.block_rows)
    space = cluster_part.space_of(x_SD, config)
    return labelled_M, chosen, space, space.project(x_SD)


def start_layout(subject: Subject, cluster: ClusterConfig) -> Any:
    """Reference of (parts umap and mixing, columns of `layout.parquet`)."""
    return start(_layout_of, subject, cluster=cluster, device=subject.analysis.device)


def start_clusters(subject: Subject, layout: Any, cluster: ClusterConfig) -> Any:
    """Reference of a `Fit`; `layout` (columns, or a reference of what `start_layout` gives) is used where the layout is clustered."""
    return start(_fit_of, subject, layout, cluster=cluster, device=subject.analysis.device)


def labelled(subject: Subject, fit: "Fit", cluster: ClusterConfig) -> tuple[dict[str, Any], Columns]:
    """The part clusters, and the columns of `clusters.parquet`: rows outside the fit are assigned block by block."""
    import ray

    positions_M, label_2M, firm_2M = fit.positions_M, np.stack(np.split(fit.labels, 2)), np.stack(np.split(fit.probability, 2))
    if fit.others_O is not None:
        kept = [ray.put(value) for value in (subject.embeddings, fit.assigner, fit.space, subject.analysis)]
        blocks = list(row_blocks(len(fit.others_O), subject.analysis.block_rows))
        found = ordered(_assign_of, ((*kept, fit.others_O[block]) for block in blocks), cluster, whole=len(blocks))
        label_2O, firm_2O, hash_2O = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
        fitted = Labelled.of(_hashes(subject, positions_M).ravel(), label_2M.ravel(), firm_2M.ravel())
        others = fitted.over(hash_2O, label_2O, firm_2O)  # a copy of a fitted row has its label
        positions_M = np.concatenate([positions_M, fit.others_O])
        order_M = np.argsort(positions_M, kind="stable")
        positions_M = positions_M[order_M]
        label_2M, firm_2M = (np.concatenate(both, axis=1)[:, order_M] for both in zip((label_2M, firm_2M), others, strict=True))
    metrics = cluster_part.cluster_metrics(fit.clustering, label_2M.ravel(), subject.analysis, fit.stable, fit.notes)
    return metrics, cluster_part.cluster_columns(label_2M.ravel(), firm_2M.ravel(), positions_M)


def start_dimension(subject: Subject, cluster: ClusterConfig) -> dict[str, Any]:
    """References of the estimates of images, texts and both."""
    return {name: start(_dimension_of, subject, name, cluster=cluster) for name in ("image", "text", "both")}


def dimension(pending: dict[str, Any]) -> dict[str, Any]:
    """The part dimension: estimator -> modality -> estimate."""
    found = {name: result(one) for name, one in pending.items()}
    return {estimator: {name: one[estimator] for name, one in found.items()} for estimator in ("two_nn", "mle")}


def start_homology(subject: Subject, cluster: ClusterConfig) -> dict[str, Any]:
    """References of the persistence of images, texts and both."""
    return {name: start(_homology_of, subject, name, cluster=cluster) for name in ("image", "text", "both")}


def homology(pending: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Columns]]:
    """The part homology, and its two tables."""
    found = {name: result(one) for name, one in pending.items()}
    tables = intrinsic_part.homology_tables({name: persistence for name, (_, persistence) in found.items()})
    return {name: metrics for name, (metrics, _) in found.items()}, tables


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A clustering of M pairs, and what assigns the remaining pairs `others_O`."""

    clustering: Clustering  # without labels: small enough to send
    positions_M: Array
    labels: Array
    probability: Array
    stable: dict[str, Any]
    space: Raw | Principal
    assigner: Assigner | None = None
    others_O: Array | None = None
    notes: list[str]


def _layout_of(subject: Subject) -> tuple[dict[str, Any], Columns]:
    positions_M, x_ND = subject.stacked()
    knn, analysis = subject.graph(x_ND), subject.analysis
    layout_NC, notes = layout_part.layout_of(placed(x_ND, analysis.device), knn, analysis)
    parts = {
        "umap": layout_part.umap_metrics(x_ND, layout_NC, analysis, notes),
        "mixing": layout_part.mixing_metrics(knn, layout_NC, analysis),
    }
    return parts, layout_part.layout_table(layout_NC, positions_M)


def _fit_of(subject: Subject, layout: Any) -> Fit:
    if subject.analysis.clusters.space == "layout":
        return _fit_layout(subject, layout[1] if isinstance(layout, tuple) else layout)
    return _fit_rows(subject)


def _fit_layout(subject: Subject, columns: Columns) -> Fit:
    """Clusters of the laid-out rows, compared with those of layouts from other seeds."""
    analysis, layout_NC = subject.analysis, layout_part.layout_in(columns)
    spaces = [layout_NC]
    if analysis.clusters.stability_seeds > 1:
        x_ND = subject.stacked()[1]
        seeds = [analysis.seed + i for i in range(1, analysis.clusters.stability_seeds)]
        spaces += layout_part.layouts_again(placed(x_ND, analysis.device), subject.graph(x_ND), analysis, seeds)
    sample = analysis.clusters.sample
    found = cluster_part.cluster(placed(layout_NC, analysis.device), analysis, sample)
    positions_M, count = columns["row"][: len(layout_NC) // 2], len(subject.embeddings)
    rest = "rows/ has the labels of the others" if analysis.rows == "all" else "the others have no label"
    notes = [f"{len(positions_M)} of {count} pairs are laid out; {rest}"] if len(positions_M) < count else []
    stable = cluster_part.how_stable([placed(space, analysis.device) for space in spaces], analysis, sample)
    return _fitted(found, positions_M, stable, space=Raw(), notes=notes)


def _fit_rows(subject: Subject) -> Fit:
    """Clusters of a sample of the rows themselves or of their principal components, with what assigns the rest."""
    analysis, embeddings = subject.analysis, subject.embeddings
    labelled_M, chosen, space, x_SC = sampled_space(subject)
    x_SC = placed(x_SC, analysis.device)
    found = cluster_part.cluster(x_SC, analysis, cluster_part.UNSAMPLED)
    stable = cluster_part.how_stable([x_SC], analysis)
    notes = [f"{len(labelled_M)} of {len(embeddings)} pairs are labelled"] if len(labelled_M) < len(embeddings) else []
    others_O = np.delete(labelled_M, chosen) if len(chosen) < len(labelled_M) else None
    return _fitted(found, labelled_M[chosen], stable, space=space, notes=notes, others_O=others_O)


def _fitted(
    found: Clustering,
    positions_M: Array,
    stable: dict[str, Any],
    *,
    space: Raw | Principal,
    notes: list[str],
    others_O: Array | None = None,
) -> Fit:
    labels, probability = to_host(found.labels), to_host(found.probability)
    small = replace(found, labels=None, probability=None, assigner=None, predictor=None)
    assigner = None if others_O is None else found.assigner
    return Fit(
        clustering=small, positions_M=positions_M, labels=labels, probability=probability, stable=stable, space=space,
        assigner=assigner, others_O=others_O, notes=notes,
    )  # fmt: skip


def _assign_of(
    embeddings: EmbeddingSet, assigner: Assigner | None, space: Raw | Principal, analysis: AnalysisConfig, positions_B: Array
) -> tuple[Array, Array, Array]:
    """Labels, probabilities and hashes, (2, B): of images and of texts."""
    both = read_pairs(embeddings, positions_B, analysis.block_rows)
    hash_2B = np.stack([value_hashes(x_BD) for x_BD in both])
    if assigner is None:
        return np.full((2, len(positions_B)), NOISE), np.zeros((2, len(positions_B))), hash_2B
    found = [assigner.members(placed(space.project(x_BD), analysis.device)) for x_BD in both]
    labels, shares = zip(*found, strict=True)
    return np.stack([to_host(label_B) for label_B in labels]), np.stack([to_host(share_B) for share_B in shares]), hash_2B


def _hashes(subject: Subject, positions_M: Array) -> Array:
    """Hashes (2, M) of rows by content."""
    blocks = [read_pairs(subject.embeddings, positions_M[b], subject.analysis.block_rows) for b in row_blocks(len(positions_M))]
    return np.concatenate([np.stack([value_hashes(x_BD) for x_BD in both]) for both in blocks], axis=1)


def _dimension_of(subject: Subject, name: str) -> dict[str, Any]:
    config, seed = subject.analysis.dimension, subject.analysis.seed
    return intrinsic_part.dimension_of(_rows_of(subject, name, config.max_pairs), config, seed)


def _homology_of(subject: Subject, name: str) -> tuple[dict[str, Any], Any]:
    config, seed = subject.analysis.homology, subject.analysis.seed
    return intrinsic_part.homology_of(_rows_of(subject, name, config.max_pairs), config, seed)


def _rows_of(subject: Subject, name: str, most: int) -> Array:
    """Rows of a modality or of both; as many of both as of one, since estimates depend on their number."""
    embeddings, block_rows = subject.embeddings, subject.analysis.block_rows
    positions_M = evenly_spaced(len(embeddings), most)
    image_MD, text_MD = read_pairs(embeddings, positions_M, block_rows)
    return {"image": image_MD, "text": text_MD, "both": np.concatenate([image_MD[::2], text_MD[1::2]])}[name]
