"""An analysis while it is measured: publishes each part as it is done, and knows what an interruption leaves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.analysis.blocks import Blocks
from jobs.analysis.parts import resting_on
from jobs.analysis.results.publication import Made, publish_parts
from tda.columns import Columns
from tda.config.analysis import AnalysisConfig


@dataclass(kw_only=True)
class Ongoing:
    """One run of some parts into the metrics.json at `url`. `check` raises where the rows are no longer those that were measured."""

    url: str
    head: Mapping[str, Any]
    before: Mapping[str, Any]
    hashes: Mapping[str, str]
    former: Mapping[str, str]
    analysis: AnalysisConfig
    shared_folder: str  # where blocks of unfinished parts are
    check: Callable[[], None]
    missing: list[str]  # the parts to measure
    document: dict[str, Any] = field(default_factory=dict)  # as it was last published
    blocks: dict[str, tuple[int, int]] = field(default_factory=dict)  # of a long part: done, whole

    def publish(self, names: list[str], keys: dict[str, Any], tables: dict[str, Columns]) -> None:
        """Publish parts that were measured, and remove the blocks that they were made of."""
        self.publish_made(Made(parts={name: self.hashes[name] for name in names}, keys=keys, tables=tables))
        self.missing = [name for name in self.missing if name not in names]

    def publish_made(self, made: Made) -> None:
        self.check()
        whole = Made(
            parts=made.parts,
            keys=made.keys,
            tables=made.tables,
            entries=made.entries,
            outdates=resting_on(made.parts, self.analysis),
        )
        self.document = publish_parts(self.url, dict(self.head), self.before, whole, self.hashes, self.former)
        for part, own in made.parts.items():
            Blocks.of(self.shared_folder, part, own).clear()
            self.blocks.pop(part, None)

    def progress(self, part: str, done: int, whole: int) -> None:
        self.blocks[part] = done, whole

    def kept_line(self, wanted: list[str]) -> str:
        """What an interruption leaves, of the parts `wanted`, in one line."""
        kept = [name for name in wanted if name not in self.missing]
        blocks = [f"{done:,} of {whole:,} blocks of {part}" for part, (done, whole) in self.blocks.items() if done]
        if not kept and not blocks:
            return "no part of the analysis is measured yet, nothing is kept; the same command begins again"
        names = f" ({', '.join(kept)})" if kept else ""
        parts = f"{len(kept)} of {len(wanted)} parts{names}"
        return f"{' and '.join([parts, *blocks])} are kept; the same command measures the rest"
