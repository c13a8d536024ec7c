"""How many duplicates a search among some cells finds, from rows whose exact answer is known too.

N sampled queries.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tda.geometry.binomial import interval


def duplicate_recall(exact_N: Any, found_N: Any, thresholds: Sequence[float]) -> list[dict[str, Any]]:
    """For each threshold: `duplicates` whose closest row has at least that cosine, `found` of them by the search, and the `recall`.

    `low` and `high` bound it (Clopper and Pearson, 95 %). Without duplicates the recall is None: nothing was learned of it.
    A found cosine is that of a real row, so it never makes a duplicate of what is none.
    """
    told = []
    for threshold in sorted(set(thresholds)):
        duplicate_N = np.asarray(exact_N) >= threshold
        duplicates, found = int(duplicate_N.sum()), int((duplicate_N & (np.asarray(found_N) >= threshold)).sum())
        low, high = interval(found, duplicates, "exact")
        share = found / duplicates if duplicates else None
        told.append({"threshold": threshold, "duplicates": duplicates, "found": found, "recall": share, "low": low, "high": high})
    return told
