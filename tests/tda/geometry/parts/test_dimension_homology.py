"""The parts dimension and homology on shapes whose answer is known, and the tables that hold them."""

import numpy as np
import pytest

from tda.config.analysis import DimensionConfig, HomologyConfig
from tda.errors import UserError
from tda.geometry.parts.dimension_homology import dimension_of, homology_of, homology_tables


def _circle(n: int, dim: int = 6) -> np.ndarray:
    angle_N = np.linspace(0, 2 * np.pi, n, endpoint=False)
    out_ND = np.zeros((n, dim))
    out_ND[:, 0], out_ND[:, 1] = np.cos(angle_N), np.sin(angle_N)
    return out_ND


def _sphere(n: int, intrinsic: int, dim: int = 20) -> np.ndarray:
    rng = np.random.default_rng(4)
    rows_ND = np.zeros((n, dim))
    rows_ND[:, : intrinsic + 1] = rng.standard_normal((n, intrinsic + 1))
    return rows_ND @ np.linalg.qr(rng.standard_normal((dim, dim)))[0]


@pytest.mark.parametrize("intrinsic", [2, 4])
def test_both_estimates_find_a_planted_dimension(intrinsic: int) -> None:
    found = dimension_of(_sphere(3000, intrinsic), DimensionConfig(), seed=0)
    assert set(found) == {"two_nn", "mle"}
    for estimate in found.values():
        assert abs(estimate["value"] - intrinsic) < 0.35, estimate


def test_lengths_of_rows_do_not_count() -> None:
    rows_ND = _sphere(800, 3)
    scaled_ND = rows_ND * np.random.default_rng(1).uniform(0.1, 9, (800, 1))
    for name, estimate in dimension_of(scaled_ND, DimensionConfig(), seed=0).items():
        assert estimate["value"] == pytest.approx(dimension_of(rows_ND, DimensionConfig(), seed=0)[name]["value"], rel=1e-4)


def test_a_circle_has_one_loop_and_its_tables_say_so() -> None:
    config = HomologyConfig(landmarks=60, stability_seeds=1)
    metrics, found = homology_of(_circle(300), config, seed=0)
    assert metrics["stability"] is None
    tables = homology_tables({"image": found})
    birth, death, degree = (tables["persistence"][name] for name in ("birth", "death", "degree"))
    loops = (death - birth)[(degree == 1) & np.isfinite(death)]
    assert loops.max() > 1
    assert (np.sort(loops)[:-1] < 0.1).all()
    steps = tables["betti"]
    middle = (steps["degree"] == 1) & (steps["radius"] > 0.5) & (steps["radius"] < 1.5)
    assert set(steps["betti"][middle].tolist()) == {1}


def test_tables_of_two_modalities_stand_one_after_the_other() -> None:
    config = HomologyConfig(landmarks=12, max_degree=0, stability_seeds=1)
    both = {name: homology_of(_circle(40, dim), config, seed=0)[1] for name, dim in (("image", 4), ("text", 7))}
    tables = homology_tables(both)
    for table in tables.values():
        assert len({len(column) for column in table.values()}) == 1
        names = list(table["modality"])
        assert names == sorted(names)
        assert set(names) == {"image", "text"}
        assert table["degree"].dtype == np.int32


def test_stability_is_measured_over_draws_of_landmarks() -> None:
    metrics, _ = homology_of(_circle(200), HomologyConfig(landmarks=30, choice="random", stability_seeds=3), seed=0)
    assert metrics["stability"] is not None


@pytest.mark.parametrize("fault", [0.0, np.nan, np.inf])
def test_a_row_without_direction_is_refused(fault: float) -> None:
    rows_ND = _sphere(50, 2)
    rows_ND[7] = fault
    with pytest.raises(UserError):
        dimension_of(rows_ND, DimensionConfig(), seed=0)
    with pytest.raises(UserError):
        homology_of(rows_ND, HomologyConfig(landmarks=10, stability_seeds=1), seed=0)
