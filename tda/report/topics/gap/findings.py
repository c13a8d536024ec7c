"""What this run shows of the gap between modalities, in sentences computed from metrics.json; none was written with a result in mind.

Every function takes the cells (data set, encoder) and returns one sentence a data set, its finding first; what was not measured has no
sentence. `rules.RULES`, printed on the page, lists the thresholds that choose the words.
"""

from collections.abc import Sequence

from tda.config.stages import ReportConfig
from tda.report.data.evidence import each, known, name
from tda.report.data.load import Cell
from tda.report.data.words import fixed, listing, percent
from tda.report.topics.rules import ABOUT, GAP, HALF, MIXED, SEPARATES, d_prime, gap_of, gap_ratio, same_gap, shared_part
from tda.report.topics.sentences import all_of, by_verdict, models_of, span

ARMS = ("InfoNCE", "InfoNCE + Hopfield", "InfoLOOB", "InfoLOOB + Hopfield")
NOTICEABLE = 0.2  # d′ below which true pairs do not stand out: a small effect by the usual measure
PAIR, RANDOM = ("cosine", "pair", "mean"), ("cosine", "random", "mean")


def gap(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Which models have the smaller gap."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        ordered = sorted(group, key=gap_of)
        least, most = ordered[0], ordered[-1]
        if len(ordered) == 1:
            return f"On {dataset}, the gap of {name(least.encoder, config)} is {fixed(gap_of(least))}."
        if same_gap(least, most):
            return f"On {dataset}, all gaps are about equal, {fixed(gap_of(least))} to {fixed(gap_of(most))}."
        small = [cell for cell in ordered if same_gap(least, cell)]
        verb = "have the smallest gaps" if len(small) > 1 else "has the smallest gap"
        times = f"{gap_of(most) / max(gap_of(least), 1e-12):.1f} times"
        return (
            f"On {dataset}, {listing(name(cell.encoder, config) for cell in small)} {verb}, {span(map(gap_of, small), fixed)}; "
            f"the largest, {fixed(gap_of(most))} in {name(most.encoder, config)}, is {times} the smallest."
        )

    return each(cells, [GAP], sentence)


def ablation(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Whether the loss or the Hopfield layer closes the gap: the four arms compared factor by factor. One training has no interval."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        arm = {config.ablation[cell.encoder]: cell for cell in group}
        if not all(label in arm for label in ARMS):
            return ""
        nce, nce_hopfield, loob, loob_hopfield = (arm[label] for label in ARMS)
        seen = _effect(nce, loob), _effect(nce, nce_hopfield)
        return (
            f"On {dataset}, InfoLOOB alone {seen[0]} (× {gap_ratio(nce, loob):.2f}) and Hopfield retrieval alone {seen[1]} "
            f"(× {gap_ratio(nce, nce_hopfield):.2f}). Each added to the other: InfoLOOB "
            f"× {gap_ratio(nce_hopfield, loob_hopfield):.2f}, Hopfield retrieval × {gap_ratio(loob, loob_hopfield):.2f}. "
            "These are four trainings, one of each arm; only several seeds give intervals."
        )

    return each([cell for cell in cells if config.ablation.get(cell.encoder) in ARMS], [GAP], sentence)


_CLOSES, _NARROWS = "closes most of the gap", "narrows the gap"


def _effect(before: Cell, after: Cell) -> str:
    if same_gap(before, after):
        return "leaves the gap about as it is"
    ratio = gap_ratio(before, after)
    return _CLOSES if ratio <= HALF else _NARROWS if ratio < 1 else "widens the gap"


def separability(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """In which models a linear SVM separates the modalities of pairs it has not seen (Table I)."""
    path = ("separability", "heldout", "accuracy")

    def sentence(dataset: str, group: list[Cell]) -> str:
        accuracy = {name(cell.encoder, config): known(cell, *path) for cell in group}
        verdicts = by_verdict({model: _separated(one) for model, one in accuracy.items()}, _DEGREES)
        right = span(accuracy.values(), percent)
        return f"On {dataset}, the modalities are {verdicts}: a linear classifier is right on {right} of unseen rows."

    return each(cells, [path], sentence)


_DEGREES = ("separated", "partly separated", "mixed")


def _separated(accuracy: float) -> str:
    return _DEGREES[0] if accuracy >= SEPARATES else _DEGREES[2] if accuracy <= MIXED else _DEGREES[1]


def two_components(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Whether two principal components separate the modalities (Fig. 2)."""
    path = ("separability", "pca2", "accuracy")

    def sentence(dataset: str, group: list[Cell]) -> str:
        accuracy = {name(cell.encoder, config): known(cell, *path) for cell in group}
        enough = [model for model, one in accuracy.items() if one >= SEPARATES]
        rest = [model for model in accuracy if model not in enough]
        verb = "separate the modalities" if enough else "do not separate the modalities"
        where = models_of(enough, len(accuracy)) if enough else models_of(rest, len(accuracy), negated=True)
        but = f" but not in {listing(rest, 'or')}" if enough and rest else ""
        right = span(accuracy.values(), percent)
        return f"On {dataset}, two principal components {verb} in {where}{but}: a line between them is right on {right} of rows."

    return each(cells, [path], sentence)


def cosine(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """In which models true pairs stand out most and least from random ones (Fig. 3)."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        best, worst = max(group, key=d_prime), min(group, key=d_prime)
        if d_prime(best) < NOTICEABLE:
            who = models_of([name(cell.encoder, config) for cell in group], len(group), negated=True)
            return f"On {dataset}, true pairs do not stand above random ones in {who}."
        if best is worst:
            means = f"mean cosine {fixed(known(best, *PAIR))} against {fixed(known(best, *RANDOM))}"
            return (
                f"On {dataset}, true pairs stand above random ones in {name(best.encoder, config)} (d′ {_tenth(d_prime(best))}): {means}."
            )
        if 0 < d_prime(best) <= ABOUT * d_prime(worst):
            apart = span(map(d_prime, group), _tenth)
            return f"On {dataset}, true pairs stand about equally far above random ones in {all_of(len(group))}: d′ {apart}."
        return (
            f"On {dataset}, true pairs stand furthest above random ones in {name(best.encoder, config)} (d′ {_tenth(d_prime(best))}), "
            f"least in {name(worst.encoder, config)} (d′ {_tenth(d_prime(worst))})."
        )

    return each(cells, [PAIR, RANDOM], sentence)


def _tenth(number: float) -> str:
    return f"{number:.1f}".replace("-", "−")


def joined_pairs(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """How much of the distance between partners is the gap, which all pairs have in common (Figs 6 and 8)."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        parts = [f"{percent(shared_part(cell))} in {name(cell.encoder, config)}" for cell in group]
        return f"On {dataset}, the gap, which all pairs share, makes up {listing(parts)} of the mean squared distance between partners."

    return each(cells, [GAP, PAIR], sentence)
