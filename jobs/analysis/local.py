"""Spectra and dimensions inside clusters as Ray tasks: one reading of the labelled rows, moments that merge.

M labelled pairs, B pairs of a block, K clusters, G groups (clusters), D dimensions.
"""

from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np

from jobs.analysis.raw_clusters import aligned, equal_rows, raw_clusters
from jobs.runtime.tasks import result, start
from tda.columns import Columns
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.geometry.arrays.namespace import row_blocks, unit_rows
from tda.geometry.controlled import rarefied_ranks
from tda.geometry.dimension import by_cluster, two_nn
from tda.geometry.parts import local_dimension as local_part
from tda.geometry.spectrum.moments import Spectrum
from tda.geometry.spectrum.per_cluster import GroupMoments, cluster_spectra
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import Array, evenly_spaced, read_pairs

Spectra = dict[str, list[Spectrum | None]]

LANE_BLOCKS = 16  # blocks that one task reads one after the other into the same moments
MOST_LANES = 64
CHUNK_BYTES = 2**25  # of moments in one object of Ray's store


def local_dimension(
    embeddings: EmbeddingSet, clusters: Columns, ranks: Columns, analysis: AnalysisConfig, cluster: ClusterConfig
) -> tuple[dict[str, Any], Columns]:
    """Parts per_cluster and local_dimension, and the columns of `cluster_spectra.parquet`.

    `clusters` and `ranks` are the columns of the tables of those names. A pair that only one of them holds counts only there.
    """
    half = len(clusters["row"]) // 2
    positions_M, label_2M = clusters["row"][:half], clusters["label"].reshape(2, half).astype(np.int64)
    count = int(label_2M.max(initial=-1)) + 1
    groups = min(count, analysis.local_dimension.max_clusters)
    label_2M[label_2M >= groups] = -1  # clusters are numbered by size: the smallest are left out
    pending = start(_dimensions_of, embeddings, positions_M, label_2M, analysis, cluster=cluster)
    raw = start(raw_clusters, embeddings, ranks, analysis, cluster=cluster)
    spectra = _spectra(embeddings, positions_M, label_2M, groups, analysis, cluster)
    two_nn_K, rarefied_K, rarefied_rows = result(pending)
    table = local_part.per_cluster(spectra, label_2M, aligned(ranks, positions_M), two_nn_K, rarefied_K)
    associations = local_part.local_dimension(table, analysis.local_dimension.draws, analysis.seed)
    associations |= {"rarefied_rows": rarefied_rows, "raw": result(raw)}
    if groups < count:
        associations["notes"].append(f"the {groups} largest of {count} clusters are measured")
    return {"per_cluster": table, "local_dimension": associations}, local_part.spectra_columns(spectra, label_2M)


def _spectra(  # noqa: PLR0917 (the row's whole context)
    embeddings: EmbeddingSet, positions_M: Array, label_2M: Array, groups: int, analysis: AnalysisConfig, cluster: ClusterConfig
) -> Spectra:
    """Spectra of each group. Tasks read runs of blocks; what they return is merged chunk of groups by chunk, in the order of the rows."""
    import ray

    found: Spectra = {"image": [], "text": [], "both": []}
    if groups == 0:
        return found
    chunks = list(row_blocks(groups, max(1, CHUNK_BYTES // (16 * embeddings.dim**2))))
    kept = ray.put(embeddings)
    lanes = [
        start(_moments_of, kept, positions_M[run], label_2M[:, run], groups, chunks, analysis, cluster=cluster, returns=len(chunks))
        for run in _lanes(len(positions_M), analysis.block_rows)
    ]
    for at in range(len(chunks)):
        parts = (result(lane if len(chunks) == 1 else lane[at]) for lane in lanes)
        image, text = reduce(lambda one, two: (one[0].merge(two[0]), one[1].merge(two[1])), parts)
        for name, spectra in cluster_spectra(image, text, analysis.spectrum.collapse_threshold, embeddings.dtype).items():
            found[name] += spectra
    return found


def _lanes(count: int, block_rows: int) -> Iterator[slice]:
    """Runs of rows, as many as `count` alone requires: the same sums on a cluster of any size."""
    blocks = -(-count // block_rows)
    lanes = min(MOST_LANES, -(-blocks // LANE_BLOCKS))
    return row_blocks(count, -(-blocks // lanes) * block_rows)


def _moments_of(  # noqa: PLR0917 (tasks are called by position)
    embeddings: EmbeddingSet, positions_M: Array, label_2M: Array, groups: int, chunks: list[slice], analysis: AnalysisConfig
) -> Any:
    """Moments by group of images and of texts of a run of rows, cut into chunks of groups."""
    moments = GroupMoments.empty(groups, embeddings.dim), GroupMoments.empty(groups, embeddings.dim)
    for block in row_blocks(len(positions_M), analysis.block_rows):
        both = read_pairs(embeddings, positions_M[block], analysis.block_rows)
        for of, x_BD, label_B in zip(moments, both, label_2M[:, block], strict=True):
            inside_B = label_B >= 0
            of.add(unit_rows(x_BD[inside_B]), label_B[inside_B])
    cut = tuple((moments[0][chunk], moments[1][chunk]) for chunk in chunks)
    return cut if len(cut) > 1 else cut[0]


def _dimensions_of(
    embeddings: EmbeddingSet, positions_M: Array, label_2M: Array, analysis: AnalysisConfig
) -> tuple[list[float | None], list[float | None], int]:
    """Intrinsic and rarefied dimension inside each cluster, from evenly spaced pairs where there are many, and the rows of the latter."""
    groups = int(label_2M.max(initial=-1)) + 1
    used = evenly_spaced(len(positions_M), analysis.local_dimension.max_pairs)
    both = read_pairs(embeddings, positions_M[used], analysis.block_rows)
    label_N = label_2M[:, used].ravel()
    inside_N = label_N >= 0
    if not inside_N.any():
        return [None] * groups, [None] * groups, 0
    x_ND, label_N = unit_rows(np.concatenate(both)[inside_N]), label_N[inside_N]
    found = [estimate.value for estimate in by_cluster(x_ND, label_N, two_nn, discard=analysis.dimension.discard)]
    rows = equal_rows(label_N)
    return found + [None] * (groups - len(found)), rarefied_ranks(x_ND, label_N, groups, rows, seed=analysis.seed), rows
