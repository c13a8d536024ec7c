"""What an analysis costs: how every part grows, what binds it, and which settings the plan warns of."""

import pytest
from costs_of_parts import costs

from jobs.analysis.registry import REGISTRY
from jobs.planning.costs import Machines
from jobs.planning.work import REFERENCE_CORE
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import HardwareConfig


def test_every_part_of_the_analysis_has_a_row() -> None:
    named = {name for stage in costs(10_000) for name in stage.split(", ")}
    assert {part.name for part in REGISTRY} <= named


def test_only_chosen_parts_and_what_they_rest_on_are_counted() -> None:
    assert list(costs(10_000, AnalysisConfig(parts=["gap"]))) == ["gap, cosine, spectrum"]
    assert list(costs(10_000, AnalysisConfig(parts=["clusters"]))) == ["umap, mixing", "clusters"]


def test_parts_of_samples_stop_growing_and_those_of_all_rows_grow_with_them() -> None:
    some, many = costs(2_000_000), costs(20_000_000)
    for part in ("separability", "umap, mixing", "clusters", "dimension", "homology"):
        assert many[part].core_seconds == pytest.approx(some[part].core_seconds, rel=0.01), part
    for part in ("gap, cosine, spectrum", "alignment"):
        assert 6 < many[part].core_seconds / some[part].core_seconds < 10.5, part
        assert many[part].read == pytest.approx(10 * some[part].read)
    assert all(many[part].memory == pytest.approx(some[part].memory, rel=0.1) for part in many), "no memory grows with the pairs"


def test_more_cores_take_less_time_where_a_part_can_use_them_and_reading_binds_in_the_end() -> None:
    wide = Machines.of(HardwareConfig(cores=64, core_gflops=REFERENCE_CORE / 1e9, utilisation=1.0))
    two, many = costs(100_000_000), costs(100_000_000, machines=wide)
    assert many["homology"].hours == pytest.approx(two["homology"].hours * 2 / 3)
    assert many["homology"].bound == "3 cores"
    assert many["separability"].hours == two["separability"].hours
    slow = Machines.of(HardwareConfig(cores=64, read_bytes=1e6))
    read = costs(100_000_000, machines=slow)["alignment"]
    assert read.bound == "reading"
    assert read.hours == pytest.approx(read.read / 1e6 / 3600)


def test_a_slower_core_takes_as_much_longer() -> None:
    half = Machines.of(HardwareConfig(cores=2, core_gflops=REFERENCE_CORE / 2e9, utilisation=1.0))
    for one, other in zip(costs(10_000).values(), costs(10_000, machines=half).values(), strict=True):
        assert other.core_seconds == pytest.approx(2 * one.core_seconds)
