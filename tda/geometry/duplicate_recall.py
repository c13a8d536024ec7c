"""How many duplicates are found: by a search among some cells, and, of planted repeats, by a rule; with intervals and precision.

N rows or sampled queries; `kind_N` names the kind of a planted repeat, "" any other row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95
METHODS = ("exact", "wilson")


def duplicate_recall(exact_N: Any, found_N: Any, thresholds: Sequence[float]) -> list[dict[str, Any]]:
    """For each threshold: `duplicates` whose closest row has at least that cosine, `found` of them by the search, and the `recall`.

    `low` and `high` bound it (Clopper and Pearson, 95 %). Without duplicates the recall is None: nothing was learned of it.
    A found cosine is that of a real row, so it never makes a duplicate of what is none.
    """
    reported = []
    for threshold in sorted(set(thresholds)):
        duplicate_N = np.asarray(exact_N) >= threshold
        duplicates, found = int(duplicate_N.sum()), int((duplicate_N & (np.asarray(found_N) >= threshold)).sum())
        low, high = interval(found, duplicates, "exact")
        share = found / duplicates if duplicates else None
        reported.append({"threshold": threshold, "duplicates": duplicates, "found": found, "recall": share, "low": low, "high": high})
    return reported


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Of one kind, or of all where `kind` is "". Shares lie in [0, 1]; the interval covers 95 % (Wilson 1927).

    `precision` is found / (found + others), where `others` are rows that were dropped without being a planted repeat: had this kind been
    the only one. Such a row may still repeat the reference by chance. `source_named`: found with the very row that it repeats as closest.
    """

    kind: str
    planted: int
    found: int
    recall: float
    recall_low: float
    recall_high: float
    others: int
    precision: float
    source_named: int


def recovery(found_N: Any, kind_N: Any, named_N: Any) -> list[Recovery]:
    """One for every kind that was planted, in order of name, then one for all of them."""
    found_N, named_N = np.asarray(found_N, dtype=bool), np.asarray(named_N, dtype=bool)
    others = int((found_N & (kind_N == "")).sum())
    kinds = [kind for kind in np.unique(kind_N).tolist() if kind]
    masks = {kind: kind_N == kind for kind in kinds} | {"": kind_N != ""}
    return [_recovery(kind, int(mask_N.sum()), found_N & mask_N, named_N, others) for kind, mask_N in masks.items()]


def _recovery(kind: str, planted: int, hit_N: Any, named_N: Any, others: int) -> Recovery:
    found = int(hit_N.sum())
    low, high = interval(found, planted, "wilson")
    return Recovery(
        kind=kind,
        planted=planted,
        found=found,
        recall=found / planted if planted else 0.0,
        recall_low=low,
        recall_high=high,
        others=others,
        precision=found / (found + others) if found + others else 1.0,
        source_named=int((hit_N & named_N).sum()),
    )


def interval(successes: int, trials: int, method: str = "exact", confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The binomial interval: `exact` of Clopper and Pearson (1934), or `wilson` (1927); (0, 1) without trials."""
    assert method in METHODS, method
    if not trials:
        return 0.0, 1.0
    return _exact(successes, trials, confidence) if method == "exact" else _wilson(successes, trials, confidence)


def _exact(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    from scipy.stats import beta  # a second to import, for one row of a result

    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, successes, trials - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high


def _wilson(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    from scipy.stats import binomtest

    low, high = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(low), float(high)
