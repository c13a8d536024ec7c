"""Verdicts on both predictions of the paper, in sentences."""

from collections.abc import Sequence

from tda.config.stages import ReportConfig
from tda.report.data.evidence import TOP1, each, mean_top1, same_top1
from tda.report.data.load import Cell, Run
from tda.report.data.words import percent, typeset


def prediction_one(run: Run) -> list[str]:
    """The verdict on Prediction 1 of each data set: on paired ranks where models were compared, else on the two top-1."""
    found = verdicts(run, "prediction_1")
    rest = [cell for cell in run.cells if cell.dataset not in found]
    return [*found.values(), *_by_top1(rest, run.config)]


def prediction_two(run: Run) -> list[str]:
    """The verdict on Prediction 2 of each data set whose models were compared."""
    return list(verdicts(run, "prediction_2").values())


def verdicts(run: Run, which: str) -> dict[str, str]:
    """By data set, the sentence that the comparison of its models has on a prediction."""
    found = {dataset: run.comparisons.get(dataset, {}).get(which) for dataset in run.datasets}
    return {dataset: f"On {dataset}, {typeset(str(one['sentence']))}" for dataset, one in found.items() if one}


def _by_top1(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Prediction 1 by top-1 alone: does CLIP, with its larger gap, retrieve better than CLOOB?"""

    def sentence(dataset: str, group: list[Cell]) -> str:
        role = {config.models[cell.encoder]: cell for cell in group}
        if len(role) < 2:
            return ""
        clip, cloob = role["CLIP"], role["CLOOB"]
        top1 = f"top-1 is {percent(mean_top1(clip))} in {clip.encoder} (CLIP) and {percent(mean_top1(cloob))} in {cloob.encoder} (CLOOB)"
        claim = f"On {dataset}, Prediction 1, that CLIP retrieves better than CLOOB,"
        if same_top1(clip, cloob):
            return f"{claim} is undecided: {top1}, about equal."
        return f"{claim} {'holds' if mean_top1(clip) > mean_top1(cloob) else 'does not hold; the opposite is seen'}: {top1}."

    return each([cell for cell in cells if config.models.get(cell.encoder) in {"CLIP", "CLOOB"}], TOP1, sentence)
