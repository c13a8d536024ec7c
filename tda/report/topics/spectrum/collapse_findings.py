"""What kind of collapse this run shows, in sentences (Fig. 9)."""

from collections.abc import Mapping, Sequence

from tda.geometry.spectrum.collapse import Collapse
from tda.report.data.evidence import few_rows, name
from tda.report.data.load import Cell, Run
from tda.report.data.words import listing

_ORDER = {"complete": "complete collapse", "dimensional": "dimensional collapse", "none": "no collapse"}


def kinds(examples: Mapping[str, Collapse], found: Sequence[tuple[Cell, Mapping[str, Collapse]]], run: Run) -> list[str]:
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
