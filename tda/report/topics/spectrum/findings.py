"""What spectra show in this run, in sentences: Figs 9 to 12, and the table of dimension."""

from collections.abc import Mapping, Sequence

from tda.config.stages import ReportConfig
from tda.geometry.spectrum.collapse import Collapse
from tda.report.data.evidence import each, known, name, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import listing
from tda.report.topics.rules import ABOUT, few_rows, under_the_floor
from tda.report.topics.sentences import models_of
from tda.report.topics.spectrum.falls import before_collapse, collapsed

TWO_NN = ("dimension", "two_nn", "both", "value")
_ORDER = {"complete": "complete collapse", "dimensional": "dimensional collapse", "fades": "no drop", "none": "no collapse"}


def spectrum(cells: Sequence[Cell], config: ReportConfig, modality: str) -> list[str]:
    """Whether and where spectra collapse, and which model has the highest effective rank (Figs 10 to 12)."""
    path = ("spectrum", modality, "effective_rank")

    def sentence(dataset: str, group: list[Cell]) -> str:
        ranks = {name(cell.encoder, config): known(cell, *path) for cell in group}
        parts = [collapsed(group, config, modality), _ranks(ranks), few_rows(group, modality)]
        return f"On {dataset}, {'; '.join(filter(None, parts))}.{_noise(group, config, modality)}"

    return each(cells, [path, ("dim",), ("pairs",)], sentence)


def _noise(group: list[Cell], config: ReportConfig, modality: str) -> str:
    """How many singular values storage and rounding decide: a caution, after the finding."""
    under = {name(cell.encoder, config): count for cell in group if (count := under_the_floor(cell, modality))}
    parts = [f"{count} value{'s' * (count > 1)} of {model}" for model, count in under.items()]
    if len(under) == len(group) > 1 and len(set(under.values())) == 1:
        count = next(iter(under.values()))
        parts = [f"{count} value{'s' * (count > 1)} of each"]
    return f" Under the noise floor: {listing(parts)}." if parts else ""


def _ranks(ranks: Mapping[str, float]) -> str:
    high, low = max(ranks, key=lambda who: ranks[who]), min(ranks, key=lambda who: ranks[who])
    if len(ranks) == 1:
        return f"the effective rank is {ranks[high]:.1f}"
    if ranks[high] <= ABOUT * ranks[low]:
        return f"effective ranks are about equal, {ranks[low]:.1f} to {ranks[high]:.1f}"
    return f"the effective rank is highest in {high}, {ranks[high]:.1f}, and lowest in {low}, {ranks[low]:.1f}"


UNBIASED = 5  # dimensions up to which neighbours are near enough
TOO_LOW = f"± is sampling error alone; above {UNBIASED} dimensions the estimates are too low by more than that."


def intrinsic(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """In which model the rows have the highest intrinsic dimension."""
    what = "(Two-NN, both modalities)"

    def number(cell: Cell) -> str:
        error = value(cell, *TWO_NN[:-1], "stderr")
        return f"{known(cell, *TWO_NN):.1f}{f' ± {error:.1f}' if error is not None else ''}"

    def sentence(dataset: str, group: list[Cell]) -> str:
        high, low = (choose(group, key=lambda cell: known(cell, *TWO_NN)) for choose in (max, min))
        first, last = (name(cell.encoder, config) for cell in (high, low))
        if len(group) == 1:
            return f"On {dataset}, the intrinsic dimension {what} is {number(high)} in {first}."
        if known(high, *TWO_NN) <= ABOUT * known(low, *TWO_NN):
            return f"On {dataset}, all intrinsic dimensions {what} are about equal, {number(low)} to {number(high)}."
        return f"On {dataset}, the intrinsic dimension {what} is highest in {first}, {number(high)}, and lowest in {last}, {number(low)}."

    def with_bias(dataset: str, group: list[Cell]) -> str:
        highest = max(known(cell, *TWO_NN) for cell in group)
        return sentence(dataset, group) + (f" {TOO_LOW}" if highest > UNBIASED else "")

    return each(cells, [TWO_NN], with_bias)


def collapse(examples: Mapping[str, Collapse], found: Sequence[tuple[Cell, Mapping[str, Collapse]]], run: Run) -> list[str]:
    """What kind of collapse each data set shows, then whether drawn cases are classified correctly (Fig. 9)."""
    right = [f"{kind} ({one.note})" for kind, one in examples.items() if kind == one.kind]
    wrong = [f"{kind} as {one.kind}" for kind, one in examples.items() if kind != one.kind]
    drawn = f"Drawn cases are misclassified: {listing(wrong)}." if wrong else f"All drawn cases are classified correctly: {listing(right)}."
    shown = [_of_dataset(run.shown(dataset), [one for one in found if one[0].dataset == dataset], run) for dataset in run.datasets]
    return [*filter(None, shown), drawn]


def _of_dataset(dataset: str, found: Sequence[tuple[Cell, Mapping[str, Collapse]]], run: Run) -> str:
    kinds = {one.kind for _, by_modality in found for one in by_modality.values()}
    if not kinds:
        return ""
    words = _alike(kinds.pop(), found, run) if len(kinds) == 1 else "; ".join(_by_kind(found, run))
    bound = few_rows([cell for cell, _ in found], "image")
    return f"On {dataset}, there is {'; '.join(filter(None, [words, bound]))}."


def _alike(kind: str, found: Sequence[tuple[Cell, Mapping[str, Collapse]]], run: Run) -> str:
    """One kind in both modalities of all models."""
    names = [name(cell.encoder, run.config) for cell, by_modality in found if by_modality]
    counts = [(one.index, one.dim) for _, by_modality in found for one in by_modality.values()]
    if kind == "none":
        return f"no collapse in {models_of(names, len(names), negated=True)}"
    if kind == "fades":
        words = models_of(names, len(names), negated=True)
        return f"no collapse in {words}: values fade under the threshold after {before_collapse(counts)}, without a drop"
    return f"{_ORDER[kind]} in {models_of(names, len(names))}, after {before_collapse(counts)}"


def _by_kind(found: Sequence[tuple[Cell, Mapping[str, Collapse]]], run: Run) -> list[str]:
    """Each kind with the models and modalities that show it."""
    members: dict[str, list[str]] = {kind: [] for kind in _ORDER}
    for cell, by_modality in found:
        names = dict(zip(("image", "text"), cell.modalities, strict=True))
        for kind in _ORDER:
            shown = [f"{names[modality]} {one.index}/{one.dim}" for modality, one in by_modality.items() if one.kind == kind]
            members[kind] += [f"{name(cell.encoder, run.config)} ({', '.join(shown)})"] * bool(shown)
    return [f"{words} in {listing(members[kind])}" for kind, words in _ORDER.items() if members[kind]]
