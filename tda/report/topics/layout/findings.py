"""What layouts and clusters show in this run, in sentences: Figs 4, 5, 7, 16 and 17, and the table of layouts."""

from collections.abc import Callable, Sequence

from tda.config.stages import ReportConfig
from tda.report.data.evidence import APART, INTERWOVEN, each, known, name, other_share, value
from tda.report.data.load import Cell
from tda.report.data.words import fixed, listing, percent

TRUST = ("umap", "trustworthiness")


def layouts(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """In which models the layout keeps the modalities apart, and how far it may be trusted."""
    kinds: dict[str, Callable[[float], bool]] = {
        "keep apart in": lambda share: share <= APART,
        "meet in places in": lambda share: APART < share < INTERWOVEN,
        "are interwoven in": lambda share: share >= INTERWOVEN,
    }

    def tell(dataset: str, group: list[Cell]) -> str:
        shares = {name(cell.encoder, config): other_share(cell, "layout") or 0.0 for cell in group}
        found = {verb: [f"{who} at {percent(share)}" for who, share in shares.items() if test(share)] for verb, test in kinds.items()}
        reported = [f"{verb} {listing(members)}" for verb, members in found.items() if members]
        return f"On {dataset}, by the share of the other one among nearest neighbours on the layout, the modalities {'; '.join(reported)}."

    return each([cell for cell in cells if other_share(cell, "layout") is not None], [], tell)


def clusters(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """How many clusters there are, of one modality or both, and whether they come back under another seed."""

    def told(cell: Cell) -> str:
        stable, pure = value(cell, "clusters", "stability", "across_seeds"), value(cell, "clusters", "modality", "pure_fraction")
        again = f"{fixed(stable)} agreement across seeds" if stable is not None else ""
        parts = [f"{percent(pure)} of one modality" if pure is not None else "", again]
        rest = ", ".join(filter(None, parts))
        return f"{int(known(cell, 'clusters', 'count')):,} in {name(cell.encoder, config)}{f' ({rest})' if rest else ''}"

    def tell(dataset: str, group: list[Cell]) -> str:
        return f"On {dataset} HDBSCAN finds clusters: {listing(told(cell) for cell in group)}."

    return each(cells, [("clusters", "count")], tell)


def sweeps(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Whether the separation, or the mixing, holds under all settings of the layout."""

    def told(cell: Cell) -> str:
        mixed = [float(one["mixing"]) for one in cell.sweep["cells"] if one.get("mixing") is not None]
        return f"{_holds(mixed)} in {name(cell.encoder, config)}, mixing {percent(min(mixed))} to {percent(max(mixed))}"

    def tell(dataset: str, group: list[Cell]) -> str:
        count = max(len(cell.sweep["cells"]) for cell in group)
        return f"On {dataset}, over {count} settings, the modalities {'; '.join(told(cell) for cell in group)}."

    return each([cell for cell in cells if any(one.get("mixing") is not None for one in cell.sweep.get("cells", []))], [], tell)


def _holds(mixed: Sequence[float]) -> str:
    if max(mixed) <= APART:
        return "keep apart under every one"
    if min(mixed) >= INTERWOVEN:
        return "are interwoven under every one"
    if min(mixed) > APART and max(mixed) < INTERWOVEN:
        return "meet in places under every one"
    apart, woven = sum(share <= APART for share in mixed), sum(share >= INTERWOVEN for share in mixed)
    counts = {"keep apart": apart, "meet in places": len(mixed) - apart - woven, "are interwoven": woven}
    return f"{listing(f'{what} under {count}' for what, count in counts.items() if count)} of {len(mixed)}"
