"""What spectra show in this run, in sentences: Figs 9 to 12, and the table of dimension."""

from collections.abc import Mapping, Sequence

from tda.config import ReportConfig
from tda.geometry.spectrum.collapse import Collapse
from tda.report.data.evidence import ABOUT, each, few_rows, known, name, under_the_floor, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import listing

TWO_NN = ("dimension", "two_nn", "both", "value")
_ORDER = {"complete": "complete collapse", "dimensional": "dimensional collapse", "none": "no collapse"}


def spectrum(cells: Sequence[Cell], config: ReportConfig, modality: str) -> list[str]:
    """Whether and where spectra collapse, and whose effective rank is highest (Figs 10 to 12)."""
    path = ("spectrum", modality, "effective_rank")

    def tell(dataset: str, group: list[Cell]) -> str:
        ranks = {name(cell.encoder, config): known(cell, *path) for cell in group}
        parts = [_collapse(group, config, modality), _ranks(ranks), _noise(group, config, modality), few_rows(group, modality)]
        return f"On {dataset} {'; '.join(filter(None, parts))}."

    return each(cells, [path, ("dim",), ("pairs",)], tell)


def _collapse(group: list[Cell], config: ReportConfig, modality: str) -> str:
    dims = {cell.encoder: int(known(cell, "dim")) for cell in group}
    found = {cell.encoder: value(cell, "spectrum", modality, "collapse_index") for cell in group}
    fallen = {encoder: int(index) for encoder, index in found.items() if index is not None and index < dims[encoder]}
    if not fallen:
        return "no spectrum collapses"
    reported = [f"{index} of {dims[encoder]} dimensions in {name(encoder, config)}" for encoder, index in fallen.items()]
    if len(set(dims.values())) == 1:  # once is enough
        reported[1:] = [f"{index} in {name(encoder, config)}" for encoder, index in list(fallen.items())[1:]]
    whole = [name(encoder, config) for encoder in found if encoder not in fallen]
    rest = f", not in {listing(whole, 'or')}" if whole else ""
    return f"the spectrum collapses after {listing(reported)}{rest}"


def _noise(group: list[Cell], config: ReportConfig, modality: str) -> str:
    under = {name(cell.encoder, config): under_the_floor(cell, modality) for cell in group}
    if not any(under.values()):
        return ""
    if len(under) > 1 and len(set(under.values())) == 1:
        count = next(iter(under.values()))
        return f"{count} value{'s' * (count > 1)} of each {'are' if count > 1 else 'is'} under the noise floor"
    return f"under the noise floor, values: {listing(f'{count} in {who}' for who, count in under.items() if count)}"


def _ranks(ranks: Mapping[str, float]) -> str:
    high, low = max(ranks, key=lambda who: ranks[who]), min(ranks, key=lambda who: ranks[who])
    if len(ranks) == 1:
        return f"the effective rank is {ranks[high]:.1f}"
    if ranks[high] <= ABOUT * ranks[low]:
        return f"effective ranks are about equal, {ranks[low]:.1f} to {ranks[high]:.1f}"
    return f"the effective rank is highest in {high}, {ranks[high]:.1f}, and lowest in {low}, {ranks[low]:.1f}"


def intrinsic(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Whose rows have the highest intrinsic dimension."""

    def told(cell: Cell) -> str:
        error = value(cell, *TWO_NN[:-1], "stderr")
        return f"{known(cell, *TWO_NN):.1f}{f' ± {error:.1f}' if error is not None else ''} in {name(cell.encoder, config)}"

    def tell(dataset: str, group: list[Cell]) -> str:
        high, low = (choose(group, key=lambda cell: known(cell, *TWO_NN)) for choose in (max, min))
        if len(group) == 1:
            return f"On {dataset} the intrinsic dimension (Two-NN, both modalities) is {told(high)}."
        if known(high, *TWO_NN) <= ABOUT * known(low, *TWO_NN):
            return f"On {dataset} intrinsic dimensions (Two-NN, both modalities) are about equal, {told(low)} to {told(high)}."
        return f"On {dataset} the intrinsic dimension (Two-NN, both modalities) is highest, {told(high)}, and lowest, {told(low)}."

    return each(cells, [TWO_NN], tell)


def collapse(examples: Mapping[str, Collapse], found: Sequence[tuple[Cell, Mapping[str, Collapse]]], run: Run) -> list[str]:
    """Whether drawn cases are told by their names, then what each model shows on each data set."""
    reported = [f"{kind} ({one.note})" for kind, one in examples.items() if kind == one.kind]
    wrong = [kind for kind, one in examples.items() if kind != one.kind]
    drawn = (
        f"All {len(examples)} drawn cases are told apart: {listing(reported)}."
        if not wrong
        else f"Drawn cases told wrongly: {listing(wrong)}."
    )
    return [drawn, *filter(None, (_of_dataset(dataset, found, run) for dataset in run.datasets))]


def _of_dataset(dataset: str, found: Sequence[tuple[Cell, Mapping[str, Collapse]]], run: Run) -> str:
    members: dict[str, list[str]] = {kind: [] for kind in _ORDER}
    for cell, by_modality in found:
        if cell.dataset == dataset:
            names = dict(zip(("image", "text"), cell.modalities, strict=True))
            for kind in _ORDER:
                shown = [f"{names[modality]} {one.index}/{one.dim}" for modality, one in by_modality.items() if one.kind == kind]
                members[kind] += [f"{name(cell.encoder, run.config)} ({', '.join(shown)})"] * bool(shown)
    reported = [f"{words} in {listing(members[kind])}" for kind, words in _ORDER.items() if members[kind]]
    bound = few_rows([cell for cell, _ in found if cell.dataset == dataset], "image")
    return f"On {dataset} there is {'; '.join([*reported, *filter(None, [bound])])}." if reported else ""
