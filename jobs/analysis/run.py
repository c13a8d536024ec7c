"""The chosen parts of one data set under one encoder, measured together: what stands alone starts at once, what rests on it follows."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jobs.analysis import local as measure_local
from jobs.analysis import pairs as measure
from jobs.analysis import shape as measure_shape
from jobs.analysis.shape import Subject
from jobs.analysis.spectrum import spectrum
from jobs.runtime.tasks import result
from tda.config import ClusterConfig
from tda.geometry import retrieval
from tda.store.datasets.embedding_set import EmbeddingSet

Columns = dict[str, Any]
Found = tuple[dict[str, Any], dict[str, Columns]]  # keys of metrics.json, and tables by name

FROM_BLOCKS = ("gap", "cosine", "spectrum")  # parts that one reading of all rows serves


def measured(
    subject: Subject, others: Mapping[str, EmbeddingSet], parts: list[str], stored: Callable[[str], Columns], cluster: ClusterConfig
) -> Found:
    """Keys of metrics.json of the given parts, and the tables that go with them.

    `stored` reads a table that an earlier run left; it is asked only for tables of parts that are not among those measured now.
    """
    metrics, tables = dict[str, Any](), dict[str, Columns]()
    starting = _started(subject, others, parts, stored, cluster)
    for found in (_from_blocks(subject, parts, cluster), _ranked(subject, parts, cluster), _gathered(subject, starting, cluster)):
        metrics |= found[0]
        tables |= found[1]
    if "local_dimension" in parts:
        clusters, ranks = (tables.get(name) or stored(name) for name in ("clusters", "ranks"))
        arguments = (subject.embeddings, clusters, ranks, subject.analysis, cluster)
        found_local, tables["cluster_spectra"] = measure_local.local_dimension(*arguments)
        metrics |= found_local
    return metrics, tables


def _started(
    subject: Subject, others: Mapping[str, EmbeddingSet], parts: list[str], stored: Callable[[str], Columns], cluster: ClusterConfig
) -> dict[str, Any]:
    """References of the parts that are single tasks, the longest chain first."""
    pending: dict[str, Any] = {}
    if "umap" in parts or "mixing" in parts:
        pending["umap"] = measure_shape.start_layout(subject, cluster)
    if "clusters" in parts:
        on_layout = subject.analysis.clusters.space == "layout"
        layout = pending.get("umap") if "umap" in pending or not on_layout else stored("layout")
        pending["clusters"] = measure_shape.start_clusters(subject, layout, cluster)
    if "homology" in parts:
        pending["homology"] = measure_shape.start_homology(subject, cluster)
    if "separability" in parts:
        pending["separability"] = measure.start_separation(subject.embeddings, others, subject.analysis, cluster)
    if "dimension" in parts:
        pending["dimension"] = measure_shape.start_dimension(subject, cluster)
    return {part: pending[part] for part in pending} | {"parts": parts}


def _gathered(subject: Subject, pending: dict[str, Any], cluster: ClusterConfig) -> Found:
    metrics, tables = dict[str, Any](), dict[str, Columns]()
    parts = pending["parts"]
    if "umap" in pending:
        layout, columns = result(pending["umap"])
        metrics |= {part: layout[part] for part in ("umap", "mixing") if part in parts}
        tables |= {"layout": columns} if "umap" in parts else {}
    if "separability" in pending:
        metrics["separability"], tables["pca"] = result(pending["separability"])
    if "dimension" in pending:
        metrics["dimension"] = measure_shape.dimension(pending["dimension"])
    if "homology" in pending:
        metrics["homology"], found = measure_shape.homology(pending["homology"])
        tables |= found
    if "clusters" in pending:
        metrics["clusters"], tables["clusters"] = measure_shape.labelled(subject, result(pending["clusters"]), cluster)
    return metrics, tables


def _ranked(subject: Subject, parts: list[str], cluster: ClusterConfig) -> Found:
    if "retrieval" not in parts:
        return {}, {}
    row, image_to_text, text_to_image = measure.ranks(subject.embeddings, subject.analysis, cluster)
    table = {"row": row, "image_to_text": image_to_text, "text_to_image": text_to_image}
    return {"retrieval": retrieval.metrics(image_to_text, text_to_image)}, {"ranks": table}


def _from_blocks(subject: Subject, parts: list[str], cluster: ClusterConfig) -> Found:
    metrics, tables = dict[str, Any](), dict[str, Columns]()
    analysis, embeddings = subject.analysis, subject.embeddings
    gram = analysis.spectrum.method == "gram"
    if any(part in parts and (part != "spectrum" or gram) for part in FROM_BLOCKS):
        stats = measure.pair_stats(embeddings, analysis, cluster)
        if "gap" in parts:
            metrics["gap"] = stats.gap_metrics()
        if "cosine" in parts:
            metrics["cosine"] = stats.cosine_metrics(analysis.cosine.quantiles)
            tables["cosine"] = stats.cosine_histogram(analysis.cosine.bins)
        if "spectrum" in parts and gram:
            metrics["spectrum"] = stats.spectrum_metrics(embeddings.dtype, analysis.spectrum.collapse_threshold)
    if "spectrum" in parts:
        metrics.setdefault("spectrum", None if gram else spectrum(embeddings, analysis, cluster))
        tables["spectra"] = _spectra_table(metrics["spectrum"])
    return metrics, tables


def _spectra_table(spectra: Mapping[str, Mapping[str, Any]]) -> Columns:
    lengths = [len(one["singular_values"]) for one in spectra.values()]
    return {
        "modality": np.repeat(list(spectra), lengths),
        "index": np.concatenate([np.arange(length) for length in lengths]),
        "singular_value": np.concatenate([one["singular_values"] for one in spectra.values()]),
        "floor": np.repeat([one["floor"] for one in spectra.values()], lengths),
    }
