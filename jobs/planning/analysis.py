"""What each part of an analysis costs, from sizes alone: products of matrices at the machine's rate, and the rest in measured core-seconds.

N pairs, D dimensions, b bytes of a stored number, R laid-out rows of both modalities. Everything is counted on the cores of the cluster,
where most of the analysis runs; on a GPU neighbours, layouts and clusters take less. Constants are from `tests/bench/plan.py`, measured on
a core of `work.REFERENCE_CORE` FLOPs a second; a slower core takes as much longer.
"""

from collections.abc import Iterator

from jobs.planning.costs import Cost, Machines
from jobs.planning.layout_parts import clusters, dimension, homology, layout, local_dimension, placement
from jobs.planning.pair_parts import alignment, gap_measures, interventions, retrieval, separability, statistics
from jobs.planning.work import Size, Work, cost_of
from tda.config.analysis import AnalysisConfig


def part_costs(size: Size, analysis: AnalysisConfig, machines: Machines, prefix: str = "") -> Iterator[Cost]:
    """The cost of every chosen part, in the order in which they are measured; parts of one reading share a row."""
    for work in _works(size, analysis):
        yield cost_of(work, machines, prefix)


def _works(size: Size, analysis: AnalysisConfig) -> Iterator[Work]:
    chosen = set(analysis.parts)
    makers = (
        ({"gap", "cosine", "spectrum", "gap_measures"}, statistics),
        ({"separability"}, separability),
        ({"retrieval", "local_dimension"}, retrieval),
        ({"umap", "mixing"}, layout),
        ({"clusters", "local_dimension"}, clusters),
        ({"placement"}, placement),
        ({"local_dimension"}, local_dimension),
        ({"dimension"}, dimension),
        ({"homology"}, homology),
        ({"alignment"}, alignment),
        ({"gap_measures"}, gap_measures),
        ({"interventions"}, interventions),
    )
    for parts, make in makers:
        if parts & chosen or (make is layout and "clusters" in chosen and analysis.clusters.space == "layout"):
            yield make(size, analysis)
