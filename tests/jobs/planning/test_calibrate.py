"""Sizes and rates from the records of shards that are done."""

from pathlib import Path
from typing import Any

import pytest
from small_rows import drop, identity, small_rows

from jobs.planning.calibrate import Measured, calibrated, measured
from jobs.planning.costs import Machines
from tda.config.cluster import HardwareConfig
from tda.encoders.model_cost import ModelCost
from tda.store.commit.records import ShardRecord
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths
from tda.store.types import Source

MODELS = {
    "one": ModelCost(first=900, second=100, parameters=1, dim=8, pixels=32),
    "two": ModelCost(first=400, second=100, parameters=1, dim=8, pixels=32),
}


def record(root: Path, encoder: str, shard: str, pairs: int, seconds: float, *, device: str = "cpu", drops: int = 0) -> ShardRecord:
    """Publish a shard of `pairs` pairs of 1,000 bytes each that took so many seconds to encode."""
    return publish_shard(
        RootPaths(str(root)),
        "d",
        encoder,
        shard,
        rows=small_rows(pairs - drops),
        drops=[drop(pairs - 1 - i) for i in range(drops)],
        identity=identity(),
        source=Source(f"/data/{shard}.tar", 1000 * pairs, None),
        seconds={"encode": seconds, "read": 99.0},
        canary={"device": device},
    )


def test_nothing_is_measured_of_what_is_not_there(tmp_path: Path) -> None:
    found = measured(str(tmp_path), "d", MODELS)
    assert found == Measured()
    assert (found.pair_bytes, found.rate) == (None, None)


def test_sizes_are_of_shards_and_rates_of_encoded_rows(tmp_path: Path) -> None:
    first, second = record(tmp_path, "one", "a", 10, 2.0, drops=4), record(tmp_path, "one", "b", 20, 3.0)
    found = measured(str(tmp_path), "d", MODELS)
    assert (found.pairs, found.source_bytes, found.pair_bytes) == (30, 30_000, 1000)
    assert (found.flops, found.seconds, found.rate) == (26 * 1000, 5.0, 5200)
    assert found.row_bytes == {"one": pytest.approx((first.output["bytes"] + second.output["bytes"]) / 26)}
    assert found.device == "cpu"


def test_models_that_shared_one_decode_share_its_seconds(tmp_path: Path) -> None:
    for encoder in MODELS:
        record(tmp_path, encoder, "a", 10, 2.0)
    found = measured(str(tmp_path), "d", MODELS)
    assert (found.pairs, found.source_bytes) == (10, 10_000), "a shard counts once"
    assert (found.flops, found.seconds) == (10 * 1500, 2.0)
    assert set(found.row_bytes) == {"one", "two"}


def test_models_that_ran_apart_take_their_seconds_each(tmp_path: Path) -> None:
    record(tmp_path, "one", "a", 10, 2.0)
    record(tmp_path, "two", "a", 10, 1.5)
    assert measured(str(tmp_path), "d", MODELS).seconds == 3.5
    assert measured(str(tmp_path), "d", {"two": MODELS["two"]}).seconds == 1.5


def test_shards_of_several_kinds_of_devices_name_none(tmp_path: Path) -> None:
    record(tmp_path, "one", "a", 10, 2.0)
    record(tmp_path, "one", "b", 10, 2.0, device="cuda: one")
    assert measured(str(tmp_path), "d", MODELS).device == ""


GPUS: dict[str, Any] = {"gpus": 4, "tflops": 100, "gpu_bytes": 80e9}


@pytest.mark.parametrize(
    ("hardware", "device", "same"),
    [({"cores": 3}, "cpu", True), ({"cores": 3}, "cuda: one", False), (GPUS, "cuda: one", True), (GPUS, "cpu", False), (GPUS, "", False)],
)
def test_a_rate_counts_for_devices_of_its_kind(hardware: dict[str, Any], device: str, same: bool) -> None:
    config = HardwareConfig(**hardware)
    assumed = Machines.of(config)
    found = calibrated(config, Measured(flops=500.0, seconds=2.0, device=device))
    assert found.measured is same
    assert found.rate == (250 * assumed.devices if same else assumed.rate)


def test_without_seconds_the_makers_rate_stands() -> None:
    config = HardwareConfig(cores=2)
    assert calibrated(config, Measured(device="cpu")) == Machines.of(config)
