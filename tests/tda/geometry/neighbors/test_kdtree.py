"""Euclidean neighbours against brute force in float64. N rows, Q queries, K neighbours."""

import numpy as np
import pytest

from tda.geometry.neighbors.kdtree import Neighbors


@pytest.mark.parametrize("dim", [3, 40])
def test_neighbours_are_exact(dim: int) -> None:
    rng = np.random.default_rng(0)
    x_ND, q_QD = rng.standard_normal((300, dim)).astype(np.float32), rng.standard_normal((70, dim)).astype(np.float32)
    plain_QN = np.linalg.norm(q_QD[:, None].astype(np.float64) - x_ND[None], axis=2)
    distance_QK, index_QK = Neighbors(x_ND).query(q_QD, 7)
    np.testing.assert_array_equal(index_QK, np.argsort(plain_QN, axis=1)[:, :7])
    np.testing.assert_allclose(distance_QK, np.sort(plain_QN, axis=1)[:, :7], rtol=1e-12)
    assert Neighbors(x_ND[:4]).query(q_QD, 7)[0].shape == (70, 4)


def test_neighbours_closer_than_squared_norms_can_tell() -> None:
    x_ND = np.ones((3, 64))
    x_ND[1, 0] += 3e-9
    x_ND[2, 0] += 9e-9
    distance_QK, index_QK = Neighbors(x_ND).query(x_ND, 3)
    np.testing.assert_array_equal(index_QK[:, 0], [0, 1, 2])
    np.testing.assert_allclose(distance_QK[0], [0, 3e-9, 9e-9], rtol=1e-6)
