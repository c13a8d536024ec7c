"""Labels of rows outside a fit: hdbscan's own `approximate_predict`, and the rule written anew."""

from typing import Any

import hdbscan as library
import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.clusters.assign import NOISE
from tda.geometry.clusters.density import hdbscan
from tda.geometry.clusters.stability import agreement


def blobs(count: int, seed: int, spread: float = 0.12) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    centre_CD = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, -1], [0.6, 0.6, 0.5]])
    truth_N = rng.integers(5, size=count)
    return centre_CD[truth_N] + spread * rng.standard_normal((count, 3)), truth_N


def test_nearly_the_labels_of_hdbscans_approximate_predict() -> None:
    """It takes a core distance one neighbour farther, so rows at a border may differ."""
    x_ND, new_MD = blobs(800, 0)[0], blobs(600, 1, spread=0.2)[0]
    model = library.HDBSCAN(15, min_samples=8, prediction_data=True, approx_min_span_tree=False).fit(x_ND)
    theirs, _ = library.approximate_predict(model, new_MD)
    found = hdbscan(x_ND, 15, 8)
    assert found.predictor is not None
    ours, _ = found.predictor.predict(new_MD)
    assert (agreement(theirs, ours) or 0) > 0.97
    assert abs(np.mean(theirs == NOISE) - np.mean(ours == NOISE)) < 0.03
    assert 0.02 < np.mean(ours == NOISE) < 0.6


@pytest.mark.parametrize("method", ["eom", "leaf"])
@pytest.mark.parametrize("engine", ["hdbscan", "fast_hdbscan"])
def test_a_row_joins_where_the_cluster_is_connected(method: str, engine: str) -> None:
    """The rule on all pairs: the least mutual reachability, below that of the cluster and any row outside it."""
    x_ND, new_MD = blobs(400, 0)[0], blobs(150, 1, spread=0.25)[0]
    found = hdbscan(x_ND, 12, 5, method=method, engine=engine)
    label_N, predictor = found.labels, found.predictor
    assert predictor is not None
    between_NN = np.linalg.norm(x_ND[:, None] - x_ND[None], axis=2)
    core_N = np.sort(between_NN, axis=1)[:, 5]
    reach_NN = np.maximum(np.maximum(between_NN, core_N), core_N[:, None])
    split_C = np.array([reach_NN[label_N == c][:, label_N != c].min() for c in range(found.count)])
    np.testing.assert_allclose(predictor.split_C, split_C, rtol=1e-6)  # fast_hdbscan rounds distances to float32
    far_MN = np.linalg.norm(new_MD[:, None] - x_ND[None], axis=2)
    mutual_MN = np.maximum(np.maximum(far_MN, core_N), np.sort(far_MN, axis=1)[:, 4:5])
    nearest_M = np.array([min(np.flatnonzero(row == row.min()), key=lambda n, m=m: far_MN[m, n]) for m, row in enumerate(mutual_MN)])
    joins_M = (label_N[nearest_M] >= 0) & (mutual_MN.min(axis=1) < split_C[label_N[nearest_M]])
    wanted_M = np.where(joins_M, label_N[nearest_M], NOISE)
    label_M, firm_M = predictor.predict(new_MD)
    np.testing.assert_array_equal(label_M, wanted_M)
    assert ((firm_M > 0) == (label_M >= 0)).all()
    assert firm_M.max() <= 1


def test_members_keep_their_labels_and_rows_are_labelled_alone() -> None:
    x_ND, new_MD = blobs(500, 0)[0], blobs(300, 1)[0]
    found = hdbscan(x_ND, 10)
    assert found.predictor is not None
    label_N, firm_N = found.predictor.predict(x_ND)
    np.testing.assert_array_equal(label_N, found.labels)
    np.testing.assert_allclose(firm_N, found.probability)
    whole, alone = found.predictor.predict(new_MD), found.predictor.predict(new_MD[3:4])
    assert (whole[0][3], whole[1][3]) == (alone[0][0], alone[1][0])


def test_a_fit_of_all_rows_gives_the_same_clusters() -> None:
    x_ND, truth_N = blobs(6000, 0)
    part, whole = hdbscan(x_ND[:1500], 15), hdbscan(x_ND, 60)
    assert part.predictor is not None
    label_N, _ = part.predictor.predict(x_ND)
    assert (agreement(label_N, whole.labels) or 0) > 0.9
    assert (agreement(label_N, truth_N, noise=False) or 0) > 0.95


def test_one_cluster_of_everything_and_no_cluster() -> None:
    x_ND = 0.1 * np.random.default_rng(0).standard_normal((200, 3))
    one = hdbscan(x_ND, 150, 5, single=True)
    assert one.count == 1
    assert one.predictor is not None
    assert one.predictor.predict(np.array([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]]))[0].tolist()[0] == 0
    assert hdbscan(x_ND[:5], 10).predictor is None


def test_new_numbers_and_refusals() -> None:
    found = hdbscan(blobs(500, 0)[0], 10)
    assert found.predictor is not None
    new_MD = blobs(100, 1)[0]
    before, _ = found.predictor.predict(new_MD)
    label_M, firm_M = found.predictor.renamed([2, NOISE, *range(3, found.count + 1)][: found.count]).predict(new_MD)
    assert set(label_M[before == 0]) == {2}
    assert set(label_M[before == 1]) == {NOISE}
    assert (firm_M[before == 1] == 0).all()
    with pytest.raises(UserError, match="row 1 holds a value that is not finite"):
        found.predictor.predict(np.array([[0.0, 0, 1], [np.nan, 0, 0]]))
