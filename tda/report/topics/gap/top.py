"""What the head of the page says of the gap, of what closes it, and of separability."""

from tda.report.data.evidence import name, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import fixed, percent
from tda.report.topics.gap.findings import ARMS
from tda.report.topics.heads import gap_interval, heads, wilson
from tda.report.topics.rules import GAP, gap_by_chance, gap_of, gap_ratio, same_gap
from tda.report.topics.topic import Finding

HELDOUT = ("separability", "heldout", "accuracy")


def gap(run: Run) -> Finding | None:
    """How wide the gap is in one model, and how many times as wide as in the other."""
    found = heads(run)
    if not found:
        return None
    wide = max(found, key=gap_of)
    low, high = gap_interval(wide)
    sides = " and ".join(wide.modalities).capitalize()
    start = f"{sides} lie {fixed(gap_of(wide))} apart in {name(wide.encoder, run.config)} (95% interval {fixed(low)} to {fixed(high)})"
    if len(found) == 1 or same_gap(*found):
        other = [cell for cell in found if cell is not wide]
        also = f", and about as far in {name(other[0].encoder, run.config)}" if other else ""
        return Finding(sentence=f"{start}{also}.", clear=not other and gap_of(wide) > 2 * gap_by_chance(wide))
    narrow = min(found, key=gap_of)
    least, most = gap_interval(narrow)
    return Finding(
        sentence=f"{start}, and {fixed(gap_of(narrow))} in {name(narrow.encoder, run.config)} ({fixed(least)} to {fixed(most)}).",
        clear=low > most,
    )


def closes(run: Run) -> Finding | None:
    """By what factor the loss, and Hopfield retrieval, change the gap."""
    for dataset in run.datasets:
        arm = {run.config.ablation.get(cell.encoder): cell for cell in run.of(dataset) if value(cell, *GAP) is not None}
        if not all(label in arm for label in ARMS):
            continue
        before, hopfield, loob = (arm[label] for label in ARMS[:3])
        clear = gap_interval(loob)[1] < gap_interval(before)[0]
        both = f"InfoLOOB alone leaves {_left(before, loob)} of the gap, Hopfield retrieval alone {_left(before, hopfield)}"
        return Finding(sentence=f"{both}.", clear=clear)
    return None


def _left(before: Cell, after: Cell) -> str:
    """The share of a gap that is left, with the interval that those of both gaps allow."""
    (least, most), (low, high) = gap_interval(before), gap_interval(after)
    ends = f"{percent(low / most)} to {percent(high / least)}" if least > 0 else "no upper bound"
    return f"{percent(gap_ratio(before, after))} ({ends})"


def separability(run: Run) -> Finding | None:
    """How often a linear classifier is right on rows that it has not seen."""
    found = [cell for cell in heads(run, HELDOUT) if value(cell, "pairs")]
    if not found:
        return None
    right = {cell.encoder: value(cell, *HELDOUT) or 0.0 for cell in found}
    ends = {cell.encoder: wilson(right[cell.encoder], value(cell, "pairs") or 1) for cell in found}
    parts = [
        f"{percent(right[encoder])} ({percent(low)} to {percent(high)}) for {name(encoder, run.config)}"
        for encoder, (low, high) in ends.items()
    ]
    clear = any(low > 0.5 for low, _ in ends.values())
    return Finding(sentence=f"A linear classifier is right on the modality of unseen rows in {' and in '.join(parts)}.", clear=clear)
