"""The words of a cluster are those that others lack, whatever the clusters are called."""

import numpy as np

from tda.report.explorer.words import cluster_words

COLOURS = ["red", "green", "blue"]
CAPTIONS = [f"a photo of the {COLOURS[i % 3]} thing number{i} in town" for i in range(30)]
MEMBERS = [np.arange(k, 30, 3) for k in range(3)]


def test_the_word_that_sets_a_cluster_apart_comes_first() -> None:
    assert [words[0] for words in cluster_words(CAPTIONS, MEMBERS)] == COLOURS


def test_an_oracle_gives_the_same_weights() -> None:
    captions, members = ["xx xx yy", "xx zz", "yy zz zz"], [np.array([0]), np.array([1, 2])]
    counts = [{"xx": 2, "yy": 1}, {"xx": 1, "zz": 3, "yy": 1}]
    total = {word: sum(one.get(word, 0) for one in counts) for word in ("xx", "yy", "zz")}
    mean = sum(total.values()) / 2
    expected = []
    for one in counts:
        weight = {word: n / sum(one.values()) * np.log1p(mean / total[word]) for word, n in one.items()}
        expected.append(sorted(weight, key=lambda word: (-weight[word], word)))
    assert cluster_words(captions, members) == expected


def test_other_numbers_for_the_same_clusters_give_the_same_words() -> None:
    own = cluster_words(CAPTIONS, MEMBERS)
    assert cluster_words(CAPTIONS, MEMBERS[::-1]) == own[::-1]
    shuffled = [np.random.default_rng(0).permutation(part) for part in MEMBERS]
    assert cluster_words(CAPTIONS, shuffled) == own


def test_captions_without_words_give_none() -> None:
    assert cluster_words(["", "?", "!"], [np.array([0, 1]), np.array([2])]) == [[], []]
    assert cluster_words([], []) == []
    assert cluster_words(["the of and"], [np.array([0])]) == [["and", "of", "the"]]  # nothing but common words: better than nothing


def test_words_of_any_script_count() -> None:
    words = cluster_words(["красный квадрат", "синий круг", "красный круг"], [np.array([0, 2]), np.array([1])])
    assert words[0][0] == "красный"
