"""What each part of an analysis costs, from sizes alone: products of matrices at the machine's rate, and the rest in measured core-seconds.

N pairs, D dimensions, b bytes of a stored number, R laid-out rows of both modalities. Everything is counted on the cores of the cluster,
where most of the analysis runs; on a GPU neighbours, layouts and clusters take less. Constants are from `tests/bench/plan.py`, measured on
a core of `work.REFERENCE_CORE` FLOPs a second; a slower core takes as much longer.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil, log2
from typing import Any

from jobs.planning.costs import MODALITIES, Cost, Machines
from jobs.planning.work import Size, Work, cost_of
from tda.config.analysis import AnalysisConfig
from tda.geometry.neighbors.graph import EXACT_ROWS, TILED_ROWS
from tda.geometry.neighbors.sizes import cell_count
from tda.geometry.sphere.umap import SPHERE_EPOCHS

MOMENTS = 1.0  # of a product's time: float64 takes twice as long, and half of a symmetric one is enough
QUADRATIC = 1e15  # FLOPs of all pairs from which on a plan warns
LAYOUT_CORES = 16  # beyond which one layout gains little
BLOCK_COPIES = 6  # of a block of rows, in the memory of a task: as stored, as unit rows, and what is made of them


def part_costs(size: Size, analysis: AnalysisConfig, machines: Machines, prefix: str = "") -> Iterator[Cost]:
    """The cost of every chosen part, in the order in which they are measured; parts of one reading share a row."""
    for work in _works(size, analysis):
        yield cost_of(work, machines, prefix)


def _works(size: Size, analysis: AnalysisConfig) -> Iterator[Work]:
    chosen = set(analysis.parts)
    makers = (
        ({"gap", "cosine", "spectrum", "gap_measures"}, _statistics),
        ({"separability"}, _separability),
        ({"retrieval", "local_dimension"}, _retrieval),
        ({"umap", "mixing"}, _layout),
        ({"clusters", "local_dimension"}, _clusters),
        ({"placement"}, _placement),
        ({"local_dimension"}, _local_dimension),
        ({"dimension"}, _dimension),
        ({"homology"}, _homology),
        ({"alignment"}, _alignment),
        ({"gap_measures"}, _gap_measures),
    )
    for parts, make in makers:
        if parts & chosen or (make is _layout and "clusters" in chosen and analysis.clusters.space == "layout"):
            yield make(size, analysis)


def _set_bytes(size: Size) -> float:
    return float(MODALITIES * size.pairs * size.dim * size.itemsize)


def _block_bytes(size: Size, analysis: AnalysisConfig) -> float:
    return float(BLOCK_COPIES * 4 * MODALITIES * min(size.pairs, analysis.block_rows) * size.dim)


def _statistics(size: Size, analysis: AnalysisConfig) -> Work:
    n, d = size.pairs, size.dim
    return Work(
        stage="gap, cosine, spectrum",
        flops=MODALITIES * 2.0 * n * d * d * MOMENTS,
        reach=STATISTICS_REACH,
        seconds=STATISTICS_ELEMENT * n * d + STATISTICS_EIGEN * d**3,
        read=1.5 * _set_bytes(size),
        memory=_block_bytes(size, analysis) + 32.0 * d * d,
        words=f"one reading of {n:,} pairs: products of all pairs of {d:,} dimensions, for images and for texts",
    )


def _separability(size: Size, analysis: AnalysisConfig) -> Work:
    n = min(size.pairs, analysis.separability.max_pairs)
    return Work(
        stage="separability",
        seconds=SVM_VALUE * MODALITIES * n**SVM_POWER * size.dim + SVM_FIXED * size.dim / 512,
        read=_set_bytes(size) * n / size.pairs,
        memory=float(5 * 8 * MODALITIES * n * size.dim),
        cores=2,
        words=f"fits of {n:,} pairs (analysis.separability.max_pairs), at most; how many steps they take depends on the data",
    )


def _retrieval(size: Size, analysis: AnalysisConfig) -> Work:
    config: Any = analysis.retrieval
    candidates = size.pairs if config.max_pairs is None else min(size.pairs, config.max_pairs)
    drawn = config.sampled(size.pairs) if hasattr(config, "sampled") else None
    both = 2 * candidates * drawn if drawn else candidates * candidates
    flops = 2.0 * both * size.dim
    passes = max(1, ceil((drawn or candidates) / analysis.block_rows))
    words = (
        f"each of {drawn:,} queries, image and text, with all {candidates:,}" if drawn else f"each of {candidates:,} images with every text"
    )
    return Work(
        stage="retrieval",
        flops=flops,
        reach=RETRIEVAL_REACH,
        seconds=RETRIEVAL_VALUE * candidates * size.dim,
        read=_set_bytes(size) * candidates / size.pairs * passes,
        memory=2 * _block_bytes(size, analysis),
        words=words,
        warning=_square(flops, size.pairs, config) if not drawn else "",
    )


def _square(flops: float, pairs: int, config: Any) -> str:
    """What helps where retrieval grows with the square of the pairs."""
    if flops < QUADRATIC:
        return ""
    setting = "analysis.retrieval.queries=20000" if hasattr(config, "queries") else "analysis.retrieval.max_pairs=100000"
    return f"it grows with the square of the pairs ({pairs:,} here): {setting} makes it grow with the pairs"


def _layout(size: Size, analysis: AnalysisConfig) -> Work:
    umap = analysis.umap
    rows = MODALITIES * min(size.pairs, umap.max_pairs)
    neighbours = min(max(umap.knn_k, umap.n_neighbors - 1, analysis.mixing.k), rows - 1)
    searched, reach = _searched(rows)
    flops = 2.0 * rows * searched * size.dim
    trust = 2.0 * min(umap.trust_rows, rows) * rows * size.dim
    kept = KNN_ENTRY * rows * neighbours + SELECTED_CELL * rows * searched * (rows > TILED_ROWS)
    return Work(
        stage="umap, mixing",
        flops=flops + trust,
        reach=reach,
        seconds=kept + _epochs(rows, analysis) + TRUST_CELL * min(umap.trust_rows, rows) * rows + LAYOUT_FIXED,
        read=_set_bytes(size) * rows / (MODALITIES * size.pairs),
        memory=4.0 * rows * (3 * size.dim + 6 * neighbours) + 1e9 * (rows > EXACT_ROWS),
        cores=LAYOUT_CORES,
        words=f"{neighbours} neighbours of {rows:,} rows (analysis.umap.max_pairs), then {_epoch_count(analysis)} epochs over their edges",
        warning=f"the layout of {rows:,} rows takes hours and {rows * neighbours * 24 / 1e9:,.0f} GB: lower analysis.umap.max_pairs"
        if rows > MOST_ROWS
        else "",
    )


def _searched(rows: int) -> tuple[float, float]:
    """Rows that each row is compared with, and the share of a product's rate: all of few rows, the nearest cells of many."""
    if rows <= EXACT_ROWS:
        return float(rows), EXACT_REACH
    return rows / 8 + cell_count(rows), CELLS_REACH


