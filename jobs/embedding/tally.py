"""What the driver of a run remembers of recorded shards: counts, and of each shard no more than its name and its drops.

A record is some kilobytes, and a data set has hundreds of thousands; so they are read one after the other, counted, and let go.
"""

from collections import Counter
from dataclasses import dataclass, field

from tda.store.commit.records import ShardRecord


@dataclass
class Tally:
    """The shards of one encoder that are done."""

    rows_in: int = 0
    rows_out: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    _shards: dict[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)  # name -> its drops by reason: mostly the same few

    def __contains__(self, shard: str) -> bool:
        return shard in self._shards

    def __len__(self) -> int:
        return len(self._shards)

    def add(self, record: ShardRecord) -> None:
        """Count a shard; a record that renews one which was counted takes its place."""
        if record.shard in self._shards:
            before = dict(self._shards[record.shard])
            self.drops.subtract(before)
            self.rows_in -= record.rows_in  # a renewed record has as many pairs
            self.rows_out -= record.rows_in - sum(before.values())
        self.drops.update(record.drops)
        self.rows_in += record.rows_in
        self.rows_out += record.rows_out
        self._shards[record.shard] = tuple(record.drops.items())

    @property
    def drop_fraction(self) -> float:
        return self.drops.total() / self.rows_in if self.rows_in else 0.0

    def told(self) -> str:
        reasons = ", ".join(f"{reason} {n}" for reason, n in self.drops.most_common() if n)
        return f"{self.rows_out} of {self.rows_in} pairs embedded, {self.drops.total()} dropped{f' ({reasons})' if reasons else ''}"
