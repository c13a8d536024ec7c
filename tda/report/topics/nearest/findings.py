"""What Fig. 1 shows in this run, in sentences: how near each data set is to a reference, and which of two is nearer."""

from collections.abc import Sequence
from itertools import combinations

from tda.config.stages import ReportConfig
from tda.geometry.shift import Shift, shift
from tda.report.data.evidence import name
from tda.report.data.load import Cell
from tda.report.data.words import fixed, listing
from tda.report.topics.sentences import by_verdict, span
from tda.store.types import VECTORS


def references(cells: Sequence[Cell]) -> list[str]:
    """Every reference that a cell was compared with, each once."""
    return list(dict.fromkeys(reference for cell in cells for reference in cell.closest))


def compared(cells: Sequence[Cell], reference: str) -> list[Cell]:
    return [cell for cell in cells if reference in cell.closest]


def nearest(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """One sentence for each reference, modality and pair of data sets; for one data set alone its medians."""
    reported: list[str] = []
    for reference in references(cells):
        group = compared(cells, reference)
        datasets = list(dict.fromkeys(cell.dataset for cell in group))
        for place, modality in enumerate(VECTORS):
            word = group[0].modalities[place]
            if len(datasets) == 1:
                reported.append(_alone(group, reference, modality, word, config))
            reported += [_apart(group, pair, reference, modality, config=config) for pair in combinations(datasets, 2)]
    return [sentence for sentence in reported if sentence]


def shifts(group: Sequence[Cell], pair: tuple[str, str], reference: str, modality: str) -> dict[str, Shift]:
    """By encoder, the first data set's closest cosines against the second's."""
    of = {(cell.dataset, cell.encoder): cell.closest[reference].values[modality] for cell in group}
    encoders = dict.fromkeys(cell.encoder for cell in group)
    both = [encoder for encoder in encoders if all((dataset, encoder) in of for dataset in pair)]
    return {encoder: shift(of[pair[0], encoder], of[pair[1], encoder]) for encoder in both}


def _alone(group: Sequence[Cell], reference: str, modality: str, word: str, config: ReportConfig) -> str:
    medians = [f"{fixed(cell.closest[reference].median(modality))} in {name(cell.encoder, config)}" for cell in group]
    return f"The median cosine of {group[0].shown} to its closest {word} of {reference} is {listing(medians)}."


def _apart(group: Sequence[Cell], pair: tuple[str, str], reference: str, modality: str, *, config: ReportConfig) -> str:
    found = shifts(group, pair, reference, modality)
    if not found:
        return ""
    shown = {cell.dataset: cell.shown for cell in group}
    one, other = shown[pair[0]], shown[pair[1]]
    first, second, same = f"{one} is nearer than {other}", f"{other} is nearer than {one}", f"{one} and {other} are equally near"
    sides = {encoder: _nearer(moved) for encoder, moved in found.items()}
    words = {name(encoder, config): {1: first, -1: second, 0: same}[side] for encoder, side in sides.items()}
    medians = span((abs(moved.median_difference) for moved in found.values()), fixed)
    word, claim = group[0].modalities[VECTORS.index(modality)], _as_paper(pair, list(sides.values()), config)
    return f"{by_verdict(words, (first, second, same))}, by the closest {word} of {reference}{claim}. Medians differ by {medians}."


def _nearer(one: Shift) -> int:
    """1 where the first data set is nearer, −1 where the second is, 0 where the 95% interval includes both."""
    low, high = one.median_ci95
    return 1 if low > 0 else -1 if high < 0 else 0


def _as_paper(pair: tuple[str, str], sides: Sequence[int], config: ReportConfig) -> str:
    """The paper's claim on LAION and COCO, where the two data sets have these roles: LAION is nearer in every model."""
    roles = [config.datasets.get(dataset) for dataset in pair]
    if sorted(filter(None, roles)) != ["COCO", "LAION"]:
        return ""
    laion = 1 if roles[0] == "LAION" else -1
    return f" ({'as' if all(side == laion for side in sides) else 'unlike'} in the paper: LAION nearer than COCO in every model)"
