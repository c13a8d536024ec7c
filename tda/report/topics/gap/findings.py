"""What this run shows, in sentences computed from metrics.json; none was written with a result in mind.

Every function takes the cells (data set, encoder) and returns one sentence a data set; a number that was not measured leaves its
sentence out. `evidence.RULES`, printed on the page, says which thresholds choose the words.
"""

from collections.abc import Callable, Sequence

from tda.config import ReportConfig
from tda.report.data.evidence import (
    GAP,
    HALF,
    MIXED,
    SEPARATES,
    d_prime,
    each,
    gap_of,
    gap_ratio,
    known,
    name,
    same_gap,
    shared_part,
)
from tda.report.data.load import Cell
from tda.report.data.words import fixed, listing, percent

ARMS = ("InfoNCE", "InfoNCE + Hopfield", "InfoLOOB", "InfoLOOB + Hopfield")
PAIR, RANDOM = ("cosine", "pair", "mean"), ("cosine", "random", "mean")


def gap(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Which models have the smaller gap."""

    def tell(dataset: str, group: list[Cell]) -> str:
        ordered = sorted(group, key=gap_of)
        least, most = ordered[0], ordered[-1]
        if len(ordered) == 1:
            return f"On {dataset} the gap of {name(least.encoder, config)} is {fixed(gap_of(least))}."
        if same_gap(least, most):
            return f"On {dataset} all gaps are about equal, {fixed(gap_of(least))} to {fixed(gap_of(most))}."
        small = [f"{name(cell.encoder, config)} at {fixed(gap_of(cell))}" for cell in ordered if same_gap(least, cell)]
        times = f"{gap_of(most) / max(gap_of(least), 1e-12):.1f} times the smallest"
        verb = "have the smaller gaps" if len(small) > 1 else "has the smallest gap"
        return f"On {dataset} {listing(small)} {verb}; the largest, {name(most.encoder, config)} at {fixed(gap_of(most))}, is {times}."

    return each(cells, [GAP], tell)


def ablation(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Whether the loss or the Hopfield layer closes the gap: the four arms compared factor by factor."""

    def tell(dataset: str, group: list[Cell]) -> str:
        arm = {config.ablation[cell.encoder]: cell for cell in group}
        if not all(label in arm for label in ARMS):
            return ""
        nce, nce_hopfield, loob, loob_hopfield = (arm[label] for label in ARMS)
        seen = _effect(nce, loob), _effect(nce, nce_hopfield)
        as_paper = "Unlike" if seen[0] != _CLOSES or seen[1] == _CLOSES else "Partly as" if seen[1] == _NARROWS else "As"
        return (
            f"On {dataset} InfoLOOB in place of InfoNCE multiplies the gap by {gap_ratio(nce, loob):.2f} without Hopfield retrieval "
            f"and by {gap_ratio(nce_hopfield, loob_hopfield):.2f} with it; adding Hopfield retrieval multiplies it by "
            f"{gap_ratio(nce, nce_hopfield):.2f} under InfoNCE and by {gap_ratio(loob, loob_hopfield):.2f} under InfoLOOB. "
            f"{as_paper} in the paper, InfoLOOB alone {seen[0]} and Hopfield retrieval alone {seen[1]}."
        )

    return each([cell for cell in cells if config.ablation.get(cell.encoder) in ARMS], [GAP], tell)


_CLOSES, _NARROWS = "closes most of the gap", "narrows the gap"


def _effect(before: Cell, after: Cell) -> str:
    if same_gap(before, after):
        return "leaves the gap about as it is"
    ratio = gap_ratio(before, after)
    return _CLOSES if ratio <= HALF else _NARROWS if ratio < 1 else "widens the gap"


def separability(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """How well a linear SVM tells the modalities apart on pairs it has not seen (Table I)."""
    path = ("separability", "heldout", "accuracy")
    kinds: dict[str, Callable[[float], bool]] = {
        "separated in": lambda a: a >= SEPARATES,
        "partly separated in": lambda a: MIXED < a < SEPARATES,
        "mixed in": lambda a: a <= MIXED,
    }

    def tell(dataset: str, group: list[Cell]) -> str:
        accuracy = {name(cell.encoder, config): known(cell, *path) for cell in group}
        found = {verb: [f"{who} at {percent(a)}" for who, a in accuracy.items() if test(a)] for verb, test in kinds.items()}
        reported = [f"{verb} {listing(members)}" for verb, members in found.items() if members]
        return f"On {dataset}, scored on pairs that the classifier has not seen, the modalities are {'; '.join(reported)}."

    return each(cells, [path], tell)


def two_components(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Whether two principal components part the modalities (Fig. 2)."""
    path = ("separability", "pca2", "accuracy")

    def tell(dataset: str, group: list[Cell]) -> str:
        enough: list[str] = []
        rest: list[str] = []
        for cell in group:
            accuracy = known(cell, *path)
            (enough if accuracy >= SEPARATES else rest).append(f"{name(cell.encoder, config)} at {percent(accuracy)}")
        reported = [f"part the modalities in {listing(enough)}"] * bool(enough) + [f"do not part them in {listing(rest, 'or')}"] * bool(
            rest
        )
        words = " and ".join(reported) if enough else reported[0].replace("them", "the modalities")
        return f"On {dataset} two principal components {words}."

    return each(cells, [path], tell)


def cosine(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """How far true pairs stand from random ones (Fig. 3)."""

    def told(cell: Cell) -> str:
        means = f"mean cosine {fixed(known(cell, *PAIR))} against {fixed(known(cell, *RANDOM))}"
        return f"{name(cell.encoder, config)}: {means}, d′ {d_prime(cell):.1f}"

    def tell(dataset: str, group: list[Cell]) -> str:
        best, worst = max(group, key=d_prime), min(group, key=d_prime)
        if best is worst:
            return f"On {dataset}, true pairs against random ones in {told(best)}."
        return f"On {dataset} true pairs stand furthest from random ones in {told(best)}; nearest in {told(worst)}."

    return each(cells, [PAIR, RANDOM], tell)


def joined_pairs(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """How much of the way between partners is the gap, and so common to all pairs (Figs 6 and 8)."""

    def tell(dataset: str, group: list[Cell]) -> str:
        parts = [f"{percent(shared_part(cell))} in {name(cell.encoder, config)}" for cell in group]
        return (
            f"On {dataset} the shift that all pairs share is this much of their mean squared distance, in all dimensions: {listing(parts)}."
        )

    return each(cells, [GAP, PAIR], tell)
