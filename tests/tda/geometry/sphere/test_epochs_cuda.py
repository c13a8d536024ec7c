"""The CUDA epoch without a GPU: its text compiled as C++, launched by the host code through a CuPy that is NumPy underneath.

This holds kernel and host code to the numba kernel: the arithmetic, the draws, the order and types of the arguments, the grid, the swap of
buffers. Compilation by NVRTC, rounding by the GPU and parallel execution are tested by tests/gpu/test_sphere_gpu.py alone.
"""

import ctypes
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tda.geometry.sphere import epochs_cuda
from tda.geometry.sphere.epochs_cpu import BOTH_ENDS, GOLDEN, MAX_FORCE, Forces, layout_cpu, schedule
from tda.geometry.sphere.epochs_cuda import BLOCK, SOURCE, layout_cuda
from tda.geometry.sphere.init import random_start

SHIM = """
#include <cmath>
#include <cstddef>
struct dim { unsigned x; };
static thread_local dim blockIdx, threadIdx, blockDim;
#define __device__
#define __global__
#define __forceinline__ inline
#define __restrict__
"""

C_TYPES = {"float": np.float32, "long long": np.int64, "int": np.int32, "unsigned int": np.uint32}


def small_graph(count: int) -> Any:
    half = sparse.random(count, count, density=0.15, random_state=np.random.default_rng(0), format="csr")
    return half.maximum(half.T)


def parameters() -> list[tuple[type[Any], bool]]:
    """Type of each parameter of the kernel, as NumPy's, and whether it is a pointer."""
    (listed,) = re.findall(r"void epoch\((.*?)\) \{", SOURCE, re.DOTALL)
    found = [re.fullmatch(r"\s*(?:const )?(.+?)(\*)? (?:__restrict__ )?\w+\s*", one) for one in listed.split(",")]
    return [(C_TYPES[one[1]], bool(one[2])) for one in found if one]


def launcher() -> str:
    """C++ that runs every thread of every block in turn; each argument comes by its address."""
    names = {np.float32: "float", np.int64: "long long", np.int32: "int", np.uint32: "unsigned int"}
    given = [f"({names[kind]}*)args[{i}]" if pointer else f"*({names[kind]}*)args[{i}]" for i, (kind, pointer) in enumerate(parameters())]
    return f"""
extern "C" void launch(unsigned blocks, unsigned threads, void** args) {{
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
        for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x) epoch({", ".join(given)});
}}
"""


class CompiledKernel:
    """Stands for cupy.RawKernel: compiles for the CPU, checks each argument against the kernel's parameter, and runs it."""

    folder: Path
    calls: list[tuple[Any, Any]]

    def __init__(self, source: str, name: str, options: Sequence[str]) -> None:
        assert name == "epoch"
        assert options[0] == "--fmad=false"
        file, library = self.folder / "epoch.cpp", self.folder / "epoch.so"
        file.write_text(SHIM + source + launcher())
        compiler = shutil.which("g++") or shutil.which("clang++")
        assert compiler is not None
        flags = ["-O1", "-ffp-contract=off", "-shared", "-fPIC", *options[1:]]
        subprocess.run([compiler, *flags, str(file), "-o", str(library)], check=True)
        self._launch = ctypes.CDLL(str(library)).launch

    def __call__(self, grid: tuple[int], block: tuple[int], args: tuple[Any, ...]) -> None:
        self.calls.append((grid, block))
        for given, (kind, pointer) in zip(args, parameters(), strict=True):
            assert given.dtype == kind
            assert (given.ndim > 0) == pointer
            assert given.flags.c_contiguous
        held = [np.ascontiguousarray(one) for one in args if np.ndim(one) == 0]
        scalars = iter(held)
        places = [one.ctypes.data if np.ndim(one) else next(scalars).ctypes.data for one in args]
        self._launch(grid[0], block[0], (ctypes.c_void_p * len(places))(*places))


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, Any]]]:
    """Grid and block of each launch."""
    if not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("no C++ compiler: the CUDA kernel's text cannot be run on this machine")
    cupy, kernel = ModuleType("cupy"), type("Kernel", (CompiledKernel,), {"folder": tmp_path, "calls": []})
    for name in ("array", "asarray", "ascontiguousarray", "empty_like", "float32"):
        setattr(cupy, name, getattr(np, name))
    cupy.RawKernel = kernel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    epochs_cuda._kernel.cache_clear()
    yield kernel.calls
    epochs_cuda._kernel.cache_clear()


def forces(epochs: int) -> Forces:
    return Forces(a=1.577, b=0.895, n_epochs=epochs, seed=7)


@pytest.mark.parametrize(("epochs", "atol"), [(1, 2e-6), (4, 2e-3)])  # powf and asinf differ in the last bit; epochs amplify it
@pytest.mark.parametrize("count", [300, 2 * BLOCK, 5])
def test_a_layout_is_the_numba_kernels(calls: list[Any], count: int, epochs: int, atol: float) -> None:
    edges, start_N3 = schedule(small_graph(count), 200), random_start(count, 1)
    before_N3 = start_N3.copy()
    np.testing.assert_allclose(layout_cuda(start_N3, edges, forces(epochs)), layout_cpu(start_N3, edges, forces(epochs)), atol=atol)
    np.testing.assert_array_equal(start_N3, before_N3)
    assert calls == [((-(-count // BLOCK),), (BLOCK,))] * epochs


def test_among_fixed_vertices_only_the_new_ones_move(calls: list[Any]) -> None:
    edges, fixed_T3 = schedule(sparse.csr_array(small_graph(200)[:30]), 200), random_start(200, 1)
    found_M3 = layout_cuda(random_start(30, 2), edges, forces(2), fixed_T3=fixed_T3)
    np.testing.assert_allclose(found_M3, layout_cpu(random_start(30, 2), edges, forces(2), fixed_T3=fixed_T3), atol=1e-5)
    assert len(calls) == 2


def test_other_curves_samples_and_seeds_reach_the_kernel(calls: list[Any]) -> None:
    edges, start_N3 = schedule(small_graph(100), 200), random_start(100, 1)
    for options in ({"negatives": 0}, {"negatives": 9, "repulsion": 0.3}, {"seed": 2**32 - 1}, {"learning_rate": 0.01}):
        other = Forces(**{"a": 0.9, "b": 1.3, "n_epochs": 1, **options})
        found_N3 = layout_cuda(start_N3, edges, other)
        np.testing.assert_allclose(found_N3, layout_cpu(start_N3, edges, other), atol=5e-6)
        assert np.abs(found_N3 - layout_cuda(start_N3, edges, forces(1))).max() > 1e-4
    assert len(calls) == 8


def test_the_constants_of_both_kernels_are_the_same(calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """They reach the text as definitions: no number of the numba kernel is written a second time."""
    given = []
    monkeypatch.setattr(CompiledKernel, "__init__", lambda _, source, name, options: given.extend([source, name, *options]))
    epochs_cuda._kernel()
    assert given[2:] == ["--fmad=false", f"-DGOLDEN={GOLDEN}u", f"-DBOTH_ENDS={BOTH_ENDS}f", f"-DMAX_FORCE={MAX_FORCE}f"]
    assert not calls
