"""Hubs and corrections of retrieval: by hand, by loops, and on a planted hub."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import skew

from tda.errors import UserError
from tda.geometry.modalities.hubness import csls, hub_metrics, inverted_softmax, metrics, occurrences, top1


def cosines(count: int = 50, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    image_MD = rng.standard_normal((count, 8))
    text_MD = image_MD + rng.standard_normal((count, 8))
    image_MD, text_MD = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image_MD, text_MD))
    return image_MD @ text_MD.T


def test_occurrences_count_the_best_of_each_query() -> None:
    score_QC = cosines()
    expected = np.zeros(50, int)
    for row in score_QC:
        expected[np.argsort(-row)[:4]] += 1
    assert occurrences(score_QC, 4).tolist() == expected.tolist()
    assert occurrences(score_QC, 50).tolist() == [50] * 50


def test_skewness_is_scipys_and_a_hub_raises_it() -> None:
    score_QC = cosines(200)
    plain = hub_metrics(score_QC, 10)
    assert plain["skewness"] == pytest.approx(skew(occurrences(score_QC, 10)))
    hub_QC = score_QC.copy()
    hub_QC[:, 3] = 2.0
    found = hub_metrics(hub_QC, 1)
    assert found == {"skewness": pytest.approx(skew(np.eye(200)[3])), "anti_hubs": 199 / 200, "top_share": 1.0}
    assert hub_metrics(np.eye(6), 1)["skewness"] == 0.0, "each is found once"


def test_csls_is_the_formula() -> None:
    score_QC, k = cosines(20), 3
    for q, c in ((0, 0), (4, 7), (19, 2)):
        query, candidate = np.sort(score_QC[q])[-k:].mean(), np.sort(score_QC[:, c])[-k:].mean()
        assert csls(score_QC, k)[q, c] == pytest.approx(2 * score_QC[q, c] - query - candidate)


def test_inverted_softmax_sums_to_one_over_queries() -> None:
    shares_QC = np.exp(inverted_softmax(cosines(20), 30.0))
    assert shares_QC.sum(axis=0) == pytest.approx(np.ones(20))
    assert inverted_softmax(1000 * cosines(20)).max() <= 0, "large scores do not overflow"


@pytest.mark.parametrize("correct", [lambda score: csls(score, 5), inverted_softmax], ids=["csls", "inverted_softmax"])
def test_corrections_take_a_hub_away(correct: Any) -> None:
    score_QC = np.full((30, 30), 0.1) + 0.5 * np.eye(30)
    score_QC[:, 4] = 0.7  # close to every query; its own query is no closer
    score_QC[4, 4] = 0.9
    assert top1(score_QC) == pytest.approx(1 / 30)
    assert top1(correct(score_QC)) == 1.0


def test_ties_count_against_the_partner() -> None:
    assert top1(np.ones((3, 3))) == 0.0
    assert top1(np.array([[1.0, 0.5], [2.0, 2.0]])) == 0.5


def test_one_direction_has_every_number() -> None:
    found = metrics(cosines(), 5)
    assert set(found) == {"skewness", "anti_hubs", "top_share", "top1", "top1_csls", "top1_inverted_softmax"}
    assert (found["top1"], found["top1_csls"]) == (top1(cosines()), top1(csls(cosines(), 5)))


@pytest.mark.parametrize("k", [0, 51])
def test_k_out_of_range(k: int) -> None:
    for function in (occurrences, csls):
        with pytest.raises(UserError, match=rf"^k={k} is out of range; it must be from 1 to 50$"):
            function(cosines(), k)
