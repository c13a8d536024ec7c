"""Which candidates count as the true partner of a query: an image with five captions is five pairs, and each caption is right.

N pairs. Image i and text j are positives of each other where image i equals image j, or text i equals text j: one hop, so that captions of
equal images share nothing further. Rows are equal as they are stored, to the last bit.

A query's rank is that of its best positive among all other candidates, which is where a paper's R@k finds any caption. A vector that more
than half of all rows share is a collapse, not a repeat: there ties count against the model, as between all that are no positives.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Best:
    """For each query (N,) of one direction the cosine of its best positive, and how many more candidates are as good positives."""

    cosine_N: Any
    more_N: Ints

    @property
    def shared(self) -> bool:
        """Whether any query has a positive beside its own partner."""
        return bool(self.more_N.any())


def best_positives(true_N: Any, image_N: Any, text_N: Any) -> tuple[Best, Best]:
    """Of each image among the texts, and of each text among the images, from the cosine of each pair and groups of equal rows.

    `image_N`, `text_N`: any number that equal rows share, such as the first row that equals them. As equal images score equally, a text of
    an equal image scores as its own pair does: no further cosine is needed.
    """
    image_N, text_N = _repeats(image_N), _repeats(text_N)
    both_N = _groups(np.stack([image_N, text_N], axis=1))
    return _best(true_N, image_N, text_N, both_N), _best(true_N, text_N, image_N, both_N)


def _best(true_N: Any, query_N: Ints, candidate_N: Ints, both_N: Ints) -> Best:
    """Positives of a query are the partners of equal queries, and what equals its own partner."""
    highest_G = np.full(query_N.max(initial=-1) + 1, -np.inf)
    np.maximum.at(highest_G, query_N, true_N)
    best_N = highest_G[query_N]
    as_good_G = np.bincount(query_N, true_N == best_N, minlength=len(highest_G)).astype(np.int64)
    copies_N = np.bincount(candidate_N)[candidate_N] - np.bincount(both_N)[both_N]  # of its partner, under other queries
    return Best(best_N, as_good_G[query_N] - 1 + np.where(true_N == best_N, copies_N, 0))


def _repeats(group_N: Any) -> Ints:
    """Groups numbered from 0; the rows of one that holds more than half of all are alone."""
    _, of_N = np.unique(group_N, return_inverse=True)
    of_N = of_N.reshape(-1).astype(np.int64)
    size_N = np.bincount(of_N)[of_N] if len(of_N) else of_N
    return _groups(np.stack([np.where(2 * size_N > len(of_N), np.arange(len(of_N)), -1), of_N], axis=1))


def _groups(key_N2: Any) -> Ints:
    _, of_N = np.unique(key_N2, axis=0, return_inverse=True)
    return of_N.reshape(-1).astype(np.int64)
