"""One modality's shape in the other: rotations, ranks, differences and joint dimension, planted and by loops."""

from typing import Any

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group

from tda.errors import UserError
from tda.geometry.modalities.between import differences, dimension_correlation, information_imbalance, procrustes


def unit(x_MD: Any) -> Any:
    return x_MD / np.linalg.norm(x_MD, axis=1, keepdims=True)


def rows(count: int = 120, dim: int = 8, seed: int = 0) -> Any:
    return unit(np.random.default_rng(seed).standard_normal((count, dim)))


class TestProcrustes:
    def test_a_rotated_copy_fits_without_residual(self) -> None:
        image_MD = rows()
        found = procrustes(image_MD, image_MD @ ortho_group.rvs(8, random_state=0))
        assert found["residual"] == pytest.approx(0, abs=1e-20)
        assert found["top1"] == 1.0
        assert found["top1_before"] < 0.2

    def test_unrelated_rows_do_not(self) -> None:
        found = procrustes(rows(400), rows(400, seed=9))
        assert found["residual"] > 0.9
        assert found["top1"] < 0.05

    def test_it_is_fitted_on_one_half_and_judged_on_the_other(self) -> None:
        image_MD = rows()
        text_MD = unit(image_MD @ ortho_group.rvs(8, random_state=1) + 0.2 * rows(seed=3))
        order = np.random.default_rng(5).permutation(120)
        fit, held = order[:60], order[60:]
        x, y = image_MD - image_MD[fit].mean(0), text_MD - text_MD[fit].mean(0)
        rotation, _ = orthogonal_procrustes(x[fit], y[fit])
        expected = ((x[held] @ rotation - y[held]) ** 2).sum() / (y[held] ** 2).sum()
        assert procrustes(image_MD, text_MD, seed=5)["residual"] == pytest.approx(expected, rel=1e-9)


class TestInformationImbalance:
    def test_it_is_the_mean_rank_of_the_nearest(self) -> None:
        """Glielmo et al. 2022, equation 1, as loops."""
        x_MD, y_MD = rows(40), rows(40, seed=1)

        def imbalance(a: Any, b: Any) -> float:
            total = 0
            for i in range(40):
                others = [j for j in range(40) if j != i]
                nearest = min(others, key=lambda j: ((a[i] - a[j]) ** 2).sum())
                total += sorted(others, key=lambda j: ((b[i] - b[j]) ** 2).sum()).index(nearest) + 1
            return 2 / 40**2 * total

        assert information_imbalance(x_MD, y_MD) == pytest.approx(
            {"image_to_text": imbalance(x_MD, y_MD), "text_to_image": imbalance(y_MD, x_MD)}
        )

    def test_equal_spaces_hold_all_and_unrelated_ones_nothing(self) -> None:
        x_MD = rows(200)
        assert information_imbalance(x_MD, x_MD)["image_to_text"] == pytest.approx(2 / 200)
        assert information_imbalance(x_MD, rows(200, seed=2))["text_to_image"] == pytest.approx(1.0, abs=0.12)

    def test_a_projection_holds_less_than_its_source(self) -> None:
        """Coordinates that one space lacks: the whole says much of the part, the part little of the whole."""
        rng = np.random.default_rng(0)
        whole = rng.standard_normal((300, 3))
        part = np.column_stack([whole[:, 0], 0.01 * rng.standard_normal((300, 2))])
        found = information_imbalance(unit(np.column_stack([whole, np.full(300, 9.0)])), unit(np.column_stack([part, np.full(300, 9.0)])))
        assert found["image_to_text"] < found["text_to_image"]


class TestDifferences:
    def test_a_constant_gap_has_no_variance_along_it(self) -> None:
        rng = np.random.default_rng(0)
        base = np.column_stack([rng.standard_normal((200, 5)), np.zeros(200)])
        up_D = np.array([0, 0, 0, 0, 0, 3.0])
        image_MD, text_MD = unit(base + up_D), unit(base - up_D)
        found = differences(image_MD, text_MD)
        assert found["distance"] == pytest.approx(np.linalg.norm(image_MD - text_MD, axis=1).mean())
        assert found["along_gap"] == pytest.approx(1.0), "all of the little variance there is"
        sideways = text_MD + np.column_stack([rng.standard_normal((200, 5)), np.zeros(200)])
        assert differences(image_MD, sideways)["along_gap"] < 0.5

    def test_equal_modalities_are_not_apart(self) -> None:
        assert differences(rows(), rows()) == {"distance": 0.0, "along_gap": 0.0}


class TestDimensionCorrelation:
    def test_one_manifold_seen_twice_is_correlated(self) -> None:
        rng = np.random.default_rng(0)
        angle = rng.uniform(0, 2 * np.pi, 300)
        curve = np.column_stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])
        found = dimension_correlation(unit(curve), unit(curve[:, ::-1] + 0.0), draws=19)
        assert found["value"] == pytest.approx(1.0, abs=0.15)
        assert found["p_value"] == 1 / 20

    def test_independent_manifolds_are_not(self) -> None:
        rng = np.random.default_rng(1)
        first, second = rng.uniform(0, 2 * np.pi, (2, 400))
        found = dimension_correlation(*(np.column_stack([np.cos(a), np.sin(a)]) for a in (first, second)), draws=19)
        assert found["value"] == pytest.approx(0.0, abs=0.2)
        assert found["p_value"] is not None
        assert found["p_value"] > 0.05

    def test_equal_rows_have_none(self) -> None:
        assert dimension_correlation(np.ones((9, 3)), rows(9, 3)) == {"value": None, "p_value": None}


@pytest.mark.parametrize("function", [procrustes, information_imbalance, differences, dimension_correlation])
def test_seven_pairs_are_too_few(function: Any) -> None:
    with pytest.raises(UserError, match="7 pairs are too few; at least 8 are needed"):
        function(rows(7), rows(7, seed=1))
