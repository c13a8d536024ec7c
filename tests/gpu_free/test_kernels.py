"""The kernels' text: compiled for each architecture by NVRTC without a device, and, compiled as C++, held against the CPU's numbers."""

import ctypes
import re
import subprocess
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tda.geometry.sphere.epochs_cpu import Forces, layout_cpu, schedule
from tda.geometry.sphere.epochs_cuda import BLOCK, CONSTANTS, SOURCE
from tda.geometry.sphere.init import random_start

pytestmark = pytest.mark.gpu_free

ARCHITECTURES = (80, 90, 100)
MOST_REGISTERS = 48  # of a thread: 10 blocks of 128 threads share the 65,536 registers of a multiprocessor
AS_CPP = """
#include <cmath>
#include <cstddef>
#define __device__
#define __global__
#define __forceinline__ inline
using std::fmaxf; using std::fminf;
static struct { unsigned int x; } blockIdx, blockDim, threadIdx;
"""
RUN = """
extern "C" void run(unsigned int blocks, unsigned int threads, const float* old, const float* seen, float* next, const long long* start,
    const int* index, const unsigned int* step, unsigned int moving, unsigned int count, unsigned int n, unsigned int seed, float a,
    float b2, float repulsion, int negatives, float rate) {
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
        for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x)
            epoch(old, seen, next, start, index, step, moving, count, n, seed, a, b2, repulsion, negatives, rate);
}
"""


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


@pytest.fixture(scope="module")
def as_cpp(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "epoch.cpp").write_text(AS_CPP + SOURCE + RUN)
    flags = ["-O2", "-ffp-contract=off", "-shared", "-fPIC", "-D__restrict__=__restrict", *CONSTANTS]
    subprocess.run(["g++", *flags, "epoch.cpp", "-o", "epoch.so"], cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "epoch.so"))


def laid_out(library: Any, start_M3: Any, edges: Any, forces: Forces, fixed_T3: Any = None) -> Any:
    """As `layout_cuda`, by the kernel as C++."""
    old_M3, new_M3 = np.array(start_M3, dtype=np.float32), np.empty(start_M3.shape, np.float32)
    rows = (edges.start_M.astype(np.int64), edges.index_E.astype(np.int32), edges.step_E.astype(np.uint32))
    curve = [ctypes.c_float(value) for value in (forces.a, 2 * forces.b, forces.repulsion)]
    moving = len(old_M3)
    for epoch in range(forces.n_epochs):
        seen_T3 = old_M3 if fixed_T3 is None else fixed_T3
        numbers = [ctypes.c_uint(value) for value in (moving, len(seen_T3), epoch, forces.seed)]
        arrays = [ctypes.c_void_p(x.ctypes.data) for x in (old_M3, seen_T3, new_M3, *rows)]
        grid = ctypes.c_uint(-(-moving // BLOCK)), ctypes.c_uint(BLOCK)
        library.run(*grid, *arrays, *numbers, *curve, ctypes.c_int(forces.negatives), ctypes.c_float(forces.rate(epoch)))
        old_M3, new_M3 = new_M3, old_M3
    return old_M3


def graph(rows: int, columns: int) -> Any:
    return sparse.random(rows, columns, density=0.01, random_state=np.random.default_rng(0), format="csr")


@pytest.mark.parametrize(("seed", "negatives"), [(7, 5), (8, 5), (7, 0), (9, 1)])
def test_an_epoch_is_the_cpus(as_cpp: Any, seed: int, negatives: int) -> None:
    half = graph(1500, 1500)
    edges, forces = schedule(half.maximum(half.T), 200), Forces(a=1.577, b=0.895, n_epochs=1, seed=seed, negatives=negatives)
    start_N3 = random_start(1500, 1)
    wanted_N3, found_N3 = layout_cpu(start_N3, edges, forces), laid_out(as_cpp, start_N3, edges, forces)
    assert np.abs(wanted_N3 - start_N3).max() > 0.01
    np.testing.assert_allclose(found_N3, wanted_N3, atol=5e-6)  # powf and asinf differ in the last bits


def test_new_rows_among_fixed_ones_are_the_cpus(as_cpp: Any) -> None:
    edges, forces = schedule(graph(400, 900), 200), Forces(a=1.577, b=0.895, n_epochs=2, seed=3)
    start_M3, fixed_T3 = random_start(400, 1), random_start(900, 2).astype(np.float32)
    wanted_M3 = layout_cpu(start_M3, edges, forces, fixed_T3=fixed_T3)
    found_M3 = laid_out(as_cpp, start_M3, edges, forces, fixed_T3)
    np.testing.assert_allclose(found_M3, wanted_M3, atol=2e-5)
