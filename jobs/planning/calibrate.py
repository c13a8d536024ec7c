"""Sizes and rates for a plan, from the records of shards that are done.

Seconds are those of encoding, as the actors measured them; models that share one decode share them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.planning.costs import Machines
from tda.config.cluster import HardwareConfig
from tda.encoders.model_cost import ModelCost
from tda.store.commit.records import ShardRecord, iter_records
from tda.store.paths import RootPaths


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Of one data set under some models: pairs and bytes of their shards, bytes of the rows, and FLOPs a second of one actor."""

    pairs: int = 0
    source_bytes: int = 0
    row_bytes: Mapping[str, float] = field(default_factory=dict)  # encoder -> bytes a stored row
    flops: float = 0.0
    seconds: float = 0.0
    device: str = ""

    @property
    def pair_bytes(self) -> float | None:
        return self.source_bytes / self.pairs if self.pairs else None

    @property
    def rate(self) -> float | None:
        return self.flops / self.seconds if self.seconds else None


def measured(root: str, dataset: str, models: Mapping[str, ModelCost]) -> Measured:
    """Read the records of a data set; without records nothing is measured."""
    shards: dict[str, list[ShardRecord]] = {}
    for encoder in models:
        for record in iter_records(RootPaths(root), dataset, encoder):
            shards.setdefault(record.shard, []).append(record)
    made = {encoder: [one for records in shards.values() for one in records if one.encoder == encoder] for encoder in models}
    runs = {(shard, one.seconds.get("encode", 0.0)): one for shard, records in shards.items() for one in records}
    flops = sum(one.rows_out * models[one.encoder].pair for records in made.values() for one in records)
    firsts = [records[0] for records in shards.values()]
    devices = {str((one.canary or {}).get("device", "")) for one in firsts}
    return Measured(
        pairs=sum(one.rows_in for one in firsts),
        source_bytes=sum(int(one.source.get("size") or 0) for one in firsts),
        row_bytes={name: _bytes(records) for name, records in made.items() if records},
        flops=float(flops),
        seconds=sum(seconds for _, seconds in runs),
        device=devices.pop() if len(devices) == 1 else "",
    )


def _bytes(records: list[ShardRecord]) -> float:
    return sum(int(one.output.get("bytes") or 0) for one in records) / max(sum(one.rows_out for one in records), 1)


def calibrated(hardware: HardwareConfig, found: Measured) -> Machines:
    """The cluster at the measured rate where its devices are of the kind that was measured; else at the makers' rate."""
    assumed = Machines.of(hardware)
    same = found.device.startswith("cuda" if hardware.gpus else "cpu")
    if found.rate is None or not same:
        return assumed
    return Machines(hardware=hardware, rate=found.rate * assumed.devices, measured=True)
