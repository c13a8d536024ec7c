"""Best positives by groups of equal rows, held to every pair of them."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tda.geometry.shared_positives import best_positives


def plainly(scores_NN: Any, image_N: Any, text_N: Any) -> tuple[list[float], list[int]]:
    """Of each image among texts: the best score of its positives, and how many others of them have it."""
    count = len(image_N)

    def repeated(group_N: Any, one: int, other: int) -> bool:
        return one == other or (group_N[one] == group_N[other] and 2 * (group_N == group_N[one]).sum() <= count)

    best, more = [], []
    for i in range(count):
        scores = [scores_NN[i, j] for j in range(count) if repeated(image_N, i, j) or repeated(text_N, i, j)]
        best.append(max(scores))
        more.append(scores.count(max(scores)) - 1)
    return best, more


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_groups_give_what_all_pairs_give(data: Any) -> None:
    """Scores are of items: equal images and equal texts score equally."""
    count = data.draw(st.integers(2, 14))
    image_N, text_N = (np.array(data.draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))) for _ in range(2))
    of_items = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(36).reshape(6, 6) / 36
    scores_NN = of_items[image_N][:, text_N]
    from_images, from_texts = best_positives(np.diagonal(scores_NN), image_N, text_N)
    for found, wanted in ((from_images, plainly(scores_NN, image_N, text_N)), (from_texts, plainly(scores_NN.T, text_N, image_N))):
        assert found.cosine_N.tolist() == wanted[0]
        assert found.more_N.tolist() == wanted[1]


def test_without_repeats_nothing_is_shared() -> None:
    true_N = np.array([0.3, 0.9, -0.2])
    for found in best_positives(true_N, np.arange(3), np.array([7, 5, 6])):
        assert found.cosine_N.tolist() == true_N.tolist()
        assert not found.shared


def test_a_vector_of_most_rows_is_a_collapse() -> None:
    true_N = np.array([0.1, 0.2, 0.3, 0.4])
    whole, half = (best_positives(true_N, np.array(groups), np.arange(4))[0] for groups in ([0, 0, 0, 1], [0, 0, 1, 2]))
    assert whole.cosine_N.tolist() == true_N.tolist()
    assert half.cosine_N.tolist() == [0.2, 0.2, 0.3, 0.4]
