"""What layouts and clusters show in this run, in sentences: Figs 4, 5, 7, 16 and 17, and the table of layouts."""

from collections.abc import Sequence

from tda.config.stages import ReportConfig
from tda.report.data.evidence import each, known, name, value
from tda.report.data.load import Cell
from tda.report.data.words import fixed, listing, percent
from tda.report.topics.rules import APART, INTERWOVEN, other_share
from tda.report.topics.sentences import by_verdict, span

TRUST = ("umap", "trustworthiness")
SAMPLE = ("rows", "sample")  # metrics of the second sample
_DEGREES = ("keep apart", "meet in places", "are interwoven")


def _degree(share: float) -> str:
    return _DEGREES[0] if share <= APART else _DEGREES[2] if share >= INTERWOVEN else _DEGREES[1]


def layouts(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """In which models the layout keeps the modalities apart."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        shares = {name(cell.encoder, config): other_share(cell, "layout") or 0.0 for cell in group}
        verdicts = by_verdict({model: _degree(share) for model, share in shares.items()}, _DEGREES)
        found = f"{span(shares.values(), percent)} of neighbours on the layout are of the other one"
        return f"On {dataset}, the modalities {verdicts}: {found}{_ambient(group)}."

    return each([cell for cell in cells if other_share(cell, "layout") is not None], [], sentence)


def _ambient(group: Sequence[Cell]) -> str:
    """The same share in the space itself: a layout may mix what the space does not."""
    shares = [share for cell in group if (share := other_share(cell, "ambient")) is not None]
    return f", {span(shares, percent)} in the space itself" if shares else ""


def clusters(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """How many clusters there are, of one modality or both, and in which models they are most and least the same under another seed."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        count = span((known(cell, "clusters", "count") for cell in group), lambda number: f"{number:,.0f}")
        pure = [one for cell in group if (one := value(cell, "clusters", "modality", "pure_fraction")) is not None]
        of_one = f", {span(pure, percent)} of them of one modality" if pure else ""
        return f"On {dataset}, HDBSCAN finds {count} clusters{of_one}{_stable(group, config)}."

    return each(cells, [("clusters", "count")], sentence)


def _stable(group: Sequence[Cell], config: ReportConfig) -> str:
    """Agreement of clusterings under several seeds, where it was measured."""
    found = {name(cell.encoder, config): value(cell, "clusters", "stability", "across_seeds") for cell in group}
    agreement = {model: one for model, one in found.items() if one is not None}
    if not agreement:
        return ""
    high, low = (choose(agreement, key=lambda model: agreement[model]) for choose in (max, min))
    if high == low:
        return f"; agreement across seeds is {fixed(agreement[high])}"
    return f"; agreement across seeds is highest in {high}, {fixed(agreement[high])}, and lowest in {low}, {fixed(agreement[low])}"


def beyond_the_sample(cells: Sequence[Cell]) -> list[str]:
    """How far clusters of the fitted sample stand for the rows outside it, where there are any."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        found = [one for cell in group if (one := value(cell, *SAMPLE, "agreement")) is not None]
        noise = (span((known(cell, *SAMPLE, side) for cell in group), percent) for side in ("noise_in", "noise_out"))
        words = "noise is {} of the fitted rows and {} of others".format(*noise)
        alike = f"; a fit of other pairs agrees with these labels at {span(found, fixed)} (adjusted Rand index)" if found else ""
        return f"On {dataset}, clusters are fitted on a sample: {words}{alike}."

    return each([cell for cell in cells if value(cell, *SAMPLE, "noise_out") is not None], [], sentence)


def sweeps(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Whether the separation, or the mixing, holds under all settings of the layout."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        mixed = {name(cell.encoder, config): _mixing(cell) for cell in group}
        held = {model: _holds(shares) for model, shares in mixed.items()}
        mixing = span((share for shares in mixed.values() for share in shares), percent)
        verdicts = by_verdict(held, dict.fromkeys(held.values()))
        return f"On {dataset}, the modalities {verdicts}: mixing {mixing}{_ambient(group)}{_laid_out(group)}."

    return each([cell for cell in cells if _mixing(cell)], [], sentence)


def _laid_out(group: Sequence[Cell]) -> str:
    """The settings that the layouts of a sweep share, where sweep.json holds them."""
    pairs = [int(cell.sweep["pairs_used"]) for cell in group if cell.sweep.get("pairs_used")]
    return f" (layouts of {span(pairs, lambda number: f'{number:,.0f}')} pairs, sweep.max_pairs)" if pairs else ""


def _mixing(cell: Cell) -> list[float]:
    """Share of the other modality among neighbours, under each setting where it was measured."""
    return [float(one["mixing"]) for one in cell.sweep.get("cells", []) if one.get("mixing") is not None]


def _holds(mixed: Sequence[float]) -> str:
    counts = {degree: sum(_degree(share) == degree for share in mixed) for degree in _DEGREES}
    for degree, count in counts.items():
        if count == len(mixed):
            return f"{degree} under all {count} settings" if count > 1 else f"{degree} under the one setting"
    return f"{listing(f'{degree} under {count}' for degree, count in counts.items() if count)} of {len(mixed)} settings"
