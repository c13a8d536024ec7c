"""An epoch of the layout against the same in plain NumPy; forces, the schedule of edges, threads, rates. M vertices, E edges."""

from typing import Any

import numpy as np
import pytest
from numba import get_num_threads
from scipy import sparse

from tda.errors import UserError
from tda.geometry.sphere.epochs_cpu import (
    BOTH_ENDS,
    GOLDEN,
    KNOTS,
    MAX_FORCE,
    Forces,
    Schedule,
    force_tables,
    layout_cpu,
    numba_threads,
    schedule,
)
from tda.geometry.sphere.init import random_start

FORCES = Forces(a=1.577, b=0.895, n_epochs=200, seed=7)
U = np.uint32


def small_graph(count: int = 40, seed: int = 0) -> Any:
    half = sparse.random(count, count, density=0.15, random_state=np.random.default_rng(seed), format="csr")
    return half.maximum(half.T)


def mix(h: Any) -> Any:
    h = U((h ^ (h >> U(16))) * U(0x7FEB352D))
    h = U((h ^ (h >> U(15))) * U(0x846CA68B))
    return U(h ^ (h >> U(16)))


def neighbours_met(edges: Schedule, i: int, epoch: int, forces: Forces, count: int) -> list[tuple[int, bool]]:
    """The vertices that vertex i meets in an epoch, in order, and whether as a negative sample."""
    met, state = [], mix(U(mix(U(U(forces.seed) ^ U(U(epoch) * U(GOLDEN)))) ^ U(i))) | U(1)
    for e in range(edges.start_M[i], edges.start_M[i + 1]):
        due = (int(e) * GOLDEN % 2**32 + (epoch + 1) * int(edges.step_E[e])) % 2**32 < int(edges.step_E[e])
        if due:
            met.append((int(edges.index_E[e]), False))
            for _ in range(forces.negatives):
                state = U(state ^ U(state << U(13)))
                state = U(state ^ (state >> U(17)))
                state = U(state ^ U(state << U(5)))
                met.append((int(state) * count >> 32, True))
    return met


def force(p_3: Any, q_3: Any, negative: bool, forces: Forces) -> Any:
    """Along the great circle from p to q, by the textbook: angle by arccos, tangent by projection."""
    tangent_3 = q_3 - (p_3 @ q_3) * p_3
    if np.linalg.norm(tangent_3) < 1e-6:
        return np.zeros(3)
    angle = np.arctan2(np.linalg.norm(tangent_3), p_3 @ q_3)
    w = 1 / (1 + forces.a * angle ** (2 * forces.b))
    pull = -forces.repulsion * 2 * forces.b * w / angle if negative else BOTH_ENDS * 2 * forces.b * (1 - w) / angle
    return np.clip(pull, -MAX_FORCE, MAX_FORCE) * tangent_3 / np.linalg.norm(tangent_3)


def plain_epoch(old_M3: Any, seen_T3: Any, edges: Schedule, epoch: int, forces: Forces) -> Any:
    new_M3 = np.empty_like(old_M3)
    for i, p_3 in enumerate(old_M3):
        met = neighbours_met(edges, i, epoch, forces, len(seen_T3))
        total_3 = sum((force(p_3, seen_T3[j], negative, forces) for j, negative in met), np.zeros(3))
        moved_3 = p_3 + forces.rate(epoch) * total_3 / max(1.0, np.linalg.norm(total_3))
        new_M3[i] = moved_3 / np.linalg.norm(moved_3)
    return new_M3


def first_epochs(epochs: int) -> Forces:
    return Forces(a=FORCES.a, b=FORCES.b, n_epochs=epochs, seed=FORCES.seed)


@pytest.mark.filterwarnings("ignore:overflow")  # the reference's 32-bit arithmetic wraps
@pytest.mark.parametrize("epochs", [1, 3])
def test_kernel_is_the_plain_epoch(epochs: int) -> None:
    edges, start_N3, forces = schedule(small_graph(), 200), random_start(40, 1), first_epochs(epochs)
    plain_N3 = start_N3
    for epoch in range(epochs):
        plain_N3 = plain_epoch(plain_N3, plain_N3, edges, epoch, forces)
    # float32 against float64: about 1e-6 an epoch.
    np.testing.assert_allclose(layout_cpu(start_N3, edges, forces), plain_N3, atol=1e-5)


@pytest.mark.filterwarnings("ignore:overflow")
def test_kernel_among_fixed_vertices_is_the_plain_epoch() -> None:
    edges, fixed_T3 = schedule(sparse.csr_array(small_graph()[:10]), 200), random_start(40, 1)
    plain_M3 = plain_epoch(random_start(10, 2), fixed_T3, edges, 0, first_epochs(1))
    np.testing.assert_allclose(layout_cpu(random_start(10, 2), edges, first_epochs(1), fixed_T3=fixed_T3), plain_M3, atol=1e-5)


