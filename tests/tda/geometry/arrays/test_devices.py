"""The device: what auto, cpu and cuda mean where there is a device, where there is none, and where a library is missing."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tda.errors import UserError
from tda.geometry.arrays import devices
from tda.geometry.arrays.devices import cuda


def stand_in(count: Any = lambda: 1) -> Any:
    """A CuPy of which only the number of devices is asked."""
    return SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=count)))


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with a device and every library."""
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(devices, "DRIVERS", (tmp_path / "nvidiactl",))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "find_spec", lambda _: object())
    monkeypatch.setitem(sys.modules, "cupy", stand_in())
    monkeypatch.delitem(sys.modules, "cuml.accel", raising=False)
    return monkeypatch


@pytest.fixture
def no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "DRIVERS", (tmp_path / "nvidiactl",))


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_device_is_used(device: str) -> None:
    assert cuda(device) is sys.modules["cupy"]


@pytest.mark.usefixtures("driver")
def test_the_cpu_where_it_is_asked_for() -> None:
    assert cuda("cpu") is None


@pytest.mark.usefixtures("no_driver")
def test_no_device() -> None:
    assert cuda("auto") is None
    with pytest.raises(UserError, match="device='cuda', but there is no CUDA device that this process may use; use device=cpu"):
        cuda("cuda")


@pytest.mark.parametrize("hidden", devices.HIDDEN)
def test_devices_that_are_hidden_from_a_process(driver: pytest.MonkeyPatch, hidden: str) -> None:
    """A task of a cluster that did not ask for a device gets none."""
    driver.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert cuda("auto") is None
    with pytest.raises(UserError, match="no CUDA device that this process may use"):
        cuda("cuda")


@pytest.mark.parametrize("device", ["auto", "cuda"])
@pytest.mark.parametrize("missing", devices.LIBRARIES)
def test_a_missing_library_is_named(driver: pytest.MonkeyPatch, device: str, missing: str) -> None:
    driver.setattr(devices, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(
        UserError, match=rf"device='{device}': there is a CUDA device, but no {missing}: install .*`make setup-gpu`.*device=cpu"
    ):
        cuda(device)


def test_a_driver_that_fails(driver: pytest.MonkeyPatch) -> None:
    def fails() -> int:
        raise RuntimeError("cudaErrorInsufficientDriver:\n too old")

    driver.setitem(sys.modules, "cupy", stand_in(fails))
    with pytest.raises(UserError, match="cannot be used: cudaErrorInsufficientDriver: too old; mend the driver") as found:
        cuda("auto")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("on", [True, False])
def test_cuml_accel_is_refused(driver: pytest.MonkeyPatch, on: bool) -> None:
    driver.setitem(sys.modules, "cuml.accel", SimpleNamespace(enabled=lambda: on))
    if on:
        with pytest.raises(UserError, match=r"cuml\.accel is on"):
            cuda("auto")
    else:
        assert cuda("auto")


def test_an_unknown_device() -> None:
    with pytest.raises(UserError, match="device='gpu' is unknown; choose one of: auto, cpu, cuda"):
        cuda("gpu")
