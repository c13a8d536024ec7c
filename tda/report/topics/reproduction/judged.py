"""How a claim of the paper is judged: checks that hold or not, each with its numbers, and one verdict over them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tda.report.data.evidence import name, value
from tda.report.data.load import Cell, Run

REPRODUCED, NOT, UNDECIDABLE = "reproduced here", "not reproduced here", "undecidable here"


@dataclass(frozen=True)
class Check:
    """One part of a claim: whether it holds, None where the numbers cannot decide, and what they are."""

    holds: bool | None
    numbers: str


Judge = Callable[[Run], list[Check]]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A figure, table, prediction or conjecture of the paper: what it says, how that is judged, and what it needs where nothing was found.

    `any_of`: the paper names no data set, so that one on which it holds is enough.
    """

    label: str
    says: str
    judge: Judge
    needs: str
    any_of: bool = False


@dataclass(frozen=True)
class Judged:
    verdict: str
    why: str


def judged(claim: Claim, run: Run) -> Judged:
    """The verdict: reproduced where every check holds, not where one does not, else undecidable."""
    checks = claim.judge(run)
    if not checks:
        return Judged(UNDECIDABLE, claim.needs)
    held = [check.holds for check in checks]
    if claim.any_of and True in held:
        verdict = REPRODUCED
    elif claim.any_of:
        verdict = UNDECIDABLE if None in held else NOT
    else:
        verdict = NOT if False in held else UNDECIDABLE if None in held else REPRODUCED
    return Judged(verdict, "; ".join(dict.fromkeys(check.numbers for check in checks)))


def playing(run: Run, model: str, dataset: str | None = None) -> list[Cell]:
    """Cells whose encoder plays this model of the paper or arm of the ablation, on data sets in this role, or on all."""
    roles = (run.config.models, run.config.ablation)
    cells = [cell for cell in run.cells if any(role.get(cell.encoder) == model for role in roles)]
    return cells if dataset is None else [cell for cell in cells if run.config.datasets.get(cell.dataset) == dataset]


def both(run: Run, one: str, other: str, dataset: str | None = None) -> list[tuple[Cell, Cell]]:
    """Cells of two models on the same data set, on those that have both."""
    others = {cell.dataset: cell for cell in playing(run, other, dataset)}
    return [(cell, others[cell.dataset]) for cell in playing(run, one, dataset) if cell.dataset in others]


def number(
    cells: Iterable[Cell],
    run: Run,
    found: Callable[[Cell], float | None],
    holds: Callable[[float], bool],
    show: Callable[[float], str],
    *,
    named: str = "",
) -> list[Check]:
    """One check a cell in which the number was measured, by its model and data set."""
    measured = [(cell, one) for cell in cells if (one := found(cell)) is not None]
    word = f"{named} " if named else ""
    return [Check(holds(one), f"{name(cell.encoder, run.config)} on {cell.dataset}: {word}{show(one)}") for cell, one in measured]


def at(*path: str) -> Callable[[Cell], float | None]:
    """The number at this path of a cell's metrics."""
    return lambda cell: value(cell, *path)
