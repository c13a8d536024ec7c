"""The findings at the top of the page."""

from tda.report import findings, findings_layout, findings_local, findings_topology
from tda.report.load import Run


def headlines(run: Run) -> dict[str, list[str]]:
    """Sentences by subject, one a data set; a subject of which nothing was measured is left out."""
    cells, config = run.cells, run.config
    told = {
        "Modality gap": findings.gap(cells, config),
        "What closes it": findings.ablation(cells, config),
        "Separability": findings.separability(cells, config),
        "On the layout": findings_layout.layouts(cells, config),
        "Dimension": findings.spectrum(cells, config, "both"),
        "Retrieval": findings_local.prediction_one(run) or findings.retrieval(cells, config),
        "Local dimension": findings_local.local_dimension(run, "auc"),
        "How different": findings_topology.differences(run),
    }
    return {subject: sentences for subject, sentences in told.items() if sentences}
