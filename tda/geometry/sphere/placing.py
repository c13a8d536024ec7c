"""Further rows among the fitted rows of a layout, which do not move: each row alone, by the forces of the fit.

M rows to place, T fitted rows, K neighbours of each among them, C coordinates: 3 on the sphere, 2 in the plane.

A row starts at the mean of its neighbours, weighted by membership, and moves for a third of the epochs at a quarter of the rate. Its draws
are seeded by its neighbours, so its place depends on it and on the fitted rows alone, whatever is placed beside it. Memberships as in
UMAP (McInnes, Healy and Melville 2018, section 3.1) with rho = 0, as for new rows in umap-learn. A copy of a fitted row gets its place.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from tda.compiled import compiled
from tda.geometry.neighbors.graph import Knn
from tda.geometry.sphere.epochs_cpu import (
    FAR2,
    GOLDEN,
    NEAR2,
    F,
    Forces,
    U,
    _looked_up,
    _mix,
    _pull,
    _xorshift,
    force_tables,
    numba_threads,
)

BISECTIONS = 64
LEAST_SIGMA = 1e-3  # times the mean distance of the neighbours
CLIP = 4.0  # largest step of one force in the plane, as in umap-learn
NEAR_ZERO = 1e-3  # added to squared distances in the plane's repulsion, as in umap-learn


@njit
def _memberships(distance_K: Any, weight_K: Any) -> None:
    """Fill in memberships; those beyond the first add up to log2 K, by bisection of their scale."""
    count, low, high, sigma = len(distance_K), 0.0, np.inf, 1.0
    target, mean = np.log2(count), np.mean(distance_K)
    for _ in range(BISECTIONS):
        total = 0.0
        for k in range(1, count):
            total += np.exp(-distance_K[k] / sigma)
        if total > target:
            high = sigma
            sigma = 0.5 * (low + high)
        else:
            low = sigma
            sigma = 2.0 * sigma if high == np.inf else 0.5 * (low + high)
    sigma = max(sigma, LEAST_SIGMA * mean, 1e-300)
    for k in range(count):
        weight_K[k] = np.exp(-distance_K[k] / sigma)


@njit
def _begin(index_K: Any, distance_K: Any, fitted_TC: Any, weight_K: Any, place_C: Any) -> Any:
    """Fill in memberships and the weighted mean of the neighbours; returns the seed of the row's draws."""
    _memberships(distance_K, weight_K)
    seed = U(0)
    for k in range(len(index_K)):
        seed = _mix(U(seed ^ U(index_K[k])))
    for c in range(len(place_C)):
        total = 0.0
        for k in range(len(index_K)):
            total += weight_K[k] * fitted_TC[index_K[k], c]
        place_C[c] = F(total / np.sum(weight_K))
    return seed


@njit
def _due(edge: Any, epoch: Any, share: Any) -> Any:
    """Whether an edge is sampled in an epoch: in a share of them, as in the fit."""
    step = U(min(round(share * 4294967296.0), 4294967295.0))
    return U(U(U(edge) * U(GOLDEN)) + U(U(epoch + 1) * step)) < step


@compiled(parallel=True, error_model="numpy")
def _on_sphere(  # noqa: C901, PLR0917 (a kernel: flat)
    index_MK: Any, distance_MK: Any, fitted_T3: Any, placed_M3: Any, epochs: Any, rate: Any, seed: Any, negatives: Any, a: Any, b2: Any,
    repulsion: Any, table_2K: Any,
) -> None:  # fmt: skip
    count, neighbours = np.uint64(fitted_T3.shape[0]), index_MK.shape[1]
    for i in prange(index_MK.shape[0]):
        weight_K, p = np.empty(neighbours), np.empty(3, np.float32)
        own = _begin(index_MK[i], distance_MK[i], fitted_T3, weight_K, p)
        norm = np.sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2])
        still = distance_MK[i, 0] <= 0 or norm < F(1e-6)
        for c in range(3):
            p[c] = fitted_T3[index_MK[i, 0], c] if still else p[c] / norm
        for epoch in range(0 if still else epochs):
            fx, fy, fz = F(0), F(0), F(0)
            state = _mix(U(_mix(U(U(seed) ^ U(U(epoch) * U(GOLDEN)))) ^ own)) | U(1)
            for e in range(neighbours):
                if not _due(e, epoch, weight_K[e] / weight_K[0]) or weight_K[e] * epochs < weight_K[0]:
                    continue
                for m in range(negatives + 1):
                    j = np.int64(index_MK[i, e])
                    if m > 0:
                        state = _xorshift(state)
                        j = np.int64((np.uint64(state) * count) >> np.uint64(32))
                    dx, dy, dz = fitted_T3[j, 0] - p[0], fitted_T3[j, 1] - p[1], fitted_T3[j, 2] - p[2]
                    chord2 = dx * dx + dy * dy + dz * dz
                    if chord2 > F(1e-12) and chord2 < F(3.99999):
                        if F(NEAR2) < chord2 < F(FAR2):
                            g = _looked_up(chord2, table_2K[min(m, 1)])
                        else:
                            g = _pull(chord2, a, b2, F(0) if m == 0 else repulsion)
                        h = F(0.5) * chord2
                        fx += g * (dx + h * p[0])
                        fy += g * (dy + h * p[1])
                        fz += g * (dz + h * p[2])
            now = rate * F(1.0 - epoch / epochs)
            scale = now / max(F(1), np.sqrt(fx * fx + fy * fy + fz * fz))
            p[0], p[1], p[2] = p[0] + scale * fx, p[1] + scale * fy, p[2] + scale * fz
            norm = np.sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2])
            for c in range(3):
                p[c] /= norm
        placed_M3[i] = p


