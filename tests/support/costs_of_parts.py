"""What `jobs.plan` counts for the parts of an analysis, on two reference cores unless a test names others."""

from dataclasses import replace

from jobs.analysis.settled import settled
from jobs.planning.analysis import part_costs
from jobs.planning.costs import Cost, Machines
from jobs.planning.work import REFERENCE_CORE, Size
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import HardwareConfig

CORES = Machines.of(HardwareConfig(cores=2, core_gflops=REFERENCE_CORE / 1e9, utilisation=1.0))


def costs(pairs: int, analysis: AnalysisConfig | None = None, machines: Machines = CORES, dim: int = 512) -> dict[str, Cost]:
    size = Size(pairs=pairs, dim=dim, itemsize=2)
    return {cost.stage: cost for cost in part_costs(size, settled(analysis or AnalysisConfig(), pairs), machines)}


def everything() -> AnalysisConfig:
    """All pairs ranked among all."""
    analysis = AnalysisConfig()
    fields = {"queries": None} if hasattr(analysis.retrieval, "queries") else {}
    return replace(analysis, retrieval=replace(analysis.retrieval, **fields))
