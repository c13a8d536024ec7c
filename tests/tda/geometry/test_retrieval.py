"""Ranks against a float64 comparison of every pair, with ties, duplicates and crowded cosines."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tda.errors import UserError
from tda.geometry import retrieval


def repeats(x_ND: Any) -> Any:
    """Which rows equal which, (N, N); rows that more than half of all equal are taken for different ones."""
    equal_NN = (x_ND[:, None, :] == x_ND[None, :, :]).all(axis=2)
    return np.where(2 * equal_NN.sum(1, keepdims=True) > len(x_ND), np.eye(len(x_ND), dtype=bool), equal_NN)


def by_hand(image_ND: Any, text_ND: Any) -> tuple[Any, Any]:
    """Every cosine in float64, one dot product at a time; the best of a query's positives against all that are no positives."""
    positive_NN = repeats(image_ND) | repeats(text_ND)
    x_ND, y_ND = (np.asarray(rows, dtype=np.float64) for rows in (image_ND, text_ND))
    x_ND, y_ND = x_ND / np.sqrt((x_ND**2).sum(1))[:, None], y_ND / np.sqrt((y_ND**2).sum(1))[:, None]
    scores_NN = np.stack([(x_D * y_ND).sum(1) for x_D in x_ND])
    best_N, best_M = (np.where(positive_NN, scores_NN, -2).max(axis) for axis in (1, 0))
    from_images = 1 + ((scores_NN >= best_N[:, None]) & ~positive_NN).sum(1)
    return from_images, 1 + ((scores_NN >= best_M[None, :]) & ~positive_NN).sum(0)


def equal(found: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def noisy_pairs(n: int, dim: int, noise: float, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    image_ND = rng.standard_normal((n, dim))
    return image_ND, image_ND + noise * rng.standard_normal((n, dim))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("n", "dim", "noise"), [(700, 64, 1.5), (300, 512, 4.0), (501, 7, 0.5)])
def test_ranks_are_those_of_float64(dtype: str, n: int, dim: int, noise: float) -> None:
    image_ND, text_ND = (x.astype(dtype) for x in noisy_pairs(n, dim, noise))
    image_ND[20:40], text_ND[30:50] = image_ND[3], text_ND[3]
    equal(retrieval.ranks(image_ND, text_ND, tile=128), by_hand(image_ND, text_ND))


def test_cosines_crowded_below_float32_are_distinguished() -> None:
    """Differences of 1e-9 around a common direction: float32 sees one score, float64 the order."""
    image_ND, text_ND = (1e-4 * x for x in noisy_pairs(400, 32, 1.0))
    image_ND[:, 0] += 1
    text_ND[:, 0] += 1
    found = retrieval.ranks(image_ND, text_ND, tile=100)
    equal(found, by_hand(image_ND, text_ND))
    assert retrieval.summary(found[0])["top1"] > 0.05


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_small_whole_numbers_full_of_ties(data: Any) -> None:
    n, dim = data.draw(st.integers(2, 24)), data.draw(st.integers(1, 4))
    rows = arrays(np.float32, (n, dim), elements=st.sampled_from([-1.0, 1.0, 2.0]))
    image_ND, text_ND = data.draw(rows), data.draw(rows)
    equal(retrieval.ranks(image_ND, text_ND, tile=data.draw(st.integers(1, 30))), by_hand(image_ND, text_ND))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 40))
def test_counts_of_blocks_add_up_to_the_ranks(row_sizes: list[int], column_sizes: list[int], tile: int) -> None:
    n = max(sum(row_sizes), sum(column_sizes), 2)
    image_ND, text_ND = noisy_pairs(n, 5, 2.0, seed=n)
    true_N = retrieval.true_cosines(image_ND, text_ND)
    from_images, from_texts = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for rows in np.split(np.arange(n), np.cumsum(row_sizes)):
        for columns in np.split(np.arange(n), np.cumsum(column_sizes)):
            if len(rows) and len(columns):
                counts = retrieval.tile_counts(image_ND[rows], true_N[rows], text_ND[columns], true_N[columns], tile)
                from_images[rows] += counts[0]
                from_texts[columns] += counts[1]
    equal((from_images, from_texts), retrieval.ranks(image_ND, text_ND))


