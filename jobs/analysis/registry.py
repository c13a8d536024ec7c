"""The parts of the analysis, in the order in which metrics.json holds them. A new part is one more entry of `REGISTRY`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jobs.analysis import layout_clusters_homology, local, pairs, spectrum
from jobs.analysis.alignment import finish_alignment, start_uniformity
from jobs.analysis.cluster_queries import with_enough
from jobs.analysis.gap_measures import finish_gap_measures, start_gap_measures
from jobs.analysis.interventions import finish_interventions, start_interventions
from jobs.analysis.part import Found, Measuring, Metrics, Part
from jobs.analysis.placement import finish_placement, labels_for, placement_line
from jobs.analysis.queries import sampled_retrieval
from jobs.runtime.tasks import result
from tda.columns import Columns
from tda.config.analysis import AnalysisConfig
from tda.geometry import retrieval
from tda.geometry.parts.clusters import smallest
from tda.geometry.parts.pair_stats import PairStats

RANDOMIZED_ONLY = ("rank", "oversample", "power")


def _always(_: AnalysisConfig) -> bool:
    return True


def _pair_stats(run: Measuring) -> PairStats:
    """Moments and cosines of the whole set: one reading of all rows for all parts that use them."""
    stats: PairStats = run.once("pair_stats", lambda: pairs.pair_stats(run.subject.embeddings, run.subject.analysis, run.cluster))
    return stats


def _gap(run: Measuring, _: Any) -> Found:
    return {"gap": _pair_stats(run).gap_metrics()}, {}


def _cosine(run: Measuring, _: Any) -> Found:
    stats, config = _pair_stats(run), run.subject.analysis.cosine
    return {"cosine": stats.cosine_metrics(config.quantiles)}, {"cosine": stats.cosine_histogram(config.bins)}


def _separability(_: Measuring, pending: Any) -> Found:
    metrics, columns = result(pending)
    return {"separability": metrics}, {"pca": columns}


def _retrieval(run: Measuring, _: Any) -> Found:
    subject, hashes = run.subject, run.hashes
    if subject.analysis.retrieval.sampled(len(subject.embeddings)) is not None:
        return sampled_retrieval(subject, hashes["retrieval"], run.cluster, run.progress)
    row, image_to_text, text_to_image = pairs.ranks(run.subject.embeddings, run.subject.analysis, run.cluster)
    table = {"row": row, "image_to_text": image_to_text, "text_to_image": text_to_image}
    return {"retrieval": retrieval.metrics(image_to_text, text_to_image)}, {"ranks": table}


def _retrieval_line(metrics: Metrics) -> str:
    first, second = metrics["modalities"]
    return f"top-1 {first} to {second} {metrics['retrieval']['image_to_text']['top1']:.2f}"


def _spectrum(run: Measuring, _: Any) -> Found:
    analysis, embeddings = run.subject.analysis, run.subject.embeddings
    if analysis.spectrum.method == "gram":
        config = analysis.spectrum
        found = _pair_stats(run).spectrum_metrics(config.stored(embeddings.dtype), config.collapse_threshold)
    else:
        found = spectrum.spectrum(embeddings, analysis, run.cluster)
    return {"spectrum": found}, {"spectra": _spectra_table(found)}


def _spectra_table(spectra: Mapping[str, Mapping[str, Any]]) -> Columns:
    lengths = [len(one["singular_values"]) for one in spectra.values()]
    return {
        "modality": np.repeat(list(spectra), lengths),
        "index": np.concatenate([np.arange(length) for length in lengths]),
        "singular_value": np.concatenate([one["singular_values"] for one in spectra.values()]),
        "floor": np.repeat([one["floor"] for one in spectra.values()], lengths),
    }


def _randomized(analysis: AnalysisConfig) -> bool:
    return analysis.spectrum.method == "randomized"


def _unset_origin(analysis: AnalysisConfig) -> tuple[str, ...]:
    return ("origin_dtype",) if analysis.spectrum.origin_dtype is None else ()


def _spectrum_line(metrics: Metrics) -> str | None:
    ranks = [metrics["spectrum"][name]["effective_rank"] for name in ("image", "text")]
    return None if ranks[0] is None else f"effective rank {' / '.join(f'{rank:.1f}' for rank in ranks)}"


def _start_layout(run: Measuring) -> Any:
    return run.once("layout", lambda: layout_clusters_homology.start_layout(run.subject, run.cluster))


def _umap(_: Measuring, pending: Any) -> Found:
    metrics, columns = result(pending)
    return {"umap": metrics["umap"]}, {"layout": columns}


def _mixing(_: Measuring, pending: Any) -> Found:
    return {"mixing": result(pending)[0]["mixing"]}, {}


def _on_layout(analysis: AnalysisConfig) -> tuple[str, ...]:
    return ("umap",) if analysis.clusters.space == "layout" else ()


def _start_clusters(run: Measuring) -> Any:
    layout = None
    if _on_layout(run.subject.analysis):
        layout = _start_layout(run) if {"umap", "mixing"} & set(run.parts) else run.stored("layout")
    return layout_clusters_homology.start_clusters(run.subject, layout, run.cluster)


def _clusters(run: Measuring, pending: Any) -> Found:
    metrics, columns = layout_clusters_homology.labelled(run.subject, result(pending), run.cluster)
    return {"clusters": metrics}, {"clusters": columns}


def _clusters_line(metrics: Metrics) -> str:
    return f"{metrics['clusters']['count']} clusters, {metrics['clusters']['noise_fraction']:.0%} noise"


def _local_dimension(run: Measuring, _: Any) -> Found:
    labels, subject = labels_for(run) or run.table("clusters"), run.subject
    ranks = with_enough(run, labels, run.table("ranks"))
    metrics, columns = local.local_dimension(subject.embeddings, labels, ranks, subject.analysis, run.cluster)
    return metrics, {"cluster_spectra": columns}


def _homology(_: Measuring, pending: Any) -> Found:
    metrics, tables = layout_clusters_homology.homology(pending)
    return {"homology": metrics}, tables


REGISTRY = (
    Part(name="gap", settings=False, finish=_gap, line=lambda metrics: f"gap {metrics['gap']['centroid_distance']:.3f}"),
    Part(name="cosine", finish=_cosine, tables=("cosine",)),
    Part(
        name="separability",
        start=lambda run: pairs.start_separation(run.subject.embeddings, run.others, run.subject.analysis, run.cluster),
        finish=_separability,
        turn=4,
        tables=("pca",),
        datasets=lambda analysis: tuple(analysis.separability.transfer),
        line=lambda metrics: f"SVM held out {metrics['separability']['heldout']['accuracy']:.2f}",
    ),
    Part(
        name="retrieval",
        finish=_retrieval,
        tables=("ranks",),
        seeded=lambda analysis: analysis.retrieval.queries is not None,
        cost_only=lambda analysis: ("tile", "queries") if analysis.retrieval.queries is None else ("tile",),
        line=_retrieval_line,
    ),
    Part(
        name="spectrum",
        finish=_spectrum,
        tables=("spectra",),
        seeded=_randomized,
        cost_only=lambda analysis: (*_unset_origin(analysis), *(() if _randomized(analysis) else RANDOMIZED_ONLY)),
        line=_spectrum_line,
    ),
    Part(
        name="umap",
        start=_start_layout,
        finish=_umap,
        turn=1,
        tables=("layout",),
        seeded=_always,
        cost_only=lambda analysis: ("knn_k", *(("radius",) if analysis.umap.radius is None else ())),
        shared=lambda analysis: {"shared": analysis.mixing.k},
        line=lambda metrics: f"mixing on the {metrics['umap']['output']} {metrics['umap']['mixing']:.2f}",
    ),
    Part(name="mixing", start=_start_layout, finish=_mixing, turn=1, needs=lambda _: ("umap",), rests_on_numbers=True),
    Part(
        name="clusters",
        start=_start_clusters,
        finish=_clusters,
        turn=2,
        needs=_on_layout,
        open_ones=lambda analysis: {"min_cluster_size": smallest(analysis.clusters)},
        tables=("clusters",),
        seeded=_always,
        line=_clusters_line,
    ),
    Part(
        name="placement",
        settings=False,
        finish=finish_placement,
        needs=lambda _: ("umap", "clusters"),
        tables=("row_clusters",),
        fills=("rows",),
        leaves_files=True,
        seeded=_always,
        shared=lambda analysis: {"rows": analysis.rows, "groups": analysis.local_dimension.max_clusters},
        line=placement_line,
    ),
    Part(
        name="local_dimension",
        finish=_local_dimension,
        needs=lambda analysis: ("clusters", "retrieval", *(("placement",) if analysis.rows == "all" else ())),
        tables=("cluster_spectra",),
        fills=("per_cluster", "local_dimension"),
        seeded=_always,
        shared=lambda analysis: {"shared": analysis.spectrum.collapse_threshold},
        cost_only=lambda analysis: ("queries",) if analysis.retrieval.queries is None else (),
    ),
    Part(
        name="dimension",
        start=lambda run: layout_clusters_homology.start_dimension(run.subject, run.cluster),
        finish=lambda _, pending: ({"dimension": layout_clusters_homology.dimension(pending)}, {}),
        turn=5,
        seeded=_always,
    ),
    Part(
        name="homology",
        start=lambda run: layout_clusters_homology.start_homology(run.subject, run.cluster),
        finish=_homology,
        turn=3,
        tables=("betti", "persistence"),
        seeded=_always,
    ),
    Part(name="alignment", start=start_uniformity, finish=finish_alignment, turn=6, seeded=_always),
    Part(name="gap_measures", start=start_gap_measures, finish=finish_gap_measures, turn=7, seeded=_always),
    Part(name="interventions", start=start_interventions, finish=finish_interventions, turn=8, seeded=_always),
)