def _epoch_count(analysis: AnalysisConfig) -> int:
    return analysis.umap.n_epochs or SPHERE_EPOCHS


def _epochs(rows: int, analysis: AnalysisConfig) -> float:
    umap = analysis.umap
    return EPOCH_EDGE * _epoch_count(analysis) * rows * umap.n_neighbors * (1 + umap.negative_sample_rate) / 6


def _clusters(size: Size, analysis: AnalysisConfig) -> Work:
    config = analysis.clusters
    laid_out = config.space == "layout"
    pairs = min(size.pairs, analysis.umap.max_pairs if laid_out else config.max_pairs)
    rows = MODALITIES * pairs
    tree = min(rows, config.sample or (100_000 if laid_out else 10_000))
    fits = config.stability_seeds * max(1, len(config.stability_sizes) or 2)
    again = (config.stability_seeds - 1) * (_epochs(rows, analysis) + LAYOUT_FIXED) if laid_out else 0.0
    return Work(
        stage="clusters",
        seconds=again + fits * HDBSCAN_ROW * tree * log2(max(2, tree)) + CLUSTER_FIXED,
        read=_set_bytes(size) * pairs / size.pairs,
        memory=4.0 * rows * (size.dim + 40),
        cores=LAYOUT_CORES,
        words=f"{fits} trees of {tree:,} rows" + (f", and {config.stability_seeds - 1} further layouts" if again else ""),
    )