def test_equal_pairs_are_one_another_and_equal_candidates_of_others_tie() -> None:
    """Pairs that stand 100 times are found at once, whatever the tile; texts alone that stand 100 times are each other's too."""
    image_ND, text_ND = (x.astype(np.float32) for x in noisy_pairs(1000, 48, 0.1))
    text_ND[::10], image_ND[::10] = text_ND[0], image_ND[0]
    for tile in (7, 64, 333, 2048):
        image_to_text, text_to_image = retrieval.ranks(image_ND, text_ND, tile)
        assert (image_to_text == 1).all()
        assert (text_to_image == 1).all()
    true_N = retrieval.true_cosines(image_ND, text_ND)
    assert (retrieval.tile_counts(image_ND, true_N, text_ND, true_N)[0][::10] == 100).all(), "counts alone know no positives"


def test_an_image_with_five_captions_is_found_by_each_and_finds_any() -> None:
    """Held to a plain count: an image's hit is any of its captions; a caption's is any copy of its image."""
    rng = np.random.default_rng(0)
    once_MD = rng.standard_normal((60, 12))
    image_ND = np.repeat(once_MD, 5, axis=0)
    text_ND = image_ND + 1.2 * rng.standard_normal((300, 12))
    image_to_text, text_to_image = retrieval.ranks(image_ND.astype(np.float32), text_ND.astype(np.float32))
    unit = [x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True) for x_ND in (once_MD, text_ND)]
    scores_MN = unit[0] @ unit[1].T
    own_N = np.repeat(np.arange(60), 5)
    best_M = np.array([scores_MN[image, own_N == image].max() for image in range(60)])
    wanted_M = [1 + int((scores_MN[image, own_N != image] >= best_M[image]).sum()) for image in range(60)]
    assert image_to_text.tolist() == np.repeat(wanted_M, 5).tolist()
    images = 1 + (scores_MN > scores_MN[own_N, np.arange(300)][None, :]).sum(0)  # among 60 images: copies of others tie five by five
    assert ((text_to_image - 1) == 5 * (images - 1)).all()
    assert retrieval.summary(text_to_image)["top1"] == float((images == 1).mean()) > 0.5


def test_a_collapsed_encoder_is_last_everywhere_in_bounded_memory() -> None:
    n, tile, dim = 1200, 128, 16
    image_ND, text_ND = noisy_pairs(n, dim, 1.0)
    text_ND[:] = text_ND[0]
    tracemalloc.start()
    image_to_text, _ = retrieval.ranks(image_ND, text_ND, tile)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (image_to_text == n).all()
    assert peak < 8 * (12 * tile * tile + 4 * retrieval.RESCORE_ROWS * dim + 20 * n)


def test_memory_is_bounded_by_the_tile() -> None:
    tile, dim = 256, 16
    image_ND, text_ND = (x.astype(np.float32) for x in noisy_pairs(6000, dim, 1.0))
    tracemalloc.start()
    retrieval.ranks(image_ND, text_ND, tile)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * (12 * tile * tile + 4 * retrieval.RESCORE_ROWS * dim + 20 * 6000)


def test_length_of_a_row_does_not_matter() -> None:
    image_ND, text_ND = noisy_pairs(300, 16, 1.0)
    scale_N = 2.0 ** np.random.default_rng(1).integers(-9, 9, 300)
    equal(retrieval.ranks(image_ND * scale_N[:, None], text_ND), retrieval.ranks(image_ND, text_ND))


def test_summary() -> None:
    assert retrieval.summary(np.array([1, 1, 5, 6])) == {"top1": 0.5, "top5": 0.75, "top10": 1.0, "median_rank": 3.0}
    assert retrieval.summary(np.array([7, 1, 2]))["median_rank"] == 2.0


def test_refusals() -> None:
    image_ND, text_ND = noisy_pairs(5, 3, 1.0)
    with pytest.raises(UserError, match="do not pair up"):
        retrieval.ranks(image_ND, text_ND[:4])
    with pytest.raises(UserError, match=r"1 pair\(s\) have no geometry"):
        retrieval.ranks(image_ND[:1], text_ND[:1])
    with pytest.raises(UserError, match="tile=0"):
        retrieval.ranks(image_ND, text_ND, tile=0)
    text_ND[3] = 0
    with pytest.raises(UserError, match="text: row 3 has norm 0"):
        retrieval.ranks(image_ND, text_ND)
    text_ND[3, 1] = np.nan
    with pytest.raises(UserError, match="text: row 3 has norm nan"):
        retrieval.ranks(image_ND, text_ND, tile=2)
