"""The gap as other papers report it, from moments: closed forms, and the originators' formulas on the rows themselves."""

from typing import Any

import numpy as np
import pytest
from scipy.linalg import sqrtm, subspace_angles

from tda.errors import UserError
from tda.geometry.modalities import gap_measures
from tda.geometry.spectrum.moments import Moments


def unit(x_ND: Any) -> Any:
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def pairs() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    image_ND = rng.standard_normal((400, 24)) * np.linspace(2, 0.2, 24) + 0.5
    return unit(image_ND), unit(image_ND + rng.standard_normal((400, 24)) - 0.8)


def test_rmg_is_the_definition_on_rows(pairs: tuple[Any, Any]) -> None:
    """Schrodi et al. 2024: mean paired distance over itself plus the mean distance within the modalities, all as (1 - cos) / 2."""
    image_ND, text_ND = pairs
    off = ~np.eye(400, dtype=bool)
    within = np.mean([((1 - x_ND @ x_ND.T) / 2)[off].mean() for x_ND in pairs])
    paired = ((1 - (image_ND * text_ND).sum(axis=1)) / 2).mean()
    found = gap_measures.metrics(Moments.of(image_ND), Moments.of(text_ND), float((image_ND * text_ND).sum(axis=1).mean()), "float64")
    assert found["relative_modality_gap"] == pytest.approx(paired / (paired + within), rel=1e-12)
    assert found["cone"]["image"] == pytest.approx((image_ND @ image_ND.T)[off].mean(), rel=1e-11)


@pytest.mark.parametrize(("pair", "cones", "expected"), [(1.0, (0.2, 0.4), 0.0), (0.0, (1.0, 1.0), 1.0), (1.0, (1.0, 1.0), None)])
def test_rmg_at_its_ends(pair: float, cones: tuple[float, float], expected: float | None) -> None:
    assert gap_measures.relative_modality_gap(pair, *cones) == expected


def test_frechet_is_that_of_the_matrix_root(pairs: tuple[Any, Any]) -> None:
    image_ND, text_ND = pairs
    covariances = [np.cov(x_ND.T) for x_ND in pairs]
    shared = np.trace(np.real(sqrtm(covariances[0] @ covariances[1])))
    apart = ((image_ND.mean(0) - text_ND.mean(0)) ** 2).sum()
    expected = apart + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * shared
    assert gap_measures.frechet(Moments.of(image_ND), Moments.of(text_ND)) == pytest.approx(expected, rel=1e-6)
    assert gap_measures.frechet(Moments.of(image_ND), Moments.of(image_ND)) == pytest.approx(0, abs=1e-12)


def test_frechet_of_a_shift_is_its_square(pairs: tuple[Any, Any]) -> None:
    image_ND, _ = pairs
    assert gap_measures.frechet(Moments.of(image_ND), Moments.of(image_ND + 0.5)) == pytest.approx(24 * 0.25, rel=1e-10)


def test_principal_angles_are_scipys(pairs: tuple[Any, Any]) -> None:
    moments = [Moments.of(x_ND) for x_ND in pairs]
    bases = [np.linalg.eigh(np.cov(x_ND.T))[1][:, ::-1][:, :5] for x_ND in pairs]
    expected = np.sort(np.degrees(subspace_angles(*bases)))
    assert gap_measures.principal_angles(*moments, size=5) == pytest.approx(list(expected), abs=1e-5)


def test_subspaces_that_share_nothing_are_at_right_angles() -> None:
    rng = np.random.default_rng(1)
    image_ND, text_ND = np.zeros((2, 50, 8))
    image_ND[:, :3], text_ND[:, 4:7] = rng.standard_normal((2, 50, 3))
    found = gap_measures.principal_angles(Moments.of(image_ND), Moments.of(text_ND), size=3)
    assert found == pytest.approx([90, 90, 90])
    assert len(gap_measures.principal_angles(Moments.of(image_ND), Moments.of(text_ND))) == 8, "no more directions than dimensions"


def test_rank_me_is_of_uncentred_singular_values(pairs: tuple[Any, Any]) -> None:
    image_ND, _ = pairs
    sigma = np.linalg.svd(image_ND, compute_uv=False)
    share = sigma / sigma.sum() + 1e-7
    assert gap_measures.rank_me(Moments.of(image_ND)) == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-9)
    assert gap_measures.rank_me(Moments.of(np.eye(6))) == pytest.approx(6, rel=1e-5)
    with pytest.raises(UserError, match="all zero"):
        gap_measures.rank_me(Moments.of(np.zeros((3, 4))))


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_alpha_of_a_planted_power_law(slope: float) -> None:
    """Orthogonal columns of mean 0: the eigenvalues are exactly index^-slope."""
    columns_ND = np.linalg.qr(np.column_stack([np.ones(300), np.random.default_rng(0).standard_normal((300, 40))]))[0][:, 1:]
    assert gap_measures.alpha(Moments.of(columns_ND * np.arange(1, 41) ** (-slope / 2))) == pytest.approx(slope, abs=1e-6)


def test_alpha_needs_three_values() -> None:
    assert gap_measures.alpha(Moments.of(np.random.default_rng(0).standard_normal((50, 2)))) is None
