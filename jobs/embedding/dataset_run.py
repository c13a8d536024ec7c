"""One data set of an embedding run: what is recorded, what is left to do, what went wrong, and its result line."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from jobs.embedding.embedder import ShardTask
from jobs.runtime.app import Outcome
from tda.config.stages import EmbedConfig
from tda.errors import LacunaError, ShardError
from tda.store.commit.records import ShardRecord


@dataclass
class RunTotals:
    """The shards of one encoder that are done: counts, and of each shard no more than its name and its drops.

    Records are counted and let go: each has some kilobytes, and a data set has hundreds of thousands.
    """

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

    def summary(self) -> str:
        reasons = ", ".join(f"{reason} {n}" for reason, n in self.drops.most_common() if n)
        return f"{self.rows_out} of {self.rows_in} pairs embedded, {self.drops.total()} dropped{f' ({reasons})' if reasons else ''}"


Records = dict[str, RunTotals]  # encoder -> what is recorded


@dataclass
class Share:
    """`shards`: name -> URL; `tasks`: those that this run is to do."""

    dataset: str
    shards: dict[str, str]
    records: Records
    tasks: list[ShardTask]
    failed: list[ShardError] = field(default_factory=list)
    ended: LacunaError | None = None  # what ended the run before the tasks were done
    gone: list[str] = field(default_factory=list)  # shards that were recorded, and are not any more

    def __post_init__(self) -> None:
        self.left = len(self.tasks)

    @property
    def before(self) -> int:
        """Shards that were recorded when this run began."""
        todo = {task.name for task in self.tasks}
        return sum(shard not in todo and all(shard in one for one in self.records.values()) for shard in self.shards)

    def add(self, made: Sequence[ShardRecord]) -> None:
        """A task is done."""
        self.left -= 1
        for record in made:
            self.records[record.encoder].add(record)

    def fail(self, error: ShardError) -> None:
        """A task has come to nothing."""
        self.left -= 1
        self.failed.append(error)

    def end(self, error: LacunaError) -> None:
        """The run ends here: what is left of the tasks stays undone."""
        self.ended = error if self.left else None

    def recount(self, recorded: Callable[[str], Iterable[str]]) -> None:
        """Hold what was counted to the records that lie in the root now; `recorded` lists those of an encoder."""
        for encoder, totals in self.records.items():
            there = set(recorded(encoder))
            self.gone += [shard for shard in self.shards if shard in totals and shard not in there and shard not in self.gone]

    def outcome(self, limits: EmbedConfig, *, replay: bool) -> Outcome:
        """Count what the records say; the line names what is not whole, and why."""
        absent = max(len(self.shards) - len(one) for one in self.records.values()) if replay else 0
        worst = max(one.drop_fraction for one in self.records.values())
        line = self._done(self.before)
        if worst > limits.max_drop_fraction:
            line += f"; {worst:.1%} dropped is more than embed.max_drop_fraction={limits.max_drop_fraction:g} allows"
        line += self._undone()
        if absent:
            line += f"; {absent} not embedded yet, which replay=true does not do"
        if self.gone:
            line += f"; {len(self.gone)} shards were recorded and are gone from the root: {', '.join(self.gone[:3])}: run again"
        whole = not (self.failed or self.ended or absent or self.gone) and worst <= limits.max_drop_fraction
        return Outcome(whole=whole, line=line, numbers={"drop_fraction": worst, "failed": len(self.failed)})

    def _done(self, before: int) -> str:
        done, reported = max(map(len, self.records.values())), {name: one.summary() for name, one in self.records.items()}
        same = len(set(reported.values())) == 1
        pairs = next(iter(reported.values())) if same else "; ".join(f"{name} {text}" for name, text in reported.items())
        return f"{self.dataset} / {', '.join(self.records)}: {pairs}, {done} shard{'s' * (done != 1)} ({before} done before)"

    def _undone(self) -> str:
        line, count = "", len(self.failed)
        if count:
            some = ", ".join(f"{error.shard} ({error.reason})" for error in self.failed[:3])
            line += f"; {count} shard{'s' * (count != 1)} failed: {some}{', ...' if count > 3 else ''}"
        if self.ended is not None:
            line += f"; ended early: {self.ended}; {self.left} shards are left"
        return line
