"""The epoch of `tda.geometry.sphere.epochs_cpu` as a CUDA kernel: one thread per vertex, the same samples, the same order of operations.

M vertices that move, T vertices that act on them, E edges in CSR rows, 3 coordinates. `pow` and `asin` of CPU and GPU differ in the last
bits: layouts of both agree up to rounding after one epoch, and in quality at the end; on one machine they repeat to the last bit.
"""

from functools import cache
from typing import Any

from tda.geometry.sphere.epochs_cpu import BOTH_ENDS, GOLDEN, MAX_FORCE, Forces, Schedule

CONSTANTS = (f"-DGOLDEN={GOLDEN}u", f"-DBOTH_ENDS={BOTH_ENDS}f", f"-DMAX_FORCE={MAX_FORCE}f")
BLOCK = 128  # threads: rows of edges are short, so that many small blocks keep the multiprocessors busy

SOURCE = r"""
__device__ __forceinline__ unsigned int mix(unsigned int h) {
    h = (h ^ (h >> 16)) * 0x7FEB352Du;
    h = (h ^ (h >> 15)) * 0x846CA68Bu;
    return h ^ (h >> 16);
}

__device__ __forceinline__ float pull(float chord2, float a, float b2, float repulsion) {
    const float angle = 2.0f * asinf(fminf(1.0f, 0.5f * sqrtf(chord2)));
    const float w = 1.0f / (1.0f + a * powf(angle, b2));
    const float force = repulsion == 0.0f ? BOTH_ENDS * b2 * (1.0f - w) / angle : -repulsion * b2 * w / angle;
    return fminf(MAX_FORCE, fmaxf(-MAX_FORCE, force)) / sqrtf(chord2 * (1.0f - 0.25f * chord2));
}

extern "C" __global__ void epoch(
    const float* __restrict__ old, const float* __restrict__ seen, float* __restrict__ next, const long long* __restrict__ start,
    const int* __restrict__ index, const unsigned int* __restrict__ step, const unsigned int moving, const unsigned int count,
    const unsigned int n, const unsigned int seed, const float a, const float b2, const float repulsion, const int negatives,
    const float rate) {
    const unsigned int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= moving) return;
    const float px = old[3 * (size_t)i], py = old[3 * (size_t)i + 1], pz = old[3 * (size_t)i + 2];
    float fx = 0.0f, fy = 0.0f, fz = 0.0f;
    unsigned int state = mix(mix(seed ^ (n * GOLDEN)) ^ i) | 1u;
    for (long long e = start[i]; e < start[i + 1]; ++e) {
        if ((unsigned int)e * GOLDEN + (n + 1u) * step[e] >= step[e]) continue;
        for (int m = 0; m <= negatives; ++m) {
            size_t j = index[e];
            if (m > 0) {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                j = ((unsigned long long)state * count) >> 32;
            }
            const float dx = seen[3 * j] - px, dy = seen[3 * j + 1] - py, dz = seen[3 * j + 2] - pz;
            const float chord2 = dx * dx + dy * dy + dz * dz;
            if (chord2 > 1e-12f && chord2 < 3.99999f) {
                const float g = pull(chord2, a, b2, m == 0 ? 0.0f : repulsion);
                const float h = 0.5f * chord2;
                fx += g * (dx + h * px);
                fy += g * (dy + h * py);
                fz += g * (dz + h * pz);
            }
        }
    }
    const float scale = rate / fmaxf(1.0f, sqrtf(fx * fx + fy * fy + fz * fz));
    const float x = px + scale * fx, y = py + scale * fy, z = pz + scale * fz;
    const float norm = sqrtf(x * x + y * y + z * z);
    next[3 * (size_t)i] = x / norm;
    next[3 * (size_t)i + 1] = y / norm;
    next[3 * (size_t)i + 2] = z / norm;
}
"""


@cache
def _kernel() -> Any:
    import cupy

    return cupy.RawKernel(SOURCE, "epoch", options=("--fmad=false", *CONSTANTS))  # without fused multiply-add, sums round as in numba


def layout_cuda(init_M3: Any, edges: Schedule, forces: Forces, *, fixed_T3: Any = None) -> Any:
    """Return the layout, unit vectors (M, 3), as a float32 CuPy array: as `epochs_cpu.layout_cpu`, on the current GPU."""
    import cupy
    import numpy as np

    old_M3 = cupy.array(init_M3, dtype=cupy.float32, order="C")
    new_M3 = cupy.empty_like(old_M3)
    fixed_T3 = None if fixed_T3 is None else cupy.ascontiguousarray(cupy.asarray(fixed_T3, dtype=cupy.float32))
    rows = tuple(cupy.asarray(array) for array in (edges.start_M, edges.index_E, edges.step_E))
    curve = (np.float32(forces.a), np.float32(2 * forces.b), np.float32(forces.repulsion), np.int32(forces.negatives))
    moving = len(old_M3)
    for epoch in range(forces.n_epochs):
        seen_T3 = old_M3 if fixed_T3 is None else fixed_T3
        numbers = (np.uint32(moving), np.uint32(len(seen_T3)), np.uint32(epoch), np.uint32(forces.seed))
        call = (old_M3, seen_T3, new_M3, *rows, *numbers, *curve, np.float32(forces.rate(epoch)))
        _kernel()((-(-moving // BLOCK),), (BLOCK,), call)
        old_M3, new_M3 = new_M3, old_M3
    return old_M3
