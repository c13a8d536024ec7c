"""Costs from sizes: the figures of the field, and how they grow."""

import pytest

from jobs.planning.costs import JoinSize, Machines, embed_cost, join_flops, layout_flops, nearest_cost, row_bytes
from tda.config.cluster import HardwareConfig
from tda.encoders.model_cost import ModelCost
from tda.errors import UserError

H200 = HardwareConfig(nodes=1, gpus=8, tflops=790, gpu_bytes=141e9, cores=192, read_bytes=10e9, utilisation=0.5)
VIT = ModelCost(first=35_126_906_880, second=5_959_540_736, parameters=149_620_737, dim=512, pixels=224)
LAION = JoinSize(queries=2_000_000_000, reference=400_000_000, dim=512, itemsize=2, probes=None)


def test_exact_laion_is_two_modalities_of_eight_times_ten_to_the_twenty() -> None:
    assert join_flops(LAION) == pytest.approx(2 * 8.2e20, rel=0.01)


def test_probing_costs_thousands_of_times_less_and_then_reading_rules() -> None:
    probed = JoinSize(queries=2_000_000_000, reference=400_000_000, dim=512, itemsize=2, probes=8, cells=131_072)
    assert join_flops(probed) == pytest.approx(2 * 2 * 2e9 * 512 * (131_072 + 8 * 400e6 / 131_072))
    assert join_flops(LAION) / join_flops(probed) > 2000
    cost = nearest_cost("nearest", probed, Machines.of(H200))
    assert cost.bound == "reading"
    assert cost.read >= 2 * 512 * 2 * 2e9
    assert "C = 131,072, P = 8" in cost.formulas["FLOPs"]


def test_a_reference_larger_than_memory_is_read_in_passes_and_grouped_once() -> None:
    small = HardwareConfig(gpus=1, tflops=100, gpu_bytes=80e9)
    cost = nearest_cost("nearest", LAION, Machines.of(small))
    held = 2 * 512 * 2 * 400_000_000
    assert "x 21 passes" in cost.formulas["read"]  # 819 GB in halves of 80
    assert cost.memory == 0.5 * 80e9
    again = nearest_cost("nearest", JoinSize(**{**vars(LAION), "grouped": True}), Machines.of(small))
    assert cost.flops - again.flops == layout_flops(LAION) > 0
    assert cost.written - again.written == held


@pytest.mark.parametrize(("rows", "factor"), [(1, 1), (3, 3)])
def test_embedding_grows_with_pairs_and_models_but_reads_once(rows: int, factor: int) -> None:
    one = embed_cost("d", 1_000_000, 25_000, {"a": VIT}, itemsize=2, machines=Machines.of(H200))
    more = embed_cost("d", rows * 1_000_000, 25_000, {"a": VIT, "b": VIT}, itemsize=2, machines=Machines.of(H200))
    assert one.flops == pytest.approx(41.09e9 * 1e6, rel=1e-3)
    assert more.flops == 2 * factor * one.flops
    assert more.read == factor * one.read == factor * 25e9
    assert more.written == 2 * factor * one.written == 2 * factor * 1e6 * row_bytes(512, 2)


def test_an_h200_encodes_about_as_many_pairs_as_its_peak_allows() -> None:
    peak = HardwareConfig(gpus=1, tflops=790, gpu_bytes=141e9, utilisation=1.0, cores=1000)
    cost = embed_cost("d", 19_200, 0, {"a": VIT}, itemsize=2, machines=Machines.of(peak))
    assert cost.hours * 3600 == pytest.approx(1, rel=0.01)
    assert cost.bound == "devices"


def test_few_cores_decode_slower_than_devices_encode() -> None:
    few = HardwareConfig(gpus=8, tflops=790, gpu_bytes=141e9, cores=4, decode_rate=1000)
    cost = embed_cost("d", 4_000_000, 25_000, {"a": VIT}, itemsize=2, machines=Machines.of(few))
    assert cost.bound == "decoding"
    assert cost.hours == pytest.approx(1000 / 3600)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("nodes", 0, "cluster.hardware.nodes=0 is too small"), ("utilisation", 0.0, "utilisation=0.0 is too small; it must be above 0")],
)
def test_hardware_that_is_none(field: str, value: float, message: str) -> None:
    with pytest.raises(UserError) as refused:
        HardwareConfig(**{field: value})
    assert message in str(refused.value)
    with pytest.raises(UserError, match="needs tflops and gpu_bytes"):
        HardwareConfig(gpus=2)
