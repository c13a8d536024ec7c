"""How many duplicates a search among some cells finds, from rows whose exact answer is known too.

N sampled queries.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

CONFIDENCE = 0.95


def duplicate_recall(exact_N: Any, found_N: Any, thresholds: Sequence[float]) -> list[dict[str, Any]]:
    """For each threshold: `duplicates` whose closest row has at least that cosine, `found` of them by the search, and the `recall`.

    `low` and `high` bound it (Clopper and Pearson, 95 %). Without duplicates the recall is None: nothing was learned of it.
    A found cosine is that of a real row, so it never makes a duplicate of what is none.
    """
    told = []
    for threshold in sorted(set(thresholds)):
        duplicate_N = np.asarray(exact_N) >= threshold
        duplicates, found = int(duplicate_N.sum()), int((duplicate_N & (np.asarray(found_N) >= threshold)).sum())
        low, high = interval(found, duplicates)
        share = found / duplicates if duplicates else None
        told.append({"threshold": threshold, "duplicates": duplicates, "found": found, "recall": share, "low": low, "high": high})
    return told


def interval(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact binomial interval of Clopper and Pearson (1934); (0, 1) without trials."""
    from scipy.stats import beta  # a second to import, for one row of a result

    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, successes, trials - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high
