"""Interventions on the gap: against ranks, NDCG and rotations computed anew, and on worlds whose answer is planted."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.modalities.interventions import interventions, ndcg

SHIFTS, DROPPED = [-0.5, 0.5, 1.0, 1.5], [1, 3]


def world(gap: float, *, count: int = 400, noise: float = 0.05, dim: int = 24, seed: int = 0) -> tuple[Any, Any]:
    """Pairs that share a direction up to noise, in all but the last dimension, along which the modalities are `gap` apart."""
    rng = np.random.default_rng(seed)
    shared_ND = rng.standard_normal((count, dim)) / np.sqrt(dim)
    both = []
    for side in (1, -1):
        rows_ND = shared_ND + noise * rng.standard_normal((count, dim))
        rows_ND[:, -1] = 0
        rows_ND = unit(rows_ND)
        rows_ND[:, -1] = side * gap / 2
        both.append(rows_ND)
    return both[0], both[1]


def measured(image_ND: Any, text_ND: Any, **options: Any) -> dict[str, Any]:
    return interventions(image_ND, text_ND, **{"shifts": SHIFTS, "dropped": DROPPED, "draws": 300, **options})


def point(found: dict[str, Any], kind: str, amount: float) -> dict[str, Any]:
    (one,) = [one for one in found["points"] if (one["kind"], one["amount"]) == (kind, amount)]
    return dict(one)


def unit(x_ND: Any) -> Any:
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)


def split(count: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """The documented draw: half of the pairs fit, the others are measured; a coin for each of these."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    fit, held = np.sort(order[: count // 2]), np.sort(order[count // 2 :])
    return fit, held, rng.permutation(len(held)) < len(held) // 2


def rank(query_MD: Any, document_MD: Any) -> Any:
    cosine = unit(query_MD) @ unit(document_MD).T
    return (cosine >= cosine.diagonal()[:, None]).sum(axis=1)


@pytest.mark.parametrize(("kind", "amount"), [("none", 0), ("shift", 0.5), ("shift", 1.5), ("centre", 1), ("drop", 3), ("rotate", 1)])
def test_every_number_is_that_of_the_definition(kind: str, amount: float) -> None:
    image, text = (unit(one) for one in world(0.7, noise=0.12, seed=3))
    fit, held, coin = split(400)
    apart = image[fit].mean(0) - text[fit].mean(0)
    if kind == "shift":
        image, text = image - amount * apart / 2, text + amount * apart / 2
    if kind in ("centre", "rotate"):
        image, text = image - image[fit].mean(0), text - text[fit].mean(0)
    if kind == "rotate":
        u, _, vt = np.linalg.svd(image[fit].T @ text[fit])
        image = image @ u @ vt
    if kind == "drop":
        largest = np.argsort(-abs(apart))[: int(amount)]
        image, text = np.delete(image, largest, axis=1), np.delete(text, largest, axis=1)
    image, text = unit(image)[held], unit(text)[held]
    place = rank(np.where(coin[:, None], text, image), np.where(coin[:, None], image, text))
    found = point(measured(*world(0.7, noise=0.12, seed=3)), kind, amount)
    assert found["gap"] == pytest.approx(np.linalg.norm(image.mean(0) - text.mean(0)), rel=1e-9)
    assert found["image_to_text"] == pytest.approx((rank(image, text) == 1).mean())
    assert found["text_to_image"] == pytest.approx((rank(text, image) == 1).mean())
    assert found["mixed"] == pytest.approx(np.where(place <= 10, 1 / np.log2(1 + place), 0).mean())
    assert 0.3 < found["image_to_text"] < 1, "the world has room both ways"
    assert 0 < found["mixed"] < 1


def test_ndcg_is_scikit_learns() -> None:
    from sklearn.metrics import ndcg_score

    for place in (1, 2, 7, 10, 11, 20):
        relevant, score = np.zeros((1, 30)), -np.arange(30.0)[None, :]
        relevant[0, place - 1] = 1
        assert ndcg(np.array([place]))[0] == pytest.approx(ndcg_score(relevant, score, k=10))


def test_a_pure_shift_costs_nothing_between_modalities_and_all_in_mixed_search() -> None:
    """Every image is as far along the gap: the order of texts is that without the gap. Documents of its own modality come first."""
    found = measured(*world(2.0))
    closed = point(found, "shift", 1.0)
    assert abs(closed["change"]["top1"]["value"]) < 0.02
    assert closed["image_to_text"] > 0.95
    assert closed["change"]["mixed"]["ci95"][0] > 0.4
    assert point(found, "none", 0)["mixed"] < 0.5
    assert closed["mixed"] > 0.9
    assert point(found, "none", 0)["separability"] == 1.0
    assert closed["separability"] < 0.65


