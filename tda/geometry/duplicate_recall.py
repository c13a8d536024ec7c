"""How many duplicates are found: by a search among some cells, and, of planted repeats, by a rule; with intervals and precision.

N rows or sampled queries; `kind_N` names the kind of a planted repeat, "" any other row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.geometry.binomial import interval


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
