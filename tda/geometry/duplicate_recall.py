"""Share of duplicates that are found, with 95 % intervals: by a search of some cells, and, for planted duplicates, by a rule.

N rows or sampled queries; `kind_N` names the kind of a planted duplicate, "" any other row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95
METHODS = ("exact", "wilson")


def duplicate_recall(exact_N: Any, found_N: Any, thresholds: Sequence[float]) -> list[dict[str, Any]]:
    """For each threshold: queries with an exact cosine of at least it (`duplicates`), those `found` by the search, and the `recall`.

    `exact_N` and `found_N`: cosine of each query's closest row, by exact search and by the search under test. `low` and `high`: 95 %
    interval of the recall (Clopper and Pearson 1934). Without duplicates the recall is None and the interval (0, 1). The search cannot
    report a false duplicate, as each found cosine is that of a real row.
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
    """Recall and precision for one kind, or for all kinds where `kind` is "". Shares in [0, 1]; 95 % interval (Wilson 1927).

    `precision` is found / (found + others), as if this kind were the only one; `others` counts rows that the rule dropped although they
    were not planted (some may duplicate the reference by chance). `source_named` counts found rows whose closest row is their source.
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
    """One entry for each planted kind, in order of name, then one for all kinds together.

    `found_N`: whether the rule dropped the row; `named_N`: whether its closest row is the row that it was planted from.
    """
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
    """Binomial interval of a share: `exact` (Clopper and Pearson 1934) or `wilson` (Wilson 1927); (0, 1) without trials."""
    assert method in METHODS, method
    if not trials:
        return 0.0, 1.0
    return _exact(successes, trials, confidence) if method == "exact" else _wilson(successes, trials, confidence)


def _exact(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    from scipy.stats import beta  # imported here: it takes a second

    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, successes, trials - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high


def _wilson(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    from scipy.stats import binomtest

    low, high = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(low), float(high)
