"""What the parts of an analysis cost that are measured on pairs: statistics, classifiers, retrieval, alignment.

N pairs, D dimensions. Constants are core-seconds of the reference core (`work.REFERENCE_CORE`), from
`tests/bench/plan.py`.
"""

from math import ceil
from typing import Any

from jobs.planning.costs import MODALITIES
from jobs.planning.work import EXACT_REACH, MOMENTS, STATISTICS_REACH, Size, Work, block_bytes, set_bytes
from tda.config.analysis import AnalysisConfig

QUADRATIC = 1e15  # FLOPs of all pairs from which on a plan warns
EXCHANGE_CORES = 16  # beyond which exchanges of a sample gain little
STATISTICS_ELEMENT, STATISTICS_EIGEN = 4.5e-8, 6e-10
SVM_VALUE, SVM_POWER, SVM_FIXED = 5.7e-9, 1.35, 0.03
RETRIEVAL_REACH, RETRIEVAL_VALUE = 0.9, 2e-8
ALIGNMENT_REACH, ALIGNMENT_CELL, ALIGNMENT_VALUE, ALIGNMENT_FIXED = 0.9, 6e-9, 3e-8, 0.2
EXCHANGED_CELL, SAMPLED_CELL = 7e-10, 1e-7
SVM_FITS, RANKED_CELL, DRAWN_CELL = 2.0, 1e-8, 1e-8  # fits in `SVM_VALUE`; a cosine that is compared; a weight of the bootstrap


def statistics(size: Size, analysis: AnalysisConfig) -> Work:
    n, d = size.pairs, size.dim
    return Work(
        stage="gap, cosine, spectrum",
        flops=MODALITIES * 2.0 * n * d * d * MOMENTS,
        reach=STATISTICS_REACH,
        seconds=STATISTICS_ELEMENT * n * d + STATISTICS_EIGEN * d**3,
        read=1.5 * set_bytes(size),
        memory=block_bytes(size, analysis) + 32.0 * d * d,
        words=f"one reading of {n:,} pairs: products of all pairs of {d:,} dimensions, for images and for texts",
    )


def separability(size: Size, analysis: AnalysisConfig) -> Work:
    n = min(size.pairs, analysis.separability.max_pairs)
    return Work(
        stage="separability",
        seconds=SVM_VALUE * MODALITIES * n**SVM_POWER * size.dim + SVM_FIXED * size.dim / 512,
        read=set_bytes(size) * n / size.pairs,
        memory=float(5 * 8 * MODALITIES * n * size.dim),
        cores=2,
        words=f"fits of {n:,} pairs (analysis.separability.max_pairs), at most; how many steps they take depends on the data",
    )


def retrieval(size: Size, analysis: AnalysisConfig) -> Work:
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
        read=set_bytes(size) * candidates / size.pairs * passes,
        memory=2 * block_bytes(size, analysis),
        words=words,
        warning=_square(flops, size.pairs, config) if not drawn else "",
    )


def _square(flops: float, pairs: int, config: Any) -> str:
    """What helps where retrieval grows with the square of the pairs."""
    if flops < QUADRATIC:
        return ""
    setting = "analysis.retrieval.queries=20000" if hasattr(config, "queries") else "analysis.retrieval.max_pairs=100000"
    return f"it grows with the square of the pairs ({pairs:,} here): {setting} makes it grow with the pairs"


def alignment(size: Size, analysis: AnalysisConfig) -> Work:
    n, config = size.pairs, analysis.alignment
    exact = n <= config.exact_rows
    cells = 3.0 * n * n if exact else 0.0
    drawn = 0 if exact else config.sample_pairs
    return Work(
        stage="alignment",
        flops=2.0 * cells * size.dim,
        reach=ALIGNMENT_REACH,
        seconds=ALIGNMENT_CELL * cells + ALIGNMENT_VALUE * size.dim * (n + 3 * drawn) + ALIGNMENT_FIXED,
        read=set_bytes(size) * (1 + (not exact)),
        memory=2 * block_bytes(size, analysis),
        words=f"distances of {n:,} pairs" + ("" if exact else f", and of {drawn:,} drawn pairs of rows (analysis.alignment.sample_pairs)"),
    )


def gap_measures(size: Size, analysis: AnalysisConfig) -> Work:
    config = analysis.gap_measures
    pairs = min(size.pairs, config.sample)
    cells = float((MODALITIES * pairs) ** 2)
    return Work(
        stage="gap_measures",
        flops=10 * 2.0 * cells * size.dim,
        reach=EXACT_REACH,
        seconds=cells * (EXCHANGED_CELL * config.draws + SAMPLED_CELL) + STATISTICS_EIGEN * size.dim**3,
        read=set_bytes(size) * pairs / size.pairs,
        memory=8 * 8.0 * cells,
        cores=EXCHANGE_CORES,
        words=f"{pairs:,} pairs (analysis.gap_measures.sample) among themselves, {config.draws:,} exchanges of them",
    )


def interventions(size: Size, analysis: AnalysisConfig) -> Work:
    config = analysis.interventions
    pairs = min(size.pairs, config.sample)
    points = 3 + len({*config.shifts, 1.0}) + len(config.dropped)
    half, d = pairs / 2, size.dim
    fit = SVM_VALUE * MODALITIES * half**SVM_POWER * d / SVM_FITS
    return Work(
        stage="interventions",
        flops=points * 2 * 2.0 * half * half * d,
        reach=RETRIEVAL_REACH,
        seconds=points * (fit + RANKED_CELL * half * half + DRAWN_CELL * config.draws * half) + STATISTICS_EIGEN * d**3,
        read=set_bytes(size) * pairs / size.pairs,
        memory=8.0 * half * (8 * d + config.draws),
        words=f"{points} interventions on {pairs:,} pairs (analysis.interventions.sample): retrieval of one half, a classifier each",
    )
