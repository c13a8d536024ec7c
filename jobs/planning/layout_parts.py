"""What the parts of an analysis cost that are measured on a layout or a sample: neighbours, clusters, dimension, homology.

N pairs, D dimensions, R laid-out rows of both modalities. Constants are core-seconds of the reference core (`work.REFERENCE_CORE`), from
`tests/bench/plan.py`.
"""

from dataclasses import replace
from math import log2

from jobs.planning.costs import MODALITIES
from jobs.planning.work import EXACT_REACH, MOMENTS, STATISTICS_REACH, Size, Work, block_bytes, set_bytes
from tda.config.analysis import AnalysisConfig
from tda.geometry.neighbors.graph import EXACT_ROWS, TILED_ROWS
from tda.geometry.neighbors.sizes import cell_count
from tda.geometry.sphere.umap import SPHERE_EPOCHS

LAYOUT_CORES = 16  # beyond which one layout gains little
CELLS_REACH, KNN_ENTRY, TRUST_CELL, LAYOUT_FIXED, EPOCH_EDGE = 0.7, 5e-8, 1e-9, 0.02, 1e-8
SELECTED_CELL = 3e-8  # of a search beyond `TILED_ROWS`: keeping the best of many
HDBSCAN_ROW, CLUSTER_FIXED = 3e-6, 0.2
LOCAL_VALUE, CLUSTER_EIGEN = 5e-8, 3e-10
DIMENSION_REACH, DIMENSION_CELL = 0.9, 1.4e-8
LANDMARK_VALUE, RIPSER_CUBE, DISTINCT_VALUE = 6.5e-10, 6e-9, 2e-8
PLACED_ROW, PLACE_FIXED = 5e-6, 0.1
MOST_ROWS, MANY_LANDMARKS, MANY_PLACED = 4_000_000, 1_000, 20_000_000


def layout(size: Size, analysis: AnalysisConfig) -> Work:
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
        read=set_bytes(size) * rows / (MODALITIES * size.pairs),
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


def clusters(size: Size, analysis: AnalysisConfig) -> Work:
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
        read=set_bytes(size) * pairs / size.pairs,
        memory=4.0 * rows * (size.dim + 40),
        cores=LAYOUT_CORES,
        words=f"{fits} trees of {tree:,} rows" + (f", and {config.stability_seeds - 1} further layouts" if again else ""),
    )


def placement(size: Size, analysis: AnalysisConfig) -> Work:
    """Rows outside the fit, each among the fitted ones; and a second sample that is fitted by itself."""
    fitted = min(size.pairs, analysis.umap.max_pairs)
    second = min(size.pairs - fitted, fitted)
    placed = (size.pairs - fitted) * (analysis.rows == "all") + second
    searched, reach = _searched(MODALITIES * fitted)
    rows = MODALITIES * placed
    again = layout(replace(size, pairs=second), analysis) if second >= fitted / 2 else Work(stage="")
    tree = min(MODALITIES * second, analysis.clusters.sample or 100_000)
    slow = f"{placed:,} pairs are placed one by one: analysis.rows=sample places the fitted ones alone"
    return Work(
        stage="placement",
        flops=2.0 * rows * searched * size.dim + again.flops,
        reach=reach,
        seconds=_epochs(rows, analysis) / 3 + PLACED_ROW * rows + again.seconds + HDBSCAN_ROW * tree * log2(max(2, tree)) + PLACE_FIXED,
        read=set_bytes(size) * min(1.0, placed / size.pairs),
        memory=4.0 * MODALITIES * fitted * size.dim * 2 + block_bytes(size, analysis),
        words=f"{placed:,} further pairs placed among {fitted:,} fitted ones, and a second sample of {second:,} fitted by itself",
        warning=slow if placed > MANY_PLACED else "",
    )


def local_dimension(size: Size, analysis: AnalysisConfig) -> Work:
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
        read=set_bytes(size) * n / size.pairs,
        memory=clusters * MODALITIES * 8.0 * size.dim**2 + block_bytes(size, analysis),
        words=f"spectra of about {clusters} clusters (analysis.local_dimension.max_clusters) of {n:,} labelled pairs",
    )


def dimension(size: Size, analysis: AnalysisConfig) -> Work:
    rows = min(size.pairs, analysis.dimension.max_pairs)
    flops = 3 * 2 * 2.0 * rows * rows * size.dim
    return Work(
        stage="dimension",
        flops=flops,
        reach=DIMENSION_REACH,
        seconds=DIMENSION_CELL * 3 * 2 * rows * rows,
        read=3 * set_bytes(size) * rows / size.pairs,
        memory=3 * (8.0 * rows * size.dim + 1e9),
        cores=3,
        words=f"neighbours of {rows:,} rows among themselves (analysis.dimension.max_pairs), for images, texts and both",
    )


def homology(size: Size, analysis: AnalysisConfig) -> Work:
    config = analysis.homology
    rows, marks = min(size.pairs, config.max_pairs), min(config.landmarks, size.pairs)
    draws = 1 + (config.stability_seeds if config.stability_seeds > 1 else 0)
    chosen = LANDMARK_VALUE * marks * rows * size.dim if config.choice == "farthest" else 0.0
    cube = f"homology grows with the cube of analysis.homology.landmarks={marks:,}: lower it"
    return Work(
        stage="homology",
        seconds=3 * draws * (chosen + RIPSER_CUBE * marks**3 + DISTINCT_VALUE * rows * size.dim),
        read=3 * set_bytes(size) * rows / size.pairs,
        memory=3 * (8.0 * rows * size.dim + 64.0 * marks**2),
        cores=3,
        words=f"{draws} choices of {marks:,} landmarks among {rows:,} rows, for images, texts and both",
        warning=cube if marks > MANY_LANDMARKS else "",
    )
