"""The table of the paper's claims: reproduced here, not, or undecidable here, and why."""

from dataclasses import replace

from tda.report.data.load import Run
from tda.report.data.words import listing
from tda.report.drawing.table import Column, Table
from tda.report.topics.reproduction.claims import CLAIMS
from tda.report.topics.reproduction.judged import NOT, REPRODUCED, UNDECIDABLE, judged

WORDS = {REPRODUCED: "reproduced", NOT: "not reproduced", UNDECIDABLE: "undecidable"}


def reproduction(run: Run) -> Table:
    """One row for each figure, table, prediction and conjecture; no rows where no encoder plays a model of the paper."""
    found = [(claim, judged(claim, run)) for claim in CLAIMS] if known(run) else []
    return Table(
        name="reproduction",
        label="The paper",
        title="What of the paper is reproduced here",
        columns=[
            Column(label="Of"),
            Column(label="Place", numeric=False),
            Column(label="What it says", numeric=False),
            Column(label="Here", numeric=False),
            Column(label="Why", numeric=False),
        ],
        rows=[["The paper", claim.label, claim.says, one.verdict, one.why] for claim, one in found],
        sentences=[],
        note="By the thresholds under “How sentences choose their words”. The roles of encoders and data sets are those of report.models, "
        "report.ablation and report.datasets. A data set that was never embedded decides nothing about it.",
    )


def known(run: Run) -> bool:
    """Whether any encoder plays a model of the paper."""
    return any(cell.encoder in {**run.config.models, **run.config.ablation} for cell in run.cells)


def statement(run: Run) -> list[str]:
    """How many claims are reproduced, and which are not. Nothing where no number decides any of them."""
    if not any(claim.judge(run) for claim in CLAIMS if not claim.judge(replace(run, cells=(), comparisons={}, diversity={}))):
        return []
    verdicts = {claim.label: judged(claim, run).verdict for claim in CLAIMS}
    groups = {word: [label for label, verdict in verdicts.items() if verdict == kind] for kind, word in WORDS.items()}
    parts = [f"{len(labels)} {word}" + (f" ({listing(labels)})" if labels else "") for word, labels in groups.items()]
    return [f"Of {len(CLAIMS)} figures, tables, predictions and conjectures of the paper: {'; '.join(parts)}."]
