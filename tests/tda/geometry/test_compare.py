"""The same space, rotated, noisier, unrelated: the value of each measure, and whether its interval covers the truth."""

from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.compare import Comparison, compare

MEASURES = ("cka", "cka_debiased", "mutual_knn", "cross_barcode")


def space(n: int = 300, dim: int = 20, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, dim)) * np.linspace(2, 0.2, dim) + 0.5


def values(found: Comparison) -> list[float]:
    return [getattr(found, name).value for name in MEASURES]


def test_a_rotated_space_is_the_same_space() -> None:
    x_ND = space()
    turn_DD = np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))[0]
    found = compare(x_ND, 3 * x_ND @ turn_DD, draws=20)
    np.testing.assert_allclose(values(found), [1, 1, 1, 0], atol=1e-6)
    for name in MEASURES:
        low, high = getattr(found, name).ci95
        assert low - 1e-6 <= getattr(found, name).value <= high + 1e-6


def test_unrelated_spaces_are_as_far_as_shuffled_pairs() -> None:
    found = compare(space(), space(dim=30, seed=1), draws=30)
    for name in MEASURES:
        measure = getattr(found, name)
        width = measure.ci95[1] - measure.ci95[0]
        assert abs(measure.value - measure.chance) < 2 * width + 0.02
    assert abs(found.cka_debiased.value) < 0.1
    assert found.mutual_knn.value < 0.1


def test_plain_cka_is_its_definition() -> None:
    x_ND, y_NE = space(), space(dim=7, seed=2) + space(dim=7)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x_ND, y_NE)]
    a_ND, b_NE = (rows - rows.mean(0) for rows in unit)
    expected = np.linalg.norm(a_ND.T @ b_NE) ** 2 / (np.linalg.norm(a_ND.T @ a_ND) * np.linalg.norm(b_NE.T @ b_NE))
    assert compare(x_ND, y_NE, draws=2).cka.value == pytest.approx(expected, rel=1e-10)


def test_debiased_cka_knows_unrelated_spaces_of_many_dimensions() -> None:
    rng = np.random.default_rng(0)
    found = compare(rng.standard_normal((200, 500)), rng.standard_normal((200, 500)), draws=10)
    assert found.cka.value > 0.5
    assert abs(found.cka_debiased.value) < 0.05


def test_more_noise_is_farther_in_every_measure() -> None:
    x_ND, noise_ND = space(), np.random.default_rng(3).standard_normal((300, 20))
    steps = np.asarray([values(compare(x_ND, x_ND + scale * noise_ND, draws=2)) for scale in (0.02, 0.3, 1.0, 4.0)])
    assert (np.diff(steps[:, :3], axis=0) < 0).all()
    assert (np.diff(steps[:, 3]) > 0).all()


def test_intervals_hold_the_truth() -> None:
    """CKA of 1,200 pairs is the truth for draws of 120; 95 % intervals hold it in at least 9 of 12 draws (fewer: 1 in 500)."""
    x_ND = space(1200)
    y_ND = x_ND + np.random.default_rng(5).standard_normal((1200, 20))
    truth = compare(x_ND, y_ND, sample=1200, draws=2, k=3).cka_debiased.value
    held = 0
    for seed in range(12):
        low, high = compare(x_ND, y_ND, sample=120, draws=40, seed=seed).cka_debiased.ci95
        held += low <= truth <= high
    assert held >= 9


@pytest.mark.long
@pytest.mark.parametrize(("noise", "pairs", "k"), [(0.5, 60, 5), (1.5, 100, 10)])
def test_intervals_by_pairs_cover(noise: float, pairs: int, k: int) -> None:
    """The truth is the mean of 300 samples of this size; of 300 more, 92 to 98 % cover it, give or take 1.3 % of chance."""
    rng = np.random.default_rng(1)
    image_ND = space(3000)
    both = np.stack([image_ND, image_ND + 0.3 * rng.standard_normal(image_ND.shape) + 1])
    other = np.stack([one + noise * rng.standard_normal(one.shape) for one in (both[0], both[1] - 2)])

    def drawn(seed: int, draws: int) -> Comparison:
        chosen = np.random.default_rng(seed).choice(3000, pairs, replace=False)
        x_ND, y_ND = (np.concatenate(space_2ND[:, chosen]) for space_2ND in (both, other))
        return compare(x_ND, y_ND, k=k, sample=2 * pairs, draws=draws, seed=seed, blocks=2)

    truth = np.mean([values(drawn(seed, 2)) for seed in range(300)], axis=0)
    held = np.zeros(len(MEASURES))
    for seed in range(300, 600):
        found = drawn(seed, 30)
        intervals = [getattr(found, name).ci95 for name in MEASURES]
        held += [low <= one <= high for one, (low, high) in zip(truth, intervals, strict=True)]
    assert (held / 300 >= 0.92 - 0.026).all(), held
    assert (held / 300 <= 0.98 + 0.016).all(), held


def test_members_of_a_pair_are_drawn_together() -> None:
    """Images beside texts that equal them: a half of pairs is two equal halves, so that its nearest row is always the partner."""
    x_ND = space(40)
    both = np.concatenate([x_ND, x_ND])
    other = np.concatenate([space(40, seed=1)] * 2)
    found = compare(both, other, k=1, draws=10, blocks=2).mutual_knn
    assert (found.value, found.ci95) == (1.0, (1.0, 1.0))
    torn = compare(both, other, k=1, draws=10).mutual_knn
    assert torn.ci95[0] < 1.0
    sampled = compare(both, other, k=1, draws=2, sample=20, blocks=2)
    assert (sampled.pairs, sampled.mutual_knn.value) == (20, 1.0)
    with pytest.raises(UserError, match="81 rows are not 2 blocks"):
        compare(np.ones((81, 3)), np.ones((81, 3)), blocks=2)


def test_real_models_differ(shared_data: Any) -> None:
    """The trained model's images and texts are closer to each other than the untrained one's."""
    found = []
    for name in ("clip_vitb16_coco500", "clip_vitb16_random_coco500"):
        with np.load(shared_data / f"{name}.npz", allow_pickle=False) as arrays:
            found.append(compare(arrays["image"], arrays["text"], draws=30))
    trained, untrained = found
    assert trained.mutual_knn.ci95[0] > untrained.mutual_knn.ci95[1]
    assert trained.cka_debiased.ci95[0] > untrained.cka_debiased.ci95[1]
    assert set(trained.metrics()) == {*MEASURES, "pairs", "k"}


def test_same_seed_same_numbers_and_equal_rows_have_an_answer() -> None:
    x_ND, y_ND = space(40), space(40, seed=1)
    assert compare(x_ND, y_ND, k=3, draws=5) == compare(x_ND, y_ND, k=3, draws=5)
    assert np.isfinite(values(compare(np.ones((40, 3)), np.ones((40, 3)), k=3, draws=5))).all()
    assert values(compare(np.ones((40, 3)), y_ND, k=3, draws=5))[:2] == [0, 0]


def test_bad_input_is_one_clear_line() -> None:
    x_ND = space(40)
    with pytest.raises(UserError, match="do not pair up"):
        compare(x_ND, x_ND[:39])
    with pytest.raises(UserError, match="4 pairs"):
        compare(x_ND[:4], x_ND[:4])
    with pytest.raises(UserError, match="k=20"):
        compare(x_ND, x_ND, k=20)
    x_ND[7] = 0
    with pytest.raises(UserError, match="the second space: row 7 has norm 0"):
        compare(space(40), x_ND, k=3)
