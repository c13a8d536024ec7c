"""What a stage costs, from sizes alone: FLOPs, bytes, memory and hours, each with its formula.

N pairs or queries, M reference rows, D dimensions, C cells, P cells probed. Hours are those of the slowest of
what runs at the same time: the devices, the decoding cores, or the reading.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from tda.config.cluster import HardwareConfig
from tda.encoders.model_cost import ModelCost
from tda.geometry.neighbors.sizes import ITERATIONS, cell_count, sampled_rows

ROW_BYTES = 120  # of a stored row beside its vectors: caption, URL, key, sizes, compressed
MATCH_BYTES = 24  # of a stored match: two cosines, two rows of the reference, compressed
MODALITIES = 2
HELD = 0.5  # share of a memory that vectors may fill


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one stage. `memory` is bytes held at once, over the whole cluster; `bound` says what the hours come from."""

    stage: str
    flops: float
    read: float
    written: float
    memory: float
    hours: float
    bound: str
    formulas: Mapping[str, str]
    core_seconds: float = 0.0  # of work that is counted on the cores
    warning: str = ""  # a setting that makes the stage grow faster than its data, and what helps


@dataclass(frozen=True, kw_only=True)
class Machines:
    """A cluster as its stages see it; `rate` is FLOPs a second of all devices, assumed or measured."""

    hardware: HardwareConfig
    rate: float
    measured: bool = False
    one_core: float | None = None  # FLOPs a second of a core while the others rest, where that was measured

    @classmethod
    def of(cls, hardware: HardwareConfig) -> "Machines":
        peak = hardware.gpus * hardware.tflops * 1e12 if hardware.gpus else hardware.cores * hardware.core_gflops * 1e9
        return cls(hardware=hardware, rate=hardware.nodes * peak * hardware.utilisation)

    @property
    def cores(self) -> int:
        return self.hardware.nodes * self.hardware.cores

    @property
    def core_rate(self) -> float:
        """FLOPs a second of one core, in products of matrices."""
        if self.one_core is not None:
            return self.one_core
        return self.hardware.core_gflops * 1e9 * self.hardware.utilisation

    def at_once(self, cores: int) -> float:
        """What so many cores do together, in terms of one: two that share a unit do less than twice as much."""
        return float(cores) if self.one_core is None else max(1.0, min(cores, cores / self.cores * self.rate / self.one_core))

    @property
    def devices(self) -> int:
        return self.hardware.nodes * (self.hardware.gpus or self.hardware.cores)

    @property
    def memory(self) -> float:
        """Bytes that vectors may fill, on the devices where there are any."""
        one = self.hardware.gpus * self.hardware.gpu_bytes if self.hardware.gpus else self.hardware.host_bytes
        return HELD * one * self.hardware.nodes

    def hours(self, *, flops: float = 0, read: float = 0, images: float = 0) -> tuple[float, str]:
        """Hours, and what they come from."""
        seconds = {
            "devices": flops / self.rate,
            "decoding": images / (self.hardware.decode_rate * self.hardware.cores * self.hardware.nodes),
            "reading": read / (self.hardware.read_bytes * self.hardware.nodes),
        }
        bound = max(seconds, key=lambda name: seconds[name])
        return seconds[bound] / 3600, bound


def embed_cost(dataset: str, pairs: int, pair_bytes: float, models: Mapping[str, ModelCost], *, itemsize: int, machines: Machines) -> Cost:
    """One decode feeds every model."""
    flops = float(pairs * sum(model.pair for model in models.values()))
    read = pairs * pair_bytes
    hours, bound = machines.hours(flops=flops, read=read, images=pairs if any(model.pixels for model in models.values()) else 0)
    reported = " + ".join(f"{(model.first + model.second) / 1e9:.4g}" for model in models.values())
    return Cost(
        stage=f"embed {dataset}",
        flops=flops,
        read=read,
        written=float(sum(pairs * row_bytes(model.dim, itemsize) for model in models.values())),
        memory=float(sum(2 * model.parameters for model in models.values()) * machines.devices),
        hours=hours,
        bound=bound,
        formulas={
            "FLOPs": f"N x sum over models of (first + second modality) = {pairs:,} x ({reported}) GFLOP",
            "read": f"N x bytes a pair = {pairs:,} x {pair_bytes:,.0f}, once for all models",
            "written": f"N rows x sum over models of (2 vectors x D x {itemsize} bytes + {ROW_BYTES} bytes)",
            "memory": "parameters x 2 bytes x devices, beside the batches",
        },
    )


