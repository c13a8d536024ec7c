"""Does the gap cost retrieval? One sentence a data set."""

from collections.abc import Sequence

from tda.config.stages import ReportConfig
from tda.report.data.evidence import name
from tda.report.data.load import Cell, Run
from tda.report.data.words import listing, signed
from tda.report.topics.interventions.points import CLOSED, LEAST_PAIRS, MEASURES, PART, at, verdict
from tda.report.topics.sentences import by_verdict, models_of

WORDS = {"top1": "top-1 between modalities", "mixed": "NDCG@10 of mixed search"}
ORDER = ("raised", "lowered", "unchanged", "undecided")


def cost_of_gap(run: Run) -> list[str]:
    """What closing the gap by a shift changes, and so whether the gap costs retrieval."""
    sentences = []
    for dataset in run.datasets:
        cells = [cell for cell in run.of(dataset) if at(cell, *CLOSED)]
        enough = [cell for cell in cells if verdict(cell, "top1")]
        if enough:
            sentences.append(_sentence(dataset, enough, run.config))
        elif cells:
            pairs = max(int(cell.metrics[PART]["pairs"]) for cell in cells)
            sentences.append(f"On {dataset}, {pairs:,} pairs do not decide whether the gap costs retrieval; {LEAST_PAIRS} are needed.")
    return sentences


def _sentence(dataset: str, cells: Sequence[Cell], config: ReportConfig) -> str:
    changes = [f"{WORDS[measure]} is {_changed(cells, measure, config)}" for measure in MEASURES]
    return f"On {dataset}, {_answer(cells, config)}: once a shift closes it, {'; '.join(changes)}."


def _changed(cells: Sequence[Cell], measure: str, config: ReportConfig) -> str:
    verdicts = {name(cell.encoder, config): str(verdict(cell, measure)) for cell in cells}
    largest = max(cells, key=lambda cell: abs(_change(cell, measure)))
    return f"{by_verdict(verdicts, ORDER)} (largest change {signed(_change(largest, measure))}, in {name(largest.encoder, config)})"


def _change(cell: Cell, measure: str) -> float:
    point = at(cell, *CLOSED)
    return float(point["change"][measure]["value"]) if point else 0.0


def _answer(cells: Sequence[Cell], config: ReportConfig) -> str:
    """What the gap costs, and where: nothing is claimed of what is undecided."""
    costs = []
    for measure, words in (("top1", "retrieval between modalities"), ("mixed", "mixed search")):
        harmed = [name(cell.encoder, config) for cell in cells if verdict(cell, measure) == "raised"]
        if harmed:
            costs.append(f"{words} in {models_of(harmed, len(cells))}")
    if costs:
        return f"the gap costs {listing(costs)}"
    if all(verdict(cell, measure) in ("unchanged", "lowered") for cell in cells for measure in MEASURES):
        return "the gap costs no retrieval"
    return "no cost of the gap is shown"
