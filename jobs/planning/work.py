"""A piece of work on the cores of a cluster, and what it costs: products of matrices at the machine's rate, the rest in core-seconds."""

from dataclasses import dataclass

from jobs.planning.costs import MODALITIES, Cost, Machines
from tda.config.analysis import AnalysisConfig

REFERENCE_CORE = 116e9  # FLOPs a second of the core on which constants were measured
BLOCK_COPIES = 6  # of a block of rows, in the memory of a task: as stored, as unit rows, and what is made of them
MOMENTS = 1.0  # of a product's time: float64 takes twice as long, and half of a symmetric one is enough
STATISTICS_REACH, EXACT_REACH = 0.8, 0.9  # shares of a product's rate: of moments, and of all rows against all
CORES_OF_PLAN = 2  # of the machine on which the constants were measured


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of an embedded data set."""

    pairs: int
    dim: int
    itemsize: int


@dataclass(frozen=True, kw_only=True)
class Work:
    """A part: FLOPs of its products and the share of a product's rate that they reach, further core-seconds, and cores it can use."""

    stage: str
    flops: float = 0.0
    reach: float = 1.0
    seconds: float = 0.0  # of a reference core
    read: float = 0.0
    memory: float = 0.0
    cores: int | None = None  # None: all
    words: str = ""
    warning: str = ""


def cost_of(work: Work, machines: Machines, prefix: str) -> Cost:
    """Hours on as many cores as the work can use, or of reading where that takes longer."""
    core = machines.core_rate
    seconds = work.flops / (work.reach * core) + work.seconds * REFERENCE_CORE / core
    cores = min(machines.cores, work.cores or machines.cores)
    at_once = machines.at_once(cores)
    reading = work.read / (machines.hardware.read_bytes * machines.hardware.nodes)
    bound = "reading" if reading > seconds / at_once else "all cores" if work.cores is None else f"{cores} core{'s' * (cores > 1)}"
    return Cost(
        stage=f"{prefix}{work.stage}",
        flops=work.flops,
        read=work.read,
        written=0.0,
        memory=work.memory,
        hours=max(seconds / at_once, reading) / 3600,
        bound=bound,
        formulas={"work": work.words} if work.words else {},
        core_seconds=seconds,
        warning=work.warning,
    )


def set_bytes(size: Size) -> float:
    """Of all vectors of both modalities, as they are stored."""
    return float(MODALITIES * size.pairs * size.dim * size.itemsize)


def block_bytes(size: Size, analysis: AnalysisConfig) -> float:
    """Memory of a task that works on a block of rows."""
    return float(BLOCK_COPIES * 4 * MODALITIES * min(size.pairs, analysis.block_rows) * size.dim)
