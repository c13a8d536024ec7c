"""The paper's own figures (Topological Perspectives on Optimal Multimodal Embedding Spaces), as fractions.

Keys are the paper's names: data set, then model. Tables I and II are as printed; the RN50 arms, which the paper does not print, and
its n = 5,000 come from the results that its authors published with their code. CARP's accuracy is from the paper's text.
"""

from collections.abc import Mapping, Sequence

from tda.report.data.evidence import value
from tda.report.data.load import Cell, Run

SEPARABILITY = {  # Table I: accuracy, precision, recall; fitted and scored on the same rows
    ("LAION", "CLIP"): (0.999, 0.998, 0.999),
    ("LAION", "CLOOB"): (0.752, 0.732, 0.802),
    ("COCO", "CLIP"): (1.0, 1.0, 1.0),
    ("COCO", "CLOOB"): (0.996, 0.996, 0.996),
    ("Stories", "CARP"): (0.989, None, None),
}

RETRIEVAL = {  # Table II: text to image top-5, top-1; image to text top-5, top-1
    ("LAION", "CLIP"): (0.991, 0.950, 0.989, 0.950),
    ("LAION", "CLOOB"): (0.956, 0.891, 0.953, 0.876),
    ("COCO", "CLIP"): (0.635, 0.371, 0.653, 0.387),
    ("COCO", "CLOOB"): (0.540, 0.296, 0.568, 0.310),
}

ARMS_TOP1 = {  # RN50 arms on COCO: image to text, text to image
    ("COCO", "InfoNCE"): (0.1654, 0.1780),
    ("COCO", "InfoLOOB"): (0.1006, 0.1042),
    ("COCO", "InfoNCE + Hopfield"): (0.1456, 0.1458),
    ("COCO", "InfoLOOB + Hopfield"): (0.1490, 0.1604),
}

PAIRS = 5000  # of each data set there
DIM = 512  # of both models there

COLLAPSE = {"CLIP": 512, "CLOOB": 400}  # dimensions before the spectrum's collapse, of 512: in the text on Figs 10 to 12, read off a plot


NEAR = 0.1  # how far numbers of pairs may differ from the paper's, as a share of these


def comparable(cell: Cell) -> bool:
    """Whether a number that depends on how many pairs there are was measured among about as many as the paper's."""
    used = value(cell, "retrieval", "pairs_used") or value(cell, "pairs") or 0
    return abs(used - PAIRS) <= NEAR * PAIRS


def collapse_of(run: Run, cell: Cell) -> int | None:
    """The paper's dimensions before the collapse; None for a model of other dimensions than the paper's."""
    return COLLAPSE.get(run.config.models.get(cell.encoder, "")) if value(cell, "dim") == DIM else None


def published(
    run: Run, cell: Cell, figures: Mapping[tuple[str, str], Sequence[float | None]], roles: Mapping[str, str], size: int
) -> Sequence[float | None]:
    """The paper's figures for this cell's data set and model; None where it has none, or where they do not compare with this run's."""
    nothing = (None,) * size
    found = figures.get((run.config.datasets.get(cell.dataset, ""), roles.get(cell.encoder, "")), nothing)
    return found if comparable(cell) else nothing


def less(own: float | None, papers: float | None) -> float | None:
    """This run's number less the paper's."""
    return None if own is None or papers is None else own - papers
