"""What was studied: the data sets, and one sentence."""

from tda.report.data.evidence import name, value
from tda.report.data.load import Run
from tda.report.data.words import listing


def studied(run: Run) -> str:
    """One sentence: which models on which data sets, and how many pairs."""
    if not run.cells:
        return "Sweeps alone were measured under this root."
    models = [name(encoder, run.config) for encoder in run.encoders]
    who = listing(models) if len(models) <= 4 else f"{len(models)} models"
    where = listing(f"{row['shown']} ({row['pairs']} pairs)" for row in datasets(run))
    return f"{who} on {where}."


def datasets(run: Run) -> list[dict[str, str]]:
    """Rows of the summary: name, how the page names it, role, pairs."""
    rows = []
    for dataset in run.datasets:
        pairs = sorted({int(value(cell, "pairs") or 0) for cell in run.of(dataset)})
        rows.append(
            {
                "name": dataset,
                "shown": run.shown(dataset),
                "role": run.config.datasets.get(dataset, ""),
                "pairs": " to ".join(f"{n:,}" for n in dict.fromkeys([pairs[0], pairs[-1]])),
            }
        )
    return rows
