"""What the head of the page says of the training data."""

from itertools import combinations

from tda.geometry.shift import Shift
from tda.report.data.evidence import name
from tda.report.data.load import Run
from tda.report.data.words import fixed
from tda.report.topics.nearest.findings import compared, references, shifts
from tda.report.topics.topic import Finding


def seen(run: Run) -> Finding | None:
    """Which of two data sets lies nearer to the reference, by the closest rows of the first model."""
    for reference in references(run.cells):
        group = compared(run.cells, reference)
        for pair in combinations(dict.fromkeys(cell.dataset for cell in group), 2):
            for encoder, one in shifts(group, pair, reference, "image").items():
                what = f"median cosine to the closest {group[0].modalities[0]} in {name(encoder, run.config)}"
                return _finding(one, (run.shown(pair[0]), run.shown(pair[1])), reference, what)
    return None


def _finding(one: Shift, pair: tuple[str, str], reference: str, what: str) -> Finding:
    low, high = one.median_ci95
    clear = low > 0 or high < 0
    near, far = pair if one.median_difference >= 0 else pair[::-1]
    ends = sorted((low, high) if one.median_difference >= 0 else (-low, -high))
    numbers = f"{fixed(abs(one.median_difference))} ({fixed(ends[0])} to {fixed(ends[1])})"
    verb = "lies nearer to" if clear else "lies about as near to"
    than = "than" if clear else "as"
    return Finding(sentence=f"{near} {verb} {reference} {than} {far}: {what} higher by {numbers}.", clear=clear)
