"""Which device arrays are on: one meaning of `device=auto|cpu|cuda`, and one line for what is missing.

Where there is a CUDA device, every library that the geometry needs on it must be there: nothing falls back to the CPU in silence.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tda.errors import UserError

LIBRARIES = ("cupy", "cuml", "cuvs")
DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # Linux, and Linux inside Windows
HIDDEN = ("", "-1", "NoDevFiles")  # values of CUDA_VISIBLE_DEVICES that leave no device
BRING = "install cluster/requirements-gpu.txt (`make setup-gpu`), or set device=cpu"


def cuda(device: str) -> Any:
    """Return the CuPy module if `device` (auto | cpu | cuda) selects a GPU, else None.

    auto selects a GPU where one can be used. Raises UserError for another value, for cuda without a device, and for a device whose
    libraries are missing, do not load, or run under `cuml.accel`, which would move what is meant for the CPU to the GPU.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"device={device!r} is unknown; choose one of: auto, cpu, cuda")
    if device == "cpu":
        return None
    if not _visible():
        if device == "cuda":
            raise UserError("device='cuda', but there is no CUDA device that this process may use; use device=cpu")
        return None
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise UserError(f"device={device!r}: there is a CUDA device, but no {', '.join(missing)}: {BRING}")
    if _accelerated():
        raise UserError("cuml.accel is on: it moves scikit-learn, umap-learn and hdbscan to the GPU unasked; start Python without it")
    return _loaded(device)


def _visible() -> bool:
    """Whether there is a driver, and CUDA_VISIBLE_DEVICES leaves a device."""
    return any(path.exists() for path in DRIVERS) and os.environ.get("CUDA_VISIBLE_DEVICES") not in HIDDEN


def _accelerated() -> bool:
    accel = sys.modules.get("cuml.accel")
    return accel is not None and bool(accel.enabled())


def _loaded(device: str) -> Any:
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()  # raises where the driver finds none
    except Exception as error:  # failures of loading and of drivers have many types
        line = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"device={device!r}: the CUDA device cannot be used: {line}; mend the driver, or {BRING}") from error
    return cupy
