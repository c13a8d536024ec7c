"""What Fig. 1 shows in this run: how near each data set comes to a reference, and how far two data sets stand apart in that."""

from collections.abc import Sequence
from itertools import combinations

from tda.config.stages import ReportConfig
from tda.geometry.shift import Shift, shift
from tda.report.data.evidence import name
from tda.report.data.load import Cell
from tda.report.data.words import fixed, listing
from tda.store.commit.parquet import VECTORS

RULE = "One data set lies nearer to a reference than another where the 95% interval of their medians' difference leaves 0 out."


def references(cells: Sequence[Cell]) -> list[str]:
    """Every reference that any cell was compared with, each once."""
    return list(dict.fromkeys(reference for cell in cells for reference in cell.closest))


def compared(cells: Sequence[Cell], reference: str) -> list[Cell]:
    return [cell for cell in cells if reference in cell.closest]


def nearest(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """One sentence a reference, modality, and two data sets; of one data set alone its medians."""
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
    of = {(cell.dataset, cell.encoder): cell.closest[reference].counts[modality] for cell in group}
    encoders = dict.fromkeys(cell.encoder for cell in group)
    both = [encoder for encoder in encoders if all((dataset, encoder) in of for dataset in pair)]
    return {encoder: shift(of[pair[0], encoder], of[pair[1], encoder]) for encoder in both}


def _alone(group: Sequence[Cell], reference: str, modality: str, word: str, config: ReportConfig) -> str:
    medians = [f"{fixed(cell.closest[reference].median(modality))} in {name(cell.encoder, config)}" for cell in group]
    return f"The closest {word} of {reference} stands at a median cosine, for {group[0].dataset}, of {listing(medians)}."


def _apart(group: Sequence[Cell], pair: tuple[str, str], reference: str, modality: str, *, config: ReportConfig) -> str:
    found = shifts(group, pair, reference, modality)
    if not found:
        return ""
    verdicts = {
        f"{pair[0]} lies nearer than {pair[1]}": [e for e, one in found.items() if one.median_ci95[0] > 0],
        f"{pair[1]} lies nearer than {pair[0]}": [e for e, one in found.items() if one.median_ci95[1] < 0],
        f"{pair[0]} and {pair[1]} lie equally near": [e for e, one in found.items() if one.median_ci95[0] <= 0 <= one.median_ci95[1]],
    }
    parts = [f"{verdict} in {_whom(who, found, config)}" for verdict, who in verdicts.items() if who]
    word, claim = group[0].modalities[VECTORS.index(modality)], _as_paper(pair, verdicts, found, config)
    medians = " to ".join(dict.fromkeys(fixed(part([abs(one.median_difference) for one in found.values()])) for part in (min, max)))
    return f"By their closest {word} of {reference}, {'; '.join(parts)}{claim}. Their medians differ by {medians}."


def _whom(who: Sequence[str], found: dict[str, Shift], config: ReportConfig) -> str:
    if len(who) == len(found) > 1:
        return f"all {len(who)} models"
    return listing(name(encoder, config) for encoder in who)


def _as_paper(pair: tuple[str, str], verdicts: dict[str, list[str]], found: dict[str, Shift], config: ReportConfig) -> str:
    """The paper's claim, where these are the data sets that it speaks of: LAION nearer than COCO in every model."""
    roles = [config.datasets.get(dataset) for dataset in pair]
    if sorted(filter(None, roles)) != ["COCO", "LAION"]:
        return ""
    first = next(iter(verdicts.values())) if roles[0] == "LAION" else list(verdicts.values())[1]
    return f", {'as' if len(first) == len(found) else 'unlike'} in the paper, where LAION is nearer than COCO in every model"
