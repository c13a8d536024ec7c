"""Further rows among the fitted rows of a layout: each by itself, near its own, as trustworthy as the fit."""

from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from tda.geometry.arrays.rows import to_host
from tda.geometry.mixing import trustworthiness, trustworthiness_among
from tda.geometry.neighbors.among import Among
from tda.geometry.sphere.epochs_cpu import Forces
from tda.geometry.sphere.placing import place
from tda.geometry.sphere.umap import UNIT_ROWS, SphereUMAP, sphere_radius


def cloud(count: int, seed: int = 0) -> Any:
    """Rows along curves through 12 places of 24 dimensions: there is structure at every scale."""
    rng = np.random.default_rng(seed)
    centre_CD = np.random.default_rng(99).standard_normal((12, 24))
    share_N = rng.random((count, 1))
    at_N = rng.integers(12, size=count)
    x_ND = share_N * centre_CD[at_N] + (1 - share_N) * centre_CD[(at_N + 1) % 12]
    return (x_ND + 0.1 * rng.standard_normal((count, 24))).astype(np.float32)


@pytest.fixture(scope="module", params=["sphere", "plane"])
def fitted(request: pytest.FixtureRequest) -> tuple[SphereUMAP, Any, Any]:
    """A model, its rows and their places."""
    model, x_TD = SphereUMAP(output=request.param, device="cpu", n_epochs=200), cloud(1500)
    return model, x_TD, to_host(model.fit_transform(x_TD))


def test_as_trustworthy_as_the_fit(fitted: tuple[SphereUMAP, Any, Any]) -> None:
    model, x_TD, layout_TC = fitted
    new_MD = cloud(1000, seed=1)
    out = trustworthiness_among(new_MD, model.transform(new_MD), x_TD, layout_TC)
    assert out > trustworthiness(x_TD, layout_TC) - 0.01


def test_alone_or_among_others_and_on_any_number_of_threads(fitted: tuple[SphereUMAP, Any, Any]) -> None:
    model, x_TD, layout_TC = fitted
    new_MD, among = cloud(200, seed=2), Among(x_TD, 15)
    whole_MC = model.placed(among.nearest(new_MD), layout_TC)
    for part in (slice(0, 1), slice(7, 9), slice(150, 200)):
        np.testing.assert_array_equal(model.placed(among.nearest(new_MD[part]), layout_TC), whole_MC[part])
    model.threads = 1
    np.testing.assert_array_equal(model.placed(among.nearest(new_MD), layout_TC), whole_MC)
    model.threads = None


def test_a_copy_of_a_fitted_row_has_its_place(fitted: tuple[SphereUMAP, Any, Any]) -> None:
    model, x_TD, layout_TC = fitted
    np.testing.assert_array_equal(model.transform(x_TD[5:9]), layout_TC[5:9])


def test_without_epochs_of_force_it_stays_at_the_weighted_mean(fitted: tuple[SphereUMAP, Any, Any]) -> None:
    _, x_TD, layout_TC = fitted
    knn = Among(x_TD, 15).nearest(cloud(30, seed=3))
    still_MC = place(knn, layout_TC, Forces(a=1.5, b=0.9, learning_rate=0.0, n_epochs=1))
    from tda.geometry.sphere.fuzzy_graph import fuzzy_rows

    weight_MK = fuzzy_rows(knn)
    mean_MC = np.einsum("mk,mkc->mc", weight_MK, layout_TC[knn.index_NK]) / weight_MK.sum(axis=1)[:, None]
    if layout_TC.shape[1] == 3:
        mean_MC /= np.linalg.norm(mean_MC, axis=1, keepdims=True)
    np.testing.assert_allclose(still_MC, mean_MC, atol=1e-5)


def test_the_sphere_grows_with_the_rows() -> None:
    assert [sphere_radius(rows) for rows in (3, UNIT_ROWS, 4 * UNIT_ROWS)] == [1.0, 1.0, 2.0]
    x_ND = cloud(300)
    plain, same, wide = (SphereUMAP(device="cpu", radius=radius).fit_transform(x_ND) for radius in (None, 1.0, 3.0))
    np.testing.assert_array_equal(plain, same)
    assert not np.array_equal(plain, wide)
    assert trustworthiness(x_ND, wide) > 0.9
    axes = PCA(2).fit(x_ND)  # the data is no accident of the layout: most of it is in many directions
    assert axes.explained_variance_ratio_.sum() < 0.6
