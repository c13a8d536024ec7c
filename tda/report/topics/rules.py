"""The rules by which sentences choose their words: thresholds, and comparisons of numbers of a run.

A cell is a (data set, encoder). Cosines lie in [-1, 1], fractions in [0, 1].
"""

import math
from collections.abc import Sequence

import numpy as np

from tda.columns import Columns
from tda.geometry.spectrum.fall import LEAST_ROWS, Fall, fall
from tda.report.data.evidence import known, value
from tda.report.data.load import Cell
from tda.report.data.words import percent

ABOUT = 1.25  # two gaps or ranks within this ratio are about equal
HALF = 0.5  # a change that leaves at most this share of the gap has closed most of it
SEPARATES = 0.95  # accuracy from which modalities count as separated
MIXED = 0.6  # accuracy up to which they count as mixed; 0.5 is chance
APART, INTERWOVEN = 0.05, 0.25  # share of the other modality among nearest neighbours: up to the first, from the second
LEAST_DIFFERENCE = 0.01  # top-1 fractions nearer than this are about equal, whatever the sample

RULES = (
    f"Two gaps, dimensions, d′, angles or sums of lifetimes are “about equal” within a factor of {ABOUT}.",
    "Two gaps are also “about equal” when both are below twice what N pairs without any gap show by chance, √((2 − 2 · pair cosine) / N).",
    f"Modalities count as separated from an accuracy of {percent(SEPARATES)} on and as mixed up to {percent(MIXED)}; chance is 50%.",
    f"On a layout modalities keep apart where at most {percent(APART)} of nearest neighbours are of the other, chance being half.",
    f"They are interwoven from {percent(INTERWOVEN)} on.",
    f"Two top-1 accuracies are “about equal” within two standard errors, and always within {percent(LEAST_DIFFERENCE)}.",
    "One data set is nearer to a reference than another where the 95% interval of the difference of their medians excludes 0.",
    (
        "The gap costs retrieval where a shift that closes it raises a number and the 99% interval of the change excludes 0; a number is "
        "unchanged where that interval lies within 2 points of 0."
    ),
    "Pairs of models are “about equally alike” where the 95% intervals of the most and the least alike overlap.",
    "A correlation is clear where its 95% interval excludes 0; size changes it where the plain one lies outside the interval given size.",
    "Cosine distributions are compared by d′: the distance of their means in units of their pooled standard deviation.",
    "A spectrum collapses where it drops, by half a decade in one step, to under a threshold (10⁻³ unless configured) times the largest.",
    "That step is three times those around it. A spectrum that passes the threshold without one fades, as a power law does.",
)
TOP1 = (("retrieval", "image_to_text", "top1"), ("retrieval", "text_to_image", "top1"))
GAP = ("gap", "centroid_distance")


def gap_of(cell: Cell) -> float:
    return known(cell, *GAP)


def gap_by_chance(cell: Cell) -> float:
    """Centroid distance that N pairs with equal means and this pair cosine show: sqrt((2 - 2 cos) / N)."""
    pair = value(cell, "cosine", "pair", "mean") or 0.0
    return math.sqrt(max(2 - 2 * pair, 0) / max(value(cell, "pairs") or 1, 1))


def same_gap(one: Cell, other: Cell) -> bool:
    if all(gap_of(cell) < 2 * gap_by_chance(cell) for cell in (one, other)):
        return True
    return max(gap_of(one), gap_of(other)) <= ABOUT * min(gap_of(one), gap_of(other))


def gap_ratio(before: Cell, after: Cell) -> float:
    return gap_of(after) / max(gap_of(before), 1e-12)


def shared_part(cell: Cell) -> float:
    """The fraction of the partners' mean squared distance that is due to the gap, and so common to all pairs."""
    return gap_of(cell) ** 2 / max(2 - 2 * known(cell, "cosine", "pair", "mean"), 1e-12)


def other_share(cell: Cell, space: str) -> float | None:
    """Share of the other modality among nearest neighbours, in the `ambient` space or on the `layout`."""
    same = value(cell, "mixing", space)
    return value(cell, "umap", "mixing") if same is None and space == "layout" else None if same is None else 1 - same


def d_prime(cell: Cell) -> float:
    """Distance of the means of pair and random cosine, in pooled standard deviations."""
    apart = known(cell, "cosine", "pair", "mean") - known(cell, "cosine", "random", "mean")
    pair, random = (value(cell, "cosine", kind, "std") or 0.0 for kind in ("pair", "random"))
    return apart / max(math.sqrt((pair**2 + random**2) / 2), 1e-12)


def candidates(cell: Cell) -> int:
    """The number of pairs among which retrieval searched for the partner."""
    return int(value(cell, "retrieval", "pairs_used") or value(cell, "pairs") or 1)


def queries(cell: Cell) -> int:
    """The number of queries, each a pair: all candidates, or those that were drawn."""
    return int(value(cell, "retrieval", "n_queries") or candidates(cell))


def mean_top1(cell: Cell) -> float:
    return sum(known(cell, *path) for path in TOP1) / 2


def same_top1(one: Cell, other: Cell) -> bool:
    """Within two standard errors, computed as for different pairs, which is conservative."""
    p, q = mean_top1(one), mean_top1(other)
    error = math.sqrt(p * (1 - p) / queries(one) + q * (1 - q) / queries(other))
    return abs(p - q) <= max(LEAST_DIFFERENCE, 2 * error)


def loss_ends(curve: Columns) -> tuple[float, float]:
    """Median loss of the first and of the last twentieth of the steps."""
    part = max(1, len(curve["loss"]) // 20)
    return float(np.median(curve["loss"][:part])), float(np.median(curve["loss"][-part:]))


def under_the_floor(cell: Cell, modality: str) -> int:
    part = (cell.metrics.get("spectrum") or {}).get(modality) or {}
    return sum(singular < (part.get("floor") or 0) for singular in part.get("singular_values") or ())


def fall_in(cell: Cell, modality: str) -> Fall | None:
    """How a cell's spectrum falls; None where the values under the threshold are not among those that were measured."""
    part = (cell.metrics.get("spectrum") or {}).get(modality) or {}
    values, under, dim = part.get("singular_values") or [], part.get("collapse_index"), int(value(cell, "dim") or 0)
    if under is None or not values or (len(values) < dim and under >= len(values)):
        return None
    return fall(np.asarray(values, dtype=np.float64), float(part.get("floor") or 0.0), int(under), rows_of(cell, modality))


def rows_of(cell: Cell, modality: str) -> int | None:
    """The rows of a spectrum: pairs, or twice as many of both modalities."""
    pairs = value(cell, "pairs")
    return None if pairs is None else int(pairs) * (2 if modality == "both" else 1)


def few_rows(group: Sequence[Cell], modality: str) -> str:
    """A warning where the number of rows bounds the dimension, or makes the tail of the spectrum."""
    sizes = [(value(cell, "pairs"), value(cell, "dim")) for cell in group]
    rows = [(int(pairs) * (2 if modality == "both" else 1), dim) for pairs, dim in sizes if pairs is not None and dim is not None]
    bound, scant = ([n for n, dim in rows if n <= times * dim] for times in (1, LEAST_ROWS))
    if bound:
        return f"{min(bound):,} rows span at most {min(bound) - 1:,} dimensions, whatever the model"
    return f"{min(scant):,} rows are not {LEAST_ROWS} a dimension: the smallest values show the sample" if scant else ""
