"""One epoch of the layout on the sphere, as a numba kernel, and the loop over epochs.

M vertices that move, T vertices that act on them, E edges in CSR rows, 3 coordinates. Positions are float32 unit vectors, angles radians.

Each vertex reads the positions of the previous epoch and writes its own next position: no value is shared between threads, so that the
result has the same bits for any number of threads. Negative samples come from an xorshift seeded by (seed, epoch, vertex). The gradient is
that of UMAP's cross-entropy (McInnes, Healy and Melville 2018, section 3.2) with the geodesic angle d as distance and membership
w = 1 / (1 + a d^2b): attraction 2b (1 - w) / d, repulsion 2b w / d, along the great circle. `tda.geometry.sphere.epochs_cuda` is the same
algorithm in CUDA. A separate file, so that numba loads with the first layout.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import config, get_num_threads, njit, prange, set_num_threads

from tda.compiled import compiled
from tda.errors import UserError
from tda.progress import report_progress

U = np.uint32
F = np.float32
GOLDEN = 2654435769  # 2^32 divided by the golden ratio: multiples of it fill the 32-bit circle evenly
BOTH_ENDS = 2.0  # UMAP moves both ends of a sampled edge, and the graph holds every edge in both directions
KNOTS = 4096  # intervals of the tables of both forces over the chord in [0, 2]: within 3e-6 of the functions
NEAR2, FAR2 = 0.04**2, 3.98  # squared chords between which the tables are that accurate
MAX_FORCE = 1.0  # largest force of one neighbour: a negative sample very close by would otherwise throw the vertex far away


@dataclass(frozen=True, kw_only=True)
class Forces:
    """Parameters of a layout: membership curve (a, b), weight of repulsion, negative samples per edge, initial step in radians."""

    a: float
    b: float
    repulsion: float = 1.0
    negatives: int = 5
    learning_rate: float = 0.3
    n_epochs: int = 200
    seed: int = 0

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch: it falls linearly to 0, and is also the longest step in radians."""
        return self.learning_rate * (1.0 - epoch / self.n_epochs)