def _placement(size: Size, analysis: AnalysisConfig) -> Work:
    """Rows outside the fit, each among the fitted ones; and a second sample that is fitted by itself."""
    fitted = min(size.pairs, analysis.umap.max_pairs)
    second = min(size.pairs - fitted, fitted)
    placed = (size.pairs - fitted) * (analysis.rows == "all") + second
    searched, reach = _searched(MODALITIES * fitted)
    rows = MODALITIES * placed
    again = _layout(replace(size, pairs=second), analysis) if second >= fitted / 2 else Work(stage="")
    tree = min(MODALITIES * second, analysis.clusters.sample or 100_000)
    slow = f"{placed:,} pairs are placed one by one: analysis.rows=sample places the fitted ones alone"
    return Work(
        stage="placement",
        flops=2.0 * rows * searched * size.dim + again.flops,
        reach=reach,
        seconds=_epochs(rows, analysis) / 3 + PLACED_ROW * rows + again.seconds + HDBSCAN_ROW * tree * log2(max(2, tree)) + PLACE_FIXED,
        read=_set_bytes(size) * min(1.0, placed / size.pairs),
        memory=4.0 * MODALITIES * fitted * size.dim * 2 + _block_bytes(size, analysis),
        words=f"{placed:,} further pairs placed among {fitted:,} fitted ones, and a second sample of {second:,} fitted by itself",
        warning=slow if placed > MANY_PLACED else "",
    )


