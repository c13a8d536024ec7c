"""Falls of spectra with a known answer: power laws and exponentials fade, subspaces drop, flat spectra do neither."""

from typing import Any

import numpy as np
import pytest

from tda.geometry.spectrum.fall import FALLS, Drop, fall, power_law, steps
from tda.geometry.spectrum.moments import Moments

FLOOR = 1e-15


def under(values_D: Any, threshold: float = 1e-3) -> int:
    below = np.flatnonzero(values_D / values_D[0] < threshold)
    return int(below[0]) if len(below) else len(values_D)


def of(values_D: Any, floor: float = FLOOR) -> Any:
    return fall(np.asarray(values_D, dtype=float), floor, under(np.asarray(values_D)))


@pytest.mark.parametrize("slope", [1.0, 2.0, 3.0, 6.0])
def test_a_power_law_fades_and_its_slope_is_found(slope: float) -> None:
    values_D = np.arange(1, 513.0) ** -slope
    found = of(values_D)
    assert found.kind == ("fades" if 512.0**-slope < 1e-3 else "none")
    assert (found.drop, found.alpha) == (None, pytest.approx(slope))
    assert found.largest_drop == Drop(index=1, decades=pytest.approx(slope * np.log10(2)))
    assert found.numerical_rank == int((values_D > FLOOR).sum())


@pytest.mark.parametrize("rate", [0.05, 0.3, 2.0])
def test_an_exponential_fades_whatever_its_rate(rate: float) -> None:
    assert of(np.exp(-rate * np.arange(300))).kind == "fades"


@pytest.mark.parametrize(("kept", "depth"), [(1, 4), (3, 5), (40, 1.0), (63, 3)])
def test_a_drop_is_found_where_it_is_and_as_deep(kept: int, depth: float) -> None:
    """Behind a power law, and where the threshold was passed before: the drop itself is what counts."""
    values_D = np.arange(1, 65.0) ** -2.0 * np.where(np.arange(64) < kept, 1, 10.0**-depth)
    found = of(values_D)
    step = depth + 2 * np.log10((kept + 1) / kept)
    assert (found.kind, found.drop) == ("drops", Drop(index=kept, decades=pytest.approx(step)))
    assert found.largest_drop == found.drop


def test_a_drop_that_ends_above_the_threshold_is_no_collapse() -> None:
    values_D = np.r_[1.0, np.full(60, 0.01), np.full(3, 1e-4)]
    assert of(values_D).drop == Drop(index=61, decades=pytest.approx(2))
    assert of(values_D[:61]).kind == "none"
    assert of(values_D[:61]).largest_drop == Drop(index=1, decades=pytest.approx(2))


def test_the_number_of_rows_is_no_drop() -> None:
    """500 rows of a power law in 512 dimensions have 499 values: the step to the floor is the sample's."""
    values_D = np.where(np.arange(512) < 499, np.arange(1, 513.0) ** -2.2, 0.0)
    assert of(values_D).drop == Drop(index=499, decades=pytest.approx(-np.log10(FLOOR) - 2.2 * np.log10(499)))
    found = fall(values_D, FLOOR, under(values_D), rows=500)
    assert (found.kind, found.drop, found.largest_drop) == ("fades", None, of(values_D).largest_drop)
    early = np.where(np.arange(512) < 300, values_D, 1e-12)
    assert fall(early, FLOOR, under(early), rows=500).drop == of(early).drop
    assert fall(early, FLOOR, under(early), rows=500).drop is not None


def test_what_is_under_the_floor_counts_as_the_floor() -> None:
    values_D = np.r_[np.ones(10), 1e-12, 1e-17, 0.0]
    assert of(values_D, 1e-9).drop == Drop(index=10, decades=pytest.approx(9))
    assert of(values_D, 1e-9).numerical_rank == 10
    assert np.array_equal(steps(values_D, 1e-9)[10:], [0, 0])


def test_points_lines_and_flat_spectra_have_an_answer() -> None:
    assert fall(np.zeros(5), 1e-9, 0).metrics(5) == {
        "numerical_rank": 0, "drop_index": 5, "drop_decades": 0.0, "largest_drop_index": 5, "largest_drop_decades": 0.0, "alpha": None,
    }  # fmt: skip
    assert of([1.0, 0.5, 1e-9]).metrics(3)["drop_index"] == 2
    assert of([1.0]).kind == of(np.ones(9)).kind == "none"
    assert of([1.0, 1e-9]).kind == "drops"
    assert power_law(np.ones(2)) is None
    assert {of(np.ones(4)).kind, "fades", "drops"} == set(FALLS)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["power law", "steep power law", "exponential", "subspace", "subspace, halved"])
def test_drawn_rows_are_called_a_collapse_where_they_have_one(kind: str) -> None:
    """200 draws of ten rows a dimension or more: at most 5 % of the verdicts are wrong."""
    wrong = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        dim, rows = int(rng.integers(24, 96)), 0
        rows = int(rng.integers(10, 20)) * dim
        scale_D = {
            "power law": np.arange(1, dim + 1.0) ** -rng.uniform(0.6, 1.2),
            "steep power law": np.arange(1, dim + 1.0) ** -rng.uniform(1.5, 3),
            "exponential": np.exp(-rng.uniform(0.02, 0.2) * np.arange(dim)),
        }.get(kind, np.where(np.arange(dim) < rng.integers(4, dim - 1), 1.0, 0.0))
        x_ND = rng.standard_normal((rows, dim)) * scale_D @ np.linalg.qr(rng.standard_normal((dim, dim)))[0]
        x_ND /= np.linalg.norm(x_ND, axis=1, keepdims=True)
        stored = "float16" if "halved" in kind else "float64"
        found = Moments.of(x_ND.astype(stored)).spectrum(stored=stored).metrics()
        wrong += (found["drop_index"] < dim) is not kind.startswith("subspace")
    assert wrong <= 10


def test_rows_halved_before_they_were_stored_have_the_floor_of_halves() -> None:
    """What `analysis.spectrum.origin_dtype` is for: float32 vectors that were float16 show the rounding of float16."""
    rng = np.random.default_rng(0)
    x_ND = rng.standard_normal((2000, 40)) @ np.linalg.qr(rng.standard_normal((64, 40)))[0].T
    x_ND = (x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    plain, halved = (Moments.of(x_ND).spectrum(stored=stored).metrics() for stored in ("float32", "float16"))
    assert (plain["numerical_rank"], halved["numerical_rank"]) == (64, 40)