def test_without_a_gap_nothing_changes() -> None:
    found = measured(*world(0.0))
    for kind, amount in (("shift", 1.0), ("centre", 1.0)):
        for change in point(found, kind, amount)["change"].values():
            assert max(abs(end) for end in change["ci95"]) < 0.02


def test_one_dimension_carries_the_gap_and_its_removal_closes_it() -> None:
    found = measured(*world(2.0))
    assert point(found, "drop", 1)["gap"] < 0.1 * point(found, "none", 0)["gap"]
    assert point(found, "drop", 1)["mixed"] > 0.9


def test_the_shift_closes_the_gap_and_then_turns_it_round() -> None:
    found = measured(*world(1.0, count=2000), shifts=[0.25, 0.5, 0.75, 1.25, 1.5, 2.0])
    gaps = [point(found, "none", 0)["gap"], *(point(found, "shift", amount)["gap"] for amount in (0.25, 0.5, 0.75, 1.0))]
    assert all(later < earlier for earlier, later in pairwise(gaps))
    assert point(found, "shift", 2.0)["gap"] == pytest.approx(gaps[0], rel=0.1)


def test_a_turned_modality_is_found_by_rotation_alone() -> None:
    image_ND, text_ND = world(0.0, count=600)
    turn_DD = np.linalg.qr(np.random.default_rng(9).standard_normal((24, 24)))[0]
    found = measured(image_ND, text_ND @ turn_DD)
    assert point(found, "centre", 1)["image_to_text"] < 0.05
    assert point(found, "rotate", 1)["image_to_text"] > 0.9


def test_equal_rows_share_their_partners() -> None:
    image_ND, text_ND = (np.repeat(x_ND, 2, axis=0) for x_ND in world(0.0, count=64))
    apart_ND = image_ND + 1e-3 * np.random.default_rng(0).standard_normal(image_ND.shape)
    for images_ND in (image_ND, apart_ND):  # pairs that stand twice, and a text of two images: either is right
        one = point(measured(images_ND, text_ND), "none", 0)
        assert (one["image_to_text"], one["text_to_image"]) == (1.0, 1.0)
    strange_ND = text_ND + 1e-9 * np.random.default_rng(1).standard_normal(text_ND.shape)  # no longer equal
    assert point(measured(apart_ND, strange_ND), "none", 0)["image_to_text"] < 0.8


@pytest.mark.long
def test_the_interval_of_a_change_covers_it() -> None:
    """Fresh pairs of one distribution each time: the mean over all of them is the truth, of as many candidates."""
    changes = [
        point(measured(*world(0.9, noise=0.12, seed=seed), shifts=[], dropped=[], seed=seed), "shift", 1.0)["change"]["mixed"]
        for seed in range(200)
    ]
    true = float(np.mean([change["value"] for change in changes]))
    covered = np.mean([change["ci95"][0] <= true <= change["ci95"][1] for change in changes])
    assert 0.1 < true < 0.9
    assert 0.9 <= covered <= 0.99


def test_what_leaves_no_direction_is_left_out_with_a_note() -> None:
    image_ND, text_ND = np.zeros((2, 40, 6))
    image_ND[:, 0], text_ND[:, 1] = 1, 1
    image_ND[:, 2:], text_ND[:, 2:] = np.random.default_rng(0).standard_normal((2, 40, 4))
    image_ND[0, 2:] = text_ND[0, 2:] = 0
    found = measured(image_ND, text_ND, dropped=[1, 2, 40])
    assert "drop 2 is left out: it leaves a row without a direction" in found["notes"]
    assert [one["amount"] for one in found["points"] if one["kind"] == "drop"] in ([], [1.0]), "nor more than there are"


def test_the_same_seed_gives_the_same_numbers_and_bad_rows_are_named() -> None:
    assert measured(*world(0.5)) == measured(*world(0.5))
    with pytest.raises(UserError, match="15 pairs are too few"):
        measured(*world(0.5, count=15))
    image_ND, text_ND = world(0.5)
    image_ND[7] = np.nan
    with pytest.raises(UserError, match="image: row 7"):
        measured(image_ND, text_ND)