@compiled(parallel=True, error_model="numpy")
def _in_plane(  # noqa: PLR0917 (a kernel: flat arguments)
    index_MK: Any, distance_MK: Any, fitted_T2: Any, placed_M2: Any, epochs: Any, rate: Any, seed: Any, negatives: Any, a: Any, b: Any,
    repulsion: Any,
) -> None:  # fmt: skip
    count, neighbours = np.uint64(fitted_T2.shape[0]), index_MK.shape[1]
    for i in prange(index_MK.shape[0]):
        weight_K, p = np.empty(neighbours), np.empty(2, np.float32)
        own = _begin(index_MK[i], distance_MK[i], fitted_T2, weight_K, p)
        still = distance_MK[i, 0] <= 0
        if still:
            p[:] = fitted_T2[index_MK[i, 0]]
        for epoch in range(0 if still else epochs):
            state = _mix(U(_mix(U(U(seed) ^ U(U(epoch) * U(GOLDEN)))) ^ own)) | U(1)
            now = rate * F(1.0 - epoch / epochs)
            for e in range(neighbours):
                if not _due(e, epoch, weight_K[e] / weight_K[0]) or weight_K[e] * epochs < weight_K[0]:
                    continue
                for m in range(negatives + 1):
                    j = np.int64(index_MK[i, e])
                    if m > 0:
                        state = _xorshift(state)
                        j = np.int64((np.uint64(state) * count) >> np.uint64(32))
                    dx, dy = p[0] - fitted_T2[j, 0], p[1] - fitted_T2[j, 1]
                    d2 = dx * dx + dy * dy
                    if d2 <= F(0):
                        continue
                    near = F(1) + a * d2**b
                    g = F(-2) * a * b * d2 ** (b - F(1)) / near if m == 0 else F(2) * repulsion * b / ((F(NEAR_ZERO) + d2) * near)
                    p[0] += now * min(F(CLIP), max(F(-CLIP), g * dx))
                    p[1] += now * min(F(CLIP), max(F(-CLIP), g * dy))
        placed_M2[i] = p


@compiled()
def memberships(distance_MK: Any, weight_MK: Any) -> None:
    """Fill in the memberships (M, K) of rows at float64 distances (M, K) of their neighbours, nearest first: each row alone."""
    for i in range(len(distance_MK)):
        _memberships(distance_MK[i], weight_MK[i])


def place(knn: Knn, fitted_TC: Any, forces: Forces, *, threads: int | None = None) -> Any:
    """Return the places (M, C), float32, of rows whose neighbours among the fitted rows are `knn`; C = 3 is the sphere, 2 the plane.

    `fitted_TC`: places of the fitted rows. `forces`: those of the fit, with the epochs and the rate of the placing. The result has the same
    bits for any number of threads, and a row alone has the place that it has among others. Raises UserError for threads that numba lacks.
    """
    index_MK, distance_MK = (np.ascontiguousarray(x_MK, dtype) for x_MK, dtype in ((knn.index_NK, np.int32), (knn.distance_NK, np.float64)))
    fitted_TC = np.ascontiguousarray(fitted_TC, dtype=F)
    placed_MC = np.empty((len(knn), fitted_TC.shape[1]), dtype=F)
    common = (index_MK, distance_MK, fitted_TC, placed_MC, forces.n_epochs, F(forces.learning_rate), U(forces.seed), forces.negatives)
    with numba_threads(threads):
        if fitted_TC.shape[1] == 3:
            _on_sphere(*common, F(forces.a), F(2 * forces.b), F(forces.repulsion), force_tables(forces))
        else:
            _in_plane(*common, F(forces.a), F(forces.b), F(forces.repulsion))
    return placed_MC
