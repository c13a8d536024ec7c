"""The reason why each row of a data set is dropped, from stored cosines and exact flags, shard by shard.

N rows, B rows of a shard. A reason is a byte: its place in `REASONS`, 0 for a row that is kept.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.dedup.exact_matches import Flags, has
from tda.geometry.duplicates import Rule
from tda.progress import report_progress
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.hashes import KINDS
from tda.store.datasets.nearest import NearestSet

REASONS = ("kept", "url", "caption", "image", "text", "image and text", "within", "unmeasured")  # the first that holds, in this order


@dataclass(frozen=True)
class Cosines:
    """Closest cosines aligned with `rows`; `nearest` is None where nothing was compared with a reference."""

    nearest: NearestSet | None
    rows: EmbeddingSet
    known_N: npt.NDArray[np.bool_] | None = None  # rows whose text stands for something; None: no test looks at texts

    def blocks(self) -> Iterator[tuple[Any, Any]]:
        """(image_B, text_B) of every shard; -inf, which reaches no threshold, where nothing was compared or a text is not known."""
        start = 0
        for shard, count in zip(self.rows.shards, self.rows.rows_per_shard, strict=True):
            if self.nearest is None:
                never_B = np.full(count, -np.inf)
                yield never_B, never_B
            else:
                table = self.nearest.shard_table(shard, ["image_cosine", "text_cosine"])
                yield table["image_cosine"].to_numpy(), self._texts(table["text_cosine"].to_numpy(), start)
            start += count
            report_progress(start, len(self.rows), "rows decided")

    def _texts(self, text_B: Any, start: int) -> Any:
        return text_B if self.known_N is None else np.where(self.known_N[start : start + len(text_B)], text_B, -np.inf)


def decide(cosines: Cosines, flags_N: Flags, rule: Rule) -> tuple[npt.NDArray[np.uint8], dict[str, int]]:
    """(N,) the reason of every row, and how many rows each test alone would find, whichever came first."""
    parts: list[npt.NDArray[np.uint8]] = []
    matched: Counter[str] = Counter()
    start = 0
    for image_B, text_B in cosines.blocks():
        reason_B, found = decide_block(image_B, text_B, flags_N[start : start + len(image_B)], rule)
        start += len(image_B)
        parts.append(reason_B)
        matched.update(found)
    return np.concatenate(parts), dict(matched)


def decide_block(image_B: Any, text_B: Any, flags_B: Flags, rule: Rule) -> tuple[npt.NDArray[np.uint8], dict[str, int]]:
    """`decide` for the rows of one shard, from their closest cosines."""
    tests = {kind: has(flags_B, kind) for kind in KINDS} | _near(image_B, text_B, rule)
    reason_B = np.zeros(len(image_B), dtype=np.uint8)
    for name, found_B in reversed(tests.items()):
        reason_B[found_B] = REASONS.index(name)
    matched = {kind: int(tests[kind].sum()) for kind in KINDS}
    return reason_B, matched | {"image": int((image_B >= rule.image).sum()), "text": int((text_B >= rule.text).sum())}


def _near(image_B: Any, text_B: Any, rule: Rule) -> dict[str, npt.NDArray[np.bool_]]:
    """Rows that the rule finds, by the modalities that reached their threshold; each row under one name."""
    found_B = rule.holds(image_B, text_B)
    near = {"image": image_B >= rule.image, "text": text_B >= rule.text}
    both_B = found_B & near["image"] & near["text"] if len(rule.needs) == 2 else np.zeros(len(found_B), dtype=bool)
    return {"image and text": both_B, **{name: found_B & near[name] & ~both_B for name in rule.needs}}
