"""The two models that the head of the page is about, and intervals of the numbers that it names."""

import math
from collections.abc import Sequence

from tda.report.data.evidence import value
from tda.report.data.load import Cell, Run
from tda.report.topics.rules import GAP, gap_by_chance, gap_of

Z = 1.96  # of a 95% interval
PAPER = ("CLIP", "CLOOB")


def heads(run: Run, has: Sequence[str] = GAP) -> list[Cell]:
    """One or two cells of the first data set that has this number.

    The models in the roles of CLIP and CLOOB; else those of the widest and the narrowest gap; else the first and the last.
    """
    for dataset in run.datasets:
        group = [cell for cell in run.of(dataset) if value(cell, *has) is not None]
        roles = {run.config.models.get(cell.encoder): cell for cell in reversed(group)}
        if all(role in roles for role in PAPER):
            return [roles[role] for role in PAPER]
        if all(value(cell, *GAP) is not None for cell in group):
            group = sorted(group, key=gap_of, reverse=True)
        if group:
            return group[:1] if len(group) == 1 else [group[0], group[-1]]
    return []


def wilson(share: float, draws: float) -> tuple[float, float]:
    """The 95% interval of a share of this many draws (Wilson 1927)."""
    middle = (share + Z**2 / (2 * draws)) / (1 + Z**2 / draws)
    half = Z * math.sqrt(share * (1 - share) / draws + Z**2 / (4 * draws**2)) / (1 + Z**2 / draws)
    return max(0.0, middle - half), min(1.0, middle + half)


def gap_interval(cell: Cell) -> tuple[float, float]:
    """A 95% interval of the distance of the modalities' means that is wide enough whatever direction pairs scatter in."""
    most = Z * gap_by_chance(cell)
    return max(0.0, gap_of(cell) - most), gap_of(cell) + most
