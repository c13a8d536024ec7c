"""The machine that a plan is made for: measured where it is this one."""

import pytest

from jobs.planning import machine
from jobs.planning.costs import Machines
from tda.config.cluster import ClusterConfig, HardwareConfig


def test_a_core_has_a_rate() -> None:
    assert 1e8 < machine.core_rate() < 1e13
    assert 1e8 < machine.all_cores_rate() < 1e15


def test_this_machine_is_measured_and_others_are_as_the_settings_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "core_rate", lambda: 5e10)
    monkeypatch.setattr(machine, "all_cores_rate", lambda: 6e10)
    here = machine.cores_of(ClusterConfig())
    assert here.measured
    assert here.core_rate == 5e10
    assert here.rate == (6e10 if here.cores > 1 else 5e10), "two cores that share a unit do less than twice as much"
    assert here.at_once(1) == 1
    assert here.at_once(here.cores) == pytest.approx(here.rate / 5e10)
    other = ClusterConfig(hardware=HardwareConfig(cores=64))
    assert machine.cores_of(other) == Machines.of(other.hardware)
    assert machine.cores_of(other).core_rate == 0.5 * 40e9
    joined = ClusterConfig(address="auto")
    assert not machine.cores_of(joined).measured
