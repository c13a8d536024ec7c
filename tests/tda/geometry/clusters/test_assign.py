"""Assignment of rows that were not fitted, against the rule written out in loops. N rows, U members, K neighbours."""

import pickle
from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.clusters.assign import NOISE, Assigner
from tda.geometry.clusters.density import hdbscan


def blobs(rows: int, clusters: int = 3, dim: int = 2, spread: float = 0.5, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    label_N = rng.integers(clusters, size=rows)
    return 3.0 * np.eye(clusters, dim)[label_N] + spread * rng.standard_normal((rows, dim)), label_N


def by_the_rule(x_D: Any, members_UD: Any, labels_U: Any, k: int) -> tuple[int, float]:
    """Label and share of the votes of one row: mutual reachability, votes by its inverse, no cluster's reach grows."""
    between_UU = np.linalg.norm(members_UD[:, None] - members_UD[None], axis=2)
    core_U = np.sort(between_UU, axis=1)[:, k]  # the 0th is the member itself

    def reach(from_: float, distance: float, core: float) -> float:
        return max(from_, distance, core)

    def widest(label: int) -> float:
        """The largest of the members' reaches to the nearest of their cluster among their k nearest."""
        least = []
        for u in np.flatnonzero(labels_U == label):
            near = [v for v in np.argsort(between_UU[u], kind="stable")[1 : k + 1] if labels_U[v] == label]
            least.append(min((reach(between_UU[u, v], core_U[u], core_U[v]) for v in near), default=0.0))
        return max(least)

    distance_U = np.linalg.norm(members_UD - x_D, axis=1)
    near_K = np.argsort(distance_U, kind="stable")[:k]
    if distance_U[near_K[0]] == 0:
        return int(labels_U[near_K[0]]), 1.0 if labels_U[near_K[0]] != NOISE else 0.0
    reach_K = np.array([reach(distance_U[u], core_U[u], distance_U[near_K[-1]]) for u in near_K])
    votes = {int(label): float((1 / reach_K[labels_U[near_K] == label]).sum()) for label in labels_U[near_K]}
    winner = max(votes, key=lambda label: votes[label])
    if winner == NOISE or min(reach_K[labels_U[near_K] == winner]) > widest(winner):
        return NOISE, 0.0
    return winner, votes[winner] / sum(votes.values())


@pytest.mark.parametrize("k", [1, 2, 5, 12])
def test_labels_and_shares_are_those_of_the_rule(k: int) -> None:
    """Overlapping clusters with noise between them: every branch of the rule is taken by some row."""
    members_UD, labels_U = blobs(120)
    labels_U[np.random.default_rng(1).random(120) < 0.15] = NOISE
    rows_ND = np.concatenate([blobs(80, spread=1.0, seed=2)[0], members_UD[:20]])
    label_N, share_N = Assigner(members_UD, labels_U, k).members(rows_ND)
    wanted = [by_the_rule(x_D, members_UD, labels_U, k) for x_D in rows_ND]
    np.testing.assert_array_equal(label_N, [label for label, _ in wanted])
    np.testing.assert_allclose(share_N, [share for _, share in wanted], rtol=1e-12)
    assert {NOISE, 0, 1, 2} == set(label_N[:80].tolist())
    assert ((share_N[:80] > 0) & (share_N[:80] < 1)).any() or k == 1


def test_outliers_join_no_cluster_and_copies_of_members_join_theirs() -> None:
    centre_CD = np.concatenate([np.eye(3), -np.eye(3)])
    rng = np.random.default_rng(0)
    x_ND = centre_CD[rng.integers(6, size=3000)] + 0.05 / np.sqrt(3) * rng.standard_normal((3000, 3))
    found = hdbscan(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True), 20)
    assert found.assigner is not None
    far_BD = np.asarray([[1, 1, 1], [1, -1, 1], [0, 0, 0], [50, 0, 0]]) / np.sqrt(3)
    np.testing.assert_array_equal(found.assigner.assign(far_BD), [-1] * 4)
    np.testing.assert_array_equal(found.assigner.assign(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)), found.labels)


def test_blocks_of_any_size_give_the_same_labels() -> None:
    members_UD, labels_U = blobs(200, dim=5)
    rows_ND, _ = blobs(333, dim=5, seed=3)
    assigner = Assigner(members_UD, labels_U, 6)
    whole, cut = assigner.members(rows_ND), assigner.members(rows_ND, block_rows=7)
    for one, other in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(assigner.assign(rows_ND), whole[0])


def test_members_closer_than_a_float_can_tell_vote_with_a_finite_weight() -> None:
    members_UD = np.array([[0.0], [5e-324], [1e-323], [1.0], [1.1]])
    label_N, share_N = Assigner(members_UD, np.array([0, 0, 0, 1, 1]), 2).members(np.array([[2e-323], [1.05]]))
    np.testing.assert_array_equal(label_N, [0, 1])
    assert np.isfinite(share_N).all()


def test_a_row_that_is_not_finite_is_named_by_its_place_in_the_set() -> None:
    members_UD, labels_U = blobs(100)
    rows_ND, _ = blobs(1000)
    rows_ND[700, 0] = np.inf
    with pytest.raises(UserError, match="rows to assign: row 700 "):
        Assigner(members_UD, labels_U, 5).assign(rows_ND, block_rows=64)


class OnDevice(np.ndarray):
    """Rows that say that they are in the memory of a device."""

    __cuda_array_interface__ = None

    def get(self) -> Any:
        return np.asarray(self)


@pytest.mark.parametrize("kind", [OnDevice, np.ndarray])
def test_between_processes_it_is_on_the_host(kind: type) -> None:
    rng = np.random.default_rng(0)
    members_UD = np.concatenate([rng.normal(size=(40, 3)), rng.normal(size=(40, 3)) + 9])
    first, rows_ND = Assigner(members_UD, np.arange(80) // 40, 5), rng.normal(size=(20, 3)) + 9
    one = Assigner(members_UD.view(kind), (np.arange(80) // 40).view(kind), 5)
    moved = pickle.loads(pickle.dumps(one))  # noqa: S301 (our own bytes)
    assert type(moved.members_UD) is np.ndarray
    np.testing.assert_array_equal(moved.assign(rows_ND.view(kind)), first.assign(rows_ND))
    assert (first.assign(rows_ND) == 1).sum() > 10