def row_bytes(dim: int, itemsize: int) -> int:
    """Of a stored row: two vectors and what is beside them."""
    return MODALITIES * dim * itemsize + ROW_BYTES


@dataclass(frozen=True, kw_only=True)
class JoinSize:
    """The sizes of a nearest stage; `probes` None is exact, `cells` None is chosen as `jobs.nearest` does."""

    queries: int
    reference: int
    dim: int
    itemsize: int
    probes: int | None
    cells: int | None = None
    grouped: bool = False  # the reference already is, for an earlier data set
    drawn: int = 0  # queries that are answered exactly to choose `probes`, which then is an estimate

    @property
    def cell_count(self) -> int:
        return min(self.cells or cell_count(self.reference), self.reference)


def nearest_cost(stage: str, size: JoinSize, machines: Machines) -> Cost:
    """Grouping the reference by cell, once, and joining every query with it."""
    layout, join = layout_flops(size), join_flops(size)
    vectors = MODALITIES * size.dim * size.itemsize
    held = size.reference * vectors
    passes = max(1, ceil(held / machines.memory))
    moved = size.reference * vectors * (0 if size.grouped else 2)  # read from the store, and written by cell
    read = size.queries * vectors * passes + held + moved / 2
    hours, bound = machines.hours(flops=layout + join, read=read)
    c = size.cell_count
    compared = "M" if size.probes is None else f"(C + P M / C), C = {c:,}, P = {size.probes}"
    if size.drawn:
        compared += f" or as the recall of {size.drawn:,} drawn queries asks, which are compared with all M"
    return Cost(
        stage=stage,
        flops=layout + join,
        read=float(read),
        written=float(size.queries * MATCH_BYTES + moved / 2),
        memory=float(min(held, machines.memory)),
        hours=hours,
        bound=bound,
        formulas={
            "FLOPs": f"2 modalities x 2 N D {compared}"
            + (
                ""
                if size.grouped
                else f", and 2 x 2 C D ({ITERATIONS} S + M), S = {sampled_rows(size.reference, c, size.dim):,}, to group it by cell"
            ),
            "read": f"queries {size.queries * vectors:.3g} bytes x {passes} pass{'es' * (passes > 1)}, reference {held:.3g} bytes"
            + ("" if size.grouped else ", twice: once to group it by cell"),
            "written": f"{MATCH_BYTES} bytes a query" + ("" if size.grouped else f", and the reference by cell, {held:.3g} bytes"),
            "memory": f"the reference, {held:.3g} bytes; {HELD:.0%} of the cluster's memory hold {machines.memory:.3g}",
        },
    )


def join_flops(size: JoinSize) -> float:
    """2 N D for every row that a query is compared with, and both modalities; centroids count as rows."""
    compared = size.reference if size.probes is None else size.cell_count + size.probes * size.reference / size.cell_count
    return MODALITIES * 2.0 * size.dim * (size.queries * compared + size.drawn * size.reference)


def layout_flops(size: JoinSize) -> float:
    if size.grouped or size.cell_count == 1:
        return 0.0
    sample = _sample(size)
    return MODALITIES * 2.0 * size.cell_count * size.dim * (ITERATIONS * sample + size.reference)


def _sample(size: JoinSize) -> int:
    return sampled_rows(size.reference, size.cell_count, size.dim)
