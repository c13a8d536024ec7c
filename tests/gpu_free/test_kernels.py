"""The kernels' text, compiled for each architecture by NVRTC without a device.

What it computes is held to the CPU's numbers by tests/tda/geometry/sphere/test_epochs_cuda.py, which compiles it as C++.
"""

import re

import pytest

from tda.geometry.sphere.epochs_cuda import CONSTANTS, SOURCE

pytestmark = pytest.mark.gpu_free

ARCHITECTURES = (80, 90, 100)
MOST_REGISTERS = 48  # of a thread: 10 blocks of 128 threads share the 65,536 registers of a multiprocessor


def compiled(source: str, architecture: int) -> tuple[bool, str]:
    """Whether NVRTC takes the source for sm_`architecture`, and its log."""
    from cuda.bindings import nvrtc

    _, program = nvrtc.nvrtcCreateProgram(source.encode(), b"kernel.cu", 0, [], [])
    options = [f"--gpu-architecture=sm_{architecture}", "--fmad=false", "--ptxas-options=-v", *CONSTANTS]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    log = b" " * nvrtc.nvrtcGetProgramLogSize(program)[1]
    nvrtc.nvrtcGetProgramLog(program, log)
    return status == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.decode()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_epoch_compiles_without_spills(architecture: int) -> None:
    done, log = compiled(SOURCE, architecture)
    assert done, log
    assert "0 bytes spill stores, 0 bytes spill loads" in log
    registers = int(re.findall(r"Used (\d+) registers", log)[0])
    print(f"sm_{architecture}: {registers} registers, no spill")
    assert registers <= MOST_REGISTERS


@pytest.mark.parametrize("fault", [("size_t j", "size_t k"), ("powf(", "power("), ("next[", "old[")])
def test_a_fault_in_the_text_is_found(fault: tuple[str, str]) -> None:
    done, log = compiled(SOURCE.replace(*fault, 1), ARCHITECTURES[0])
    assert not done
    assert "error" in log
