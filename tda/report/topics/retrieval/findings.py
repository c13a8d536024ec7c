"""What retrieval shows in this run, in sentences (Table II)."""

from collections.abc import Sequence

from tda.config.stages import ReportConfig
from tda.report.data.evidence import each, name
from tda.report.data.load import Cell
from tda.report.data.words import listing, percent
from tda.report.topics.rules import TOP1, candidates, mean_top1, queries, same_top1
from tda.report.topics.sentences import all_of, span


def retrieval(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Which models retrieve best; those that chance may have put behind the first count as equal to it."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        ordered = sorted(group, key=mean_top1, reverse=True)
        best, worst = ordered[0], ordered[-1]
        first = [cell for cell in ordered if same_top1(best, cell)]
        top1 = f"the true partner ranks first of {candidates(best):,} in {span(map(mean_top1, first), percent)} of {_asked(best)}"
        mean = "mean of both directions"
        if len(ordered) == 1:
            return f"On {dataset}, {top1} in {name(best.encoder, config)} ({mean})."
        if len(first) == len(ordered):
            return f"On {dataset}, {all_of(len(ordered))} retrieve about equally well: {top1} ({mean})."
        verb = "retrieve" if len(first) > 1 else "retrieves"
        names = listing(name(cell.encoder, config) for cell in first)
        return f"On {dataset}, {names} {verb} best: {top1}, against {percent(mean_top1(worst))} in {name(worst.encoder, config)} ({mean})."

    return each(cells, TOP1, sentence)


def _asked(cell: Cell) -> str:
    """The queries; where they were drawn, how many, and the wider of the 95 % intervals of both directions around their shares."""
    found = [(cell.metrics["retrieval"][way], cell.metrics["retrieval"][way].get("ci95")) for _, way, _ in TOP1]
    if not all(ci95 for _, ci95 in found):
        return "queries"
    off = max(abs(end - one["top1"]) for one, ci95 in found for end in ci95["top1"])
    return f"{queries(cell):,} drawn queries, ± {percent(off)} at 95% confidence"
