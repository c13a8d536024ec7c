"""Share of duplicates that are found, with 95 % intervals: by a search of some cells, and, for planted duplicates, by a rule.

N rows or sampled queries; `kind_N` names the kind of a planted duplicate, "" any other row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95
METHODS = ("exact", "wilson")


def duplicate_recall(exact_N: Any, found_N: Any, thresholds: Sequence[float], cluster_N: Any = None) -> list[dict[str, Any]]:
    """For each threshold: queries with an exact cosine of at least it (`duplicates`), those `found` by the search, and the `recall`.

    `exact_N` and `found_N`: cosine of each query's closest row, by exact search and by the search under test. `low` and `high`: 95 %
    interval of the recall (Clopper and Pearson 1934), or `clustered_interval` where `cluster_N` names the shard of each query: rows of
    one shard are alike, and shards were drawn before rows. Without duplicates the recall is None and the interval (0, 1). The search
    cannot report a false duplicate, as each found cosine is that of a real row.
    """
    reported = []
    for threshold in sorted(set(thresholds)):
        duplicate_N = np.asarray(exact_N) >= threshold
        hit_N = duplicate_N & (np.asarray(found_N) >= threshold)
        duplicates, found = int(duplicate_N.sum()), int(hit_N.sum())
        low, high = interval(found, duplicates) if cluster_N is None else clustered_interval(*_by_cluster(hit_N, duplicate_N, cluster_N))
        share = found / duplicates if duplicates else None
        reported.append({"threshold": threshold, "duplicates": duplicates, "found": found, "recall": share, "low": low, "high": high})
    return reported


def clustered_interval(found_C: Any, trials_C: Any) -> tuple[float, float]:
    """95 % interval of sum(found) / sum(trials) where C clusters were drawn, and then trials within them; (0, 1) without trials.

    That of Clopper and Pearson for the number of independent trials that would vary as much (Korn and Graubard 1998): trials divided by
    the design effect, at least 1, with Student's t for few clusters. Where all or none is found, clusters show no spread: plain trials.
    """
    found_C, trials_C = (np.asarray(count_C)[np.asarray(trials_C) > 0].astype(float) for count_C in (found_C, trials_C))
    found, trials, clusters = float(found_C.sum()), float(trials_C.sum()), len(trials_C)
    if clusters < 2 or found in {0.0, trials}:
        return interval(int(found), int(trials))
    from scipy.stats import t

    share = found / trials
    variance = clusters / (clusters - 1) * float(((found_C - share * trials_C) ** 2).sum()) / trials**2
    effect = max(variance * trials / (share * (1 - share)), 1.0)
    tail = (1 + CONFIDENCE) / 2
    worth = min(trials / effect * float(t.ppf(tail, trials - 1) / t.ppf(tail, clusters - 1)) ** 2, trials)
    return _exact(share * worth, worth, CONFIDENCE)


def _by_cluster(hit_N: Any, duplicate_N: Any, cluster_N: Any) -> tuple[Any, Any]:
    _, of_N = np.unique(np.asarray(cluster_N), return_inverse=True)
    return np.bincount(of_N, hit_N), np.bincount(of_N, duplicate_N)


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


def _exact(successes: float, trials: float, confidence: float) -> tuple[float, float]:
    from scipy.stats import beta  # imported here: it takes a second

    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, successes, trials - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high


def _wilson(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    from scipy.stats import binomtest

    low, high = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(low), float(high)