def force_tables(forces: Forces) -> Any:
    """Attraction and repulsion (2, KNOTS + 1), float32, at evenly spaced chords: a lookup replaces a power and an arc sine per pair."""
    chord_K = np.linspace(0.0, 2.0, KNOTS + 1)
    chord_K[0] = chord_K[1]  # repulsion is infinite at 0; pairs that near do not use the table
    angle_K = 2.0 * np.arcsin(chord_K / 2.0)
    w_K = 1.0 / (1.0 + forces.a * angle_K ** (2 * forces.b))
    scale_K = 2 * forces.b / angle_K
    return np.stack([BOTH_ENDS * scale_K * (1.0 - w_K), -forces.repulsion * scale_K * w_K]).astype(F)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Edges as CSR rows, and how often each is sampled: in a share `step / 2^32` of the epochs."""

    start_M: Any  # int64 (M + 1)
    index_E: Any  # int32
    step_E: Any  # uint32


def schedule(graph: Any, n_epochs: int) -> Schedule:
    """Return the sampling schedule of a sparse graph (M, T): the strongest edge in every epoch, others in proportion to their weight.

    Edges that would be sampled less than once in `n_epochs` are left out, as in umap-learn.
    """
    graph = graph.tocsr().astype(np.float64)
    graph.sort_indices()
    graph.data /= graph.data.max(initial=1e-300)
    graph.data[graph.data * n_epochs < 1.0] = 0.0
    graph.eliminate_zeros()
    step_E = np.minimum(np.round(graph.data * 2.0**32), 2.0**32 - 1).astype(U)
    return Schedule(start_M=graph.indptr.astype(np.int64), index_E=graph.indices.astype(np.int32), step_E=step_E)


@njit(inline="always")
def _mix(h: Any) -> Any:
    """Hash 32 bits ("lowbias32" of C. Wellons): neighbouring seeds give unrelated values."""
    h = U((h ^ (h >> U(16))) * U(0x7FEB352D))
    h = U((h ^ (h >> U(15))) * U(0x846CA68B))
    return U(h ^ (h >> U(16)))


@njit(inline="always")
def _xorshift(state: Any) -> Any:
    state = U(state ^ U(state << U(13)))
    state = U(state ^ (state >> U(17)))
    return U(state ^ U(state << U(5)))


@njit(inline="always")
def _pull(chord2: Any, a: Any, b2: Any, repulsion: Any) -> Any:
    """Force along the tangent divided by sin d, positive towards the other vertex; `repulsion` is 0 for an edge."""
    angle = F(2) * np.arcsin(min(F(1), F(0.5) * np.sqrt(chord2)))
    w = F(1) / (F(1) + a * angle**b2)
    force = F(BOTH_ENDS) * b2 * (F(1) - w) / angle if repulsion == F(0) else -repulsion * b2 * w / angle
    return min(F(MAX_FORCE), max(-F(MAX_FORCE), force)) / np.sqrt(chord2 * (F(1) - F(0.25) * chord2))


@njit(inline="always")
def _looked_up(chord2: Any, table_K: Any) -> Any:
    """The result of `_pull`, from a table of forces."""
    chord = np.sqrt(chord2)
    place = chord * F(KNOTS / 2)
    at = np.int64(place)
    low = table_K[at]
    force = low + (place - F(at)) * (table_K[at + 1] - low)
    return min(F(MAX_FORCE), max(-F(MAX_FORCE), force)) / (chord * np.sqrt(F(1) - F(0.25) * chord2))


def _epoch(  # noqa: PLR0917 # compiled for CPU and GPU alike: flat arguments
    old_M3: Any, seen_T3: Any, new_M3: Any, start_M: Any, index_E: Any, step_E: Any, epoch: Any, seed: Any,
    a: Any, b2: Any, repulsion: Any, negatives: Any, rate: Any, table_2K: Any,
) -> None:  # fmt: skip
    count = np.uint64(seen_T3.shape[0])
    for i in prange(old_M3.shape[0]):
        px, py, pz = old_M3[i, 0], old_M3[i, 1], old_M3[i, 2]
        fx, fy, fz = F(0), F(0), F(0)
        state = _mix(U(_mix(U(U(seed) ^ U(U(epoch) * U(GOLDEN)))) ^ U(i))) | U(1)  # 0 is a fixed point of xorshift
        for e in range(start_M[i], start_M[i + 1]):
            step = step_E[e]
            # A 32-bit fraction: the edge is due when the step of this epoch overflows. Edges start at different phases.
            if U(U(U(e) * U(GOLDEN)) + U(U(epoch + 1) * step)) >= step:
                continue
            for m in range(negatives + 1):
                j = np.int64(index_E[e])
                if m > 0:
                    state = _xorshift(state)
                    j = np.int64((np.uint64(state) * count) >> np.uint64(32))
                dx, dy, dz = seen_T3[j, 0] - px, seen_T3[j, 1] - py, seen_T3[j, 2] - pz
                chord2 = dx * dx + dy * dy + dz * dz
                if chord2 > F(1e-12) and chord2 < F(3.99999):  # neither the vertex itself nor its antipode
                    if F(NEAR2) < chord2 < F(FAR2):
                        g = _looked_up(chord2, table_2K[min(m, 1)])
                    else:
                        g = _pull(chord2, a, b2, F(0) if m == 0 else repulsion)
                    h = F(0.5) * chord2  # projects the difference on the tangent plane at p: dx + (chord^2 / 2) p
                    fx += g * (dx + h * px)
                    fy += g * (dy + h * py)
                    fz += g * (dz + h * pz)
        scale = rate / max(F(1), np.sqrt(fx * fx + fy * fy + fz * fz))
        x, y, z = px + scale * fx, py + scale * fy, pz + scale * fz
        norm = np.sqrt(x * x + y * y + z * z)
        new_M3[i, 0], new_M3[i, 1], new_M3[i, 2] = x / norm, y / norm, z / norm


epoch_cpu = compiled(parallel=True, error_model="numpy")(_epoch)


@contextmanager
def numba_threads(threads: int | None) -> Iterator[None]:
    """Let numba use `threads` threads (None: all of NUMBA_NUM_THREADS) inside the block. Raises UserError for more than that."""
    most = int(config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined] # numba sets it from the environment
    before = get_num_threads()
    if threads is not None and not 1 <= threads <= most:
        raise UserError(f"threads={threads} is not in 1 .. {most}, the threads of this process; NUMBA_NUM_THREADS sets the bound")
    set_num_threads(threads or most)
    try:
        yield
    finally:
        set_num_threads(before)


def layout_cpu(init_M3: Any, edges: Schedule, forces: Forces, *, fixed_T3: Any = None, threads: int | None = None) -> Any:
    """Return the layout: unit vectors (M, 3), float32.

    `init_M3`: unit vectors to start from. `edges`: the rows are moving vertices; the columns are the same vertices, or, where new rows
    are placed among fitted ones, the fixed vertices `fixed_T3`. `threads`: None uses all cores; the result has the same bits for any
    number. Raises UserError for more threads than numba has.
    """
    old_M3, new_M3 = np.array(init_M3, dtype=F, order="C"), np.empty(init_M3.shape, dtype=F)
    fixed_T3 = None if fixed_T3 is None else np.ascontiguousarray(fixed_T3, dtype=F)
    curve, table_2K = (F(forces.a), F(2 * forces.b), F(forces.repulsion), np.int64(forces.negatives)), force_tables(forces)
    with numba_threads(threads):
        for epoch in range(forces.n_epochs):
            seen_T3 = old_M3 if fixed_T3 is None else fixed_T3
            rows = (edges.start_M, edges.index_E, edges.step_E)
            epoch_cpu(old_M3, seen_T3, new_M3, *rows, U(epoch), U(forces.seed), *curve, F(forces.rate(epoch)), table_2K)
            old_M3, new_M3 = new_M3, old_M3
            report_progress(epoch + 1, forces.n_epochs, "epochs")
    return old_M3