def test_edges_are_sampled_in_proportion_to_their_weight() -> None:
    graph = small_graph()
    edges = schedule(graph, 200)
    sampled_E = np.zeros(len(edges.step_E))
    for epoch in range(200):
        for e, step in enumerate(edges.step_E):
            sampled_E[e] += (e * GOLDEN % 2**32 + (epoch + 1) * int(step)) % 2**32 < int(step)
    expected_E = 200 * graph.tocsr().sorted_indices().data / graph.data.max()
    assert np.abs(sampled_E - expected_E[expected_E >= 1]).max() <= 1


def test_edges_due_less_than_once_are_left_out_and_rows_stay_in_order() -> None:
    weights_NN = np.array([[0, 1.0, 0.0049, 0], [1.0, 0, 0.5, 0], [0.0049, 0.5, 0, 0], [0, 0, 0, 0]])
    edges = schedule(sparse.csr_array(4 * weights_NN), 200)
    np.testing.assert_array_equal(edges.start_M, [0, 1, 3, 4, 4])
    np.testing.assert_array_equal(edges.index_E, [1, 0, 2, 1])
    np.testing.assert_array_equal(edges.step_E, np.array([2**32 - 1, 2**32 - 1, 2**31, 2**31], np.uint32))
    assert len(schedule(sparse.csr_array((5, 5)), 200).index_E) == 0


def test_forces_are_the_gradient_of_the_cross_entropy() -> None:
    """Both tables against numerical derivatives of -log w and -log(1 - w), w the membership (McInnes et al. 2018, section 3.2)."""
    forces = Forces(a=1.2, b=0.8, repulsion=1.5)
    place_K = np.arange(400, KNOTS, 97)
    angle_K, step = 2 * np.arcsin(place_K / KNOTS), 1e-6
    low_K, high_K = (1 / (1 + 1.2 * (angle_K + side) ** 1.6) for side in (-step, step))
    attraction_K, repulsion_K = force_tables(forces)[:, place_K]
    np.testing.assert_allclose(attraction_K, BOTH_ENDS * (np.log(low_K) - np.log(high_K)) / (2 * step), rtol=1e-5)
    np.testing.assert_allclose(repulsion_K, 1.5 * (np.log1p(-low_K) - np.log1p(-high_K)) / (2 * step), rtol=1e-5)
    assert np.isfinite(force_tables(forces)).all()


def test_the_rate_falls_linearly_to_0_and_bounds_the_step() -> None:
    assert [Forces(a=1, b=1, learning_rate=0.4, n_epochs=4).rate(epoch) for epoch in range(5)] == pytest.approx([0.4, 0.3, 0.2, 0.1, 0])
    start_N3, edges = random_start(40, 1), schedule(small_graph(), 200)
    moved_N3 = layout_cpu(start_N3, edges, Forces(a=1.577, b=0.895, learning_rate=0.05, n_epochs=1))
    step_N = np.linalg.norm(moved_N3 - start_N3, axis=1)
    assert 0.02 < step_N.max() <= 0.05 + 1e-6


def test_threads_change_no_bit_and_the_start_is_left_as_it_was() -> None:
    start_N3, edges = random_start(300, 1), schedule(small_graph(300), 200)
    before_N3 = start_N3.copy()
    with numba_threads(None):
        most = get_num_threads()
    layouts = {layout_cpu(start_N3, edges, first_epochs(20), threads=threads).tobytes() for threads in (1, most, None)}
    assert len(layouts) == 1
    np.testing.assert_array_equal(start_N3, before_N3)


def test_a_vertex_alone_and_one_at_its_antipode_stay_where_they_are() -> None:
    """No great circle is the shortest to an antipode: such a pair has no force, not a NaN."""
    poles_N3 = np.array([[0.0, 0, 1], [0, 0, -1], [1, 0, 0]])
    pair = schedule(sparse.csr_array(np.array([[0, 1.0, 0], [1, 0, 0], [0, 0, 0]])), 200)
    found_N3 = layout_cpu(poles_N3, pair, Forces(a=1.577, b=0.895, negatives=0, n_epochs=3))
    np.testing.assert_array_equal(found_N3, poles_N3.astype(np.float32))


def test_threads_are_set_back_and_too_many_are_refused() -> None:
    before = get_num_threads()
    with numba_threads(1):
        assert get_num_threads() == 1
    assert get_num_threads() == before
    for threads in (0, 10_000):
        with pytest.raises(UserError, match=f"threads={threads} is not in 1 "), numba_threads(threads):
            pass
