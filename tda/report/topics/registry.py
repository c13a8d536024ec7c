"""The registry of the report: its sections, its figures, and the findings at the top of the page."""

from tda.report.data.load import Run
from tda.report.drawing.figure import FigureSpec
from tda.report.drawing.table import Table
from tda.report.topics.gap import components_figure as gap_components_figure
from tda.report.topics.gap import cosine_figure as gap_cosine_figure
from tda.report.topics.gap import findings
from tda.report.topics.gap import tables as gap
from tda.report.topics.gap.alignment import alignment
from tda.report.topics.layout import figure as layout_figure
from tda.report.topics.layout import findings as findings_layout
from tda.report.topics.layout import sweep_figure as layout_sweep_figure
from tda.report.topics.layout.tables import layouts, sweeps
from tda.report.topics.local_dimension import clusters_figure as local_dimension_clusters_figure
from tda.report.topics.local_dimension import figure as local_dimension_figure
from tda.report.topics.local_dimension import findings as findings_local
from tda.report.topics.local_dimension.tables import local
from tda.report.topics.nearest import figure as nearest_figure
from tda.report.topics.nearest.tables import recovery_table, shift_table
from tda.report.topics.retrieval.tables import retrieval
from tda.report.topics.spectrum import collapse_figure as spectrum_collapse_figure
from tda.report.topics.spectrum import figure as spectrum_figure
from tda.report.topics.spectrum.tables import dimension
from tda.report.topics.topology import figure as topology_figure
from tda.report.topics.topology import findings as findings_topology
from tda.report.topics.topology.tables import compared, topology
from tda.report.topics.training import figure as training_figure

SECTIONS = {  # of the page, in its order
    "data": "The data",
    "gap": "The gap between modalities",
    "settings": "Other settings",
    "dimension": "Dimension and collapse",
    "retrieval": "Retrieval",
    "beyond": "Beyond the paper",
    "training": "Training",
}
_FIGURES = (
    nearest_figure,
    gap_components_figure,
    gap_cosine_figure,
    layout_figure,
    spectrum_figure,
    spectrum_collapse_figure,
    local_dimension_clusters_figure,
    local_dimension_figure,
    layout_sweep_figure,
    topology_figure,
    training_figure,
)


def registry() -> list[FigureSpec]:
    """Every figure, in the order of the page: by section, then by name."""
    specs = [spec for module in _FIGURES for spec in module.FIGURES]
    return sorted(specs, key=lambda spec: (list(SECTIONS).index(spec.section), spec.name))


def headlines(run: Run) -> dict[str, list[str]]:
    """Sentences by subject, one a data set; a subject of which nothing was measured is left out."""
    cells, config = run.cells, run.config
    reported = {
        "Modality gap": findings.gap(cells, config),
        "What closes it": findings.ablation(cells, config),
        "Separability": findings.separability(cells, config),
        "On the layout": findings_layout.layouts(cells, config),
        "Dimension": findings.spectrum(cells, config, "both"),
        "Retrieval": findings_local.prediction_one(run) or findings.retrieval(cells, config),
        "Local dimension": findings_local.local_dimension(run, "auc"),
        "How different": findings_topology.differences(run),
    }
    return {subject: sentences for subject, sentences in reported.items() if sentences}


def tables(run: Run) -> list[Table]:
    """Every table for which something was measured."""
    made = [
        recovery_table(run),
        shift_table(run),
        gap.separability(run),
        gap.ablation(run),
        alignment(run),
        layouts(run),
        sweeps(run),
        dimension(run),
    ]
    made += [retrieval(run), local(run), compared(run), topology(run)]
    return [table for table in made if table.rows or table.missing]
