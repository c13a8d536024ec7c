"""Verdicts on both predictions of the paper, in sentences."""

import re
from collections.abc import Sequence

from tda.report.data.evidence import each
from tda.report.data.load import Cell, Run
from tda.report.data.words import typeset
from tda.report.topics.rules import TOP1


def prediction_sentences(run: Run) -> list[str]:
    """The verdict on Prediction 1 of each data set. Without a comparison on the same pairs there is none, and the sentence says how."""
    found = verdicts(run, "prediction_1")
    return [*found.values(), *_not_compared([cell for cell in run.cells if cell.dataset not in found], run)]


def prediction_two(run: Run) -> list[str]:
    """The verdict on Prediction 2 of each data set whose models were compared."""
    return list(verdicts(run, "prediction_2").values())


def verdicts(run: Run, which: str) -> dict[str, str]:
    """By data set, the sentence that the comparison of its models has on a prediction."""
    found = {dataset: run.comparisons.get(dataset, {}).get(which) for dataset in run.datasets}
    return {dataset: f"On {run.shown(dataset)}, {typeset(_without_noise(str(one['sentence'])))}" for dataset, one in found.items() if one}


def _without_noise(sentence: str) -> str:
    """A correlation over too few models to decide is no finding, whatever its value."""
    return re.sub(
        r"over \d+ spaces global dimension and top-1 correlate by [^;]*?, too few models to decide\)",
        "models are too few to decide about global dimension",
        sentence,
    )


def _not_compared(cells: Sequence[Cell], run: Run) -> list[str]:
    """What makes a verdict on each data set with both models: two top-1 alone are not paired, and decide nothing."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        role = {run.config.models[cell.encoder]: cell.encoder for cell in group}
        if len(role) < 2:
            return ""
        command = f"python -m jobs.analyze dataset.name={group[0].dataset} encoders=[{role['CLIP']},{role['CLOOB']}] root={run.root}"
        return f"On {dataset}, Prediction 1 is undecided: CLIP and CLOOB were not compared on the same pairs; {command} compares them."

    return each([cell for cell in cells if run.config.models.get(cell.encoder) in {"CLIP", "CLOOB"}], TOP1, sentence)
