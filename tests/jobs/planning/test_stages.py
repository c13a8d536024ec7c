"""Training, duplicates, sweeps, comparisons and the report: what they grow with."""

import pytest

from jobs.planning import stages
from jobs.planning.costs import Machines
from jobs.planning.work import Size
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import HardwareConfig
from tda.config.models import TrainConfig
from tda.encoders.model_cost import ModelCost

TINY = ModelCost(first=900_000, second=100_000, parameters=1_000, dim=32, pixels=32)
CORES = Machines.of(HardwareConfig(cores=4))


def test_an_arm_is_its_steps_forward_and_backward_on_one_device() -> None:
    one, two = (stages.train_cost("a", TINY, 1000, 4096, config=TrainConfig(steps=n), machines=CORES) for n in (400, 800))
    assert one.flops == 3 * 1_000_000 * 400 * 128
    assert two.flops == 2 * one.flops
    assert one.read == 1000 * 4096
    assert one.hours * 3600 == pytest.approx(one.flops / (CORES.rate / 4) + 1000 / (4 * 1000))


def test_duplicates_cost_the_rows_of_both_sides() -> None:
    one = stages.dedupe_cost("d", 1_000_000, 0, within=False, machines=CORES)
    both = stages.dedupe_cost("d", 1_000_000, 1_000_000, within=False, machines=CORES)
    within = stages.dedupe_cost("d", 1_000_000, 0, within=True, machines=CORES)
    assert one.core_seconds < both.core_seconds < 2.1 * one.core_seconds
    assert within.memory > one.memory
    assert one.bound == "one core"


def test_the_rows_of_a_large_set_are_shared_out_and_its_reference_is_not() -> None:
    few, many = (stages.dedupe_cost("d", 100_000_000, 0, within=False, machines=Machines.of(HardwareConfig(cores=n))) for n in (2, 64))
    assert many.core_seconds == pytest.approx(few.core_seconds)
    assert many.hours < few.hours
    assert "in runs of" in many.formulas["work"]
    within = stages.dedupe_cost("d", 100_000_000, 0, within=True, machines=CORES)
    assert "in one process" in within.formulas["work"]
    assert within.memory > 10 * few.memory


def test_a_sweep_costs_its_cells() -> None:
    size = Size(pairs=100_000, dim=64, itemsize=2)
    four, eight = (stages.sweep_cost("d, e", size, AnalysisConfig(), cells, CORES) for cells in (4, 8))
    assert eight.core_seconds == pytest.approx(2 * four.core_seconds)
    assert four.stage == "analyze d, e: 4 layouts"


def test_encoders_are_compared_two_by_two() -> None:
    two, four = (stages.comparison_cost("d", count, AnalysisConfig(), CORES) for count in (2, 4))
    assert four.core_seconds == pytest.approx(6 * two.core_seconds)
    assert "18 comparisons" in four.formulas["work"]


def test_the_report_grows_with_what_was_analysed() -> None:
    assert stages.report_cost(8, CORES).hours > stages.report_cost(2, CORES).hours > 0