def _local_dimension(size: Size, analysis: AnalysisConfig) -> Work:
    n = min(size.pairs, analysis.umap.max_pairs if analysis.clusters.space == "layout" else analysis.clusters.max_pairs)
    used = min(n, analysis.local_dimension.max_pairs)
    clusters = min(analysis.local_dimension.max_clusters, max(1, n // 500))
    within = 2.0 * (MODALITIES * used) ** 2 / clusters * size.dim
    asked = analysis.retrieval.sampled(size.pairs)
    further = MODALITIES * clusters * max(0.0, analysis.local_dimension.queries - asked / clusters) if asked else 0.0
    return Work(
        stage="local_dimension",
        flops=MODALITIES * 2.0 * n * size.dim**2 * MOMENTS + within + 4.0 * further * size.pairs * size.dim,
        reach=STATISTICS_REACH,
        seconds=LOCAL_VALUE * n * size.dim + clusters * CLUSTER_EIGEN * size.dim**3,
        read=_set_bytes(size) * n / size.pairs,
        memory=clusters * MODALITIES * 8.0 * size.dim**2 + _block_bytes(size, analysis),
        words=f"spectra of about {clusters} clusters (analysis.local_dimension.max_clusters) of {n:,} labelled pairs",
    )


def _dimension(size: Size, analysis: AnalysisConfig) -> Work:
    rows = min(size.pairs, analysis.dimension.max_pairs)
    flops = 3 * 2 * 2.0 * rows * rows * size.dim
    return Work(
        stage="dimension",
        flops=flops,
        reach=DIMENSION_REACH,
        seconds=DIMENSION_CELL * 3 * 2 * rows * rows,
        read=3 * _set_bytes(size) * rows / size.pairs,
        memory=3 * (8.0 * rows * size.dim + 1e9),
        cores=3,
        words=f"neighbours of {rows:,} rows among themselves (analysis.dimension.max_pairs), for images, texts and both",
    )


def _homology(size: Size, analysis: AnalysisConfig) -> Work:
    config = analysis.homology
    rows, marks = min(size.pairs, config.max_pairs), min(config.landmarks, size.pairs)
    draws = 1 + (config.stability_seeds if config.stability_seeds > 1 else 0)
    chosen = LANDMARK_VALUE * marks * rows * size.dim if config.choice == "farthest" else 0.0
    cube = f"homology grows with the cube of analysis.homology.landmarks={marks:,}: lower it"
    return Work(
        stage="homology",
        seconds=3 * draws * (chosen + RIPSER_CUBE * marks**3 + DISTINCT_VALUE * rows * size.dim),
        read=3 * _set_bytes(size) * rows / size.pairs,
        memory=3 * (8.0 * rows * size.dim + 64.0 * marks**2),
        cores=3,
        words=f"{draws} choices of {marks:,} landmarks among {rows:,} rows, for images, texts and both",
        warning=cube if marks > MANY_LANDMARKS else "",
    )


def _alignment(size: Size, analysis: AnalysisConfig) -> Work:
    n, config = size.pairs, analysis.alignment
    exact = n <= config.exact_rows
    cells = 3.0 * n * n if exact else 0.0
    drawn = 0 if exact else config.sample_pairs
    return Work(
        stage="alignment",
        flops=2.0 * cells * size.dim,
        reach=ALIGNMENT_REACH,
        seconds=ALIGNMENT_CELL * cells + ALIGNMENT_VALUE * size.dim * (n + 3 * drawn) + ALIGNMENT_FIXED,
        read=_set_bytes(size) * (1 + (not exact)),
        memory=2 * _block_bytes(size, analysis),
        words=f"distances of {n:,} pairs" + ("" if exact else f", and of {drawn:,} drawn pairs of rows (analysis.alignment.sample_pairs)"),
    )


def _gap_measures(size: Size, analysis: AnalysisConfig) -> Work:
    config = analysis.gap_measures
    pairs = min(size.pairs, config.sample)
    cells = float((MODALITIES * pairs) ** 2)
    return Work(
        stage="gap_measures",
        flops=10 * 2.0 * cells * size.dim,
        reach=EXACT_REACH,
        seconds=cells * (EXCHANGED_CELL * config.draws + SAMPLED_CELL) + STATISTICS_EIGEN * size.dim**3,
        read=_set_bytes(size) * pairs / size.pairs,
        memory=8 * 8.0 * cells,
        cores=LAYOUT_CORES,
        words=f"{pairs:,} pairs (analysis.gap_measures.sample) among themselves, {config.draws:,} exchanges of them",
    )


# Core-seconds of the reference core
STATISTICS_REACH, STATISTICS_ELEMENT, STATISTICS_EIGEN = 0.8, 4.5e-8, 6e-10
SVM_VALUE, SVM_POWER, SVM_FIXED = 5.7e-9, 1.35, 0.03
RETRIEVAL_REACH, RETRIEVAL_VALUE = 0.9, 2e-8
EXACT_REACH, CELLS_REACH, KNN_ENTRY, TRUST_CELL, LAYOUT_FIXED, EPOCH_EDGE = 0.9, 0.7, 5e-8, 1e-9, 0.02, 1e-8
SELECTED_CELL = 3e-8  # of a search beyond `TILED_ROWS`: keeping the best of many
HDBSCAN_ROW, CLUSTER_FIXED = 3e-6, 0.2
LOCAL_VALUE, CLUSTER_EIGEN = 5e-8, 3e-10
DIMENSION_REACH, DIMENSION_CELL = 0.9, 1.4e-8
LANDMARK_VALUE, RIPSER_CUBE, DISTINCT_VALUE = 6.5e-10, 6e-9, 2e-8
ALIGNMENT_REACH, ALIGNMENT_CELL, ALIGNMENT_VALUE, ALIGNMENT_FIXED = 0.9, 6e-9, 3e-8, 0.2
EXCHANGED_CELL, SAMPLED_CELL = 7e-10, 1e-7
PLACED_ROW, PLACE_FIXED = 5e-6, 0.1
MOST_ROWS, MANY_LANDMARKS, MANY_PLACED = 4_000_000, 1_000, 20_000_000
