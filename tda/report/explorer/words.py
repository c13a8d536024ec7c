"""The words of clusters: what their captions say and those of other clusters do not.

P captions, K clusters, W words.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORDS = 5  # of a cluster
FEATURES = 20_000  # most frequent words that are counted
A_WORD = r"(?u)\b\w\w+\b"


def cluster_words(captions: Sequence[str], members: Sequence[NDArray[Any]], count: int = WORDS) -> list[list[str]]:
    """For each cluster, given by the indices of its captions, its `count` heaviest words, heaviest first, ties by alphabet.

    Class-based TF-IDF (Grootendorst 2022): the share of a word among the cluster's words, times log(1 + mean words of a cluster / count of
    the word in all clusters). It depends on which captions lie together alone: clusters in another order have the same words.
    """
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer

    if not members or not any(re.search(A_WORD, caption) for caption in captions):
        return [[] for _ in members]
    try:
        vectorizer = CountVectorizer(token_pattern=A_WORD, max_features=FEATURES, stop_words="english")
        counts_PW = vectorizer.fit_transform(captions)
    except ValueError:  # every word is a stop word
        vectorizer = CountVectorizer(token_pattern=A_WORD, max_features=FEATURES)
        counts_PW = vectorizer.fit_transform(captions)
    rows = np.repeat(np.arange(len(members)), [len(part) for part in members])
    of_KP = csr_matrix((np.ones(len(rows)), (rows, np.concatenate(members))), shape=(len(members), len(captions)))
    return _heaviest(of_KP @ counts_PW, vectorizer.get_feature_names_out(), count)


def _heaviest(counts_KW: Any, names_W: NDArray[Any], count: int) -> list[list[str]]:
    total_W = np.asarray(counts_KW.sum(axis=0)).ravel()
    idf_W = np.log1p(total_W.sum() / counts_KW.shape[0] / np.maximum(total_W, 1))
    words = []
    for k in range(counts_KW.shape[0]):
        row = counts_KW.getrow(k)
        weight = row.data / max(row.data.sum(), 1) * idf_W[row.indices]
        order = sorted(range(len(weight)), key=lambda i: (-round(float(weight[i]), 12), names_W[row.indices[i]]))
        words.append([str(names_W[row.indices[i]]) for i in order[:count]])
    return words
