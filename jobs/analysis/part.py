"""What a part of the analysis is: one object holds everything that `jobs.analyze` must know of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.analysis.shape import Subject
from tda.columns import Columns
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.store.datasets.embedding_set import EmbeddingSet

Metrics = Mapping[str, Any]
Found = tuple[dict[str, Any], dict[str, Columns]]  # keys of metrics.json, and tables by name


@dataclass(kw_only=True)
class Measuring:
    """The measurement of some parts of one data set under one encoder: what they are measured on, and what they have in common."""

    subject: Subject
    others: Mapping[str, EmbeddingSet]  # data sets on which the classifier is scored
    parts: list[str]
    stored: Callable[[str], Columns]  # reads a table that an earlier run left
    cluster: ClusterConfig
    tables: dict[str, Columns] = field(default_factory=dict)  # of the parts that are measured by now
    _made: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returns, made at the first call of this name: parts share a reading of the rows, or a task."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def table(self, name: str) -> Columns:
        """The columns of a table, measured now or by an earlier run."""
        return self.tables.get(name) or self.stored(name)


def _never(_: AnalysisConfig) -> bool:
    return False


def _nothing(_: AnalysisConfig) -> tuple[str, ...]:
    return ()


def _no_setting(_: AnalysisConfig) -> dict[str, Any]:
    return {}


def _no_words(_: Metrics) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the analysis. Its settings are the fields of the same name in `AnalysisConfig`, where it has any.

    A part with `start` runs as tasks beside the other parts; `finish` waits for them, or measures where nothing was started.
    """

    name: str
    finish: Callable[[Measuring, Any], Found]  # the second argument is what `start` returned
    start: Callable[[Measuring], Any] | None = None
    turn: int = 0  # order of the starts: the longest chain of tasks first
    needs: Callable[[AnalysisConfig], tuple[str, ...]] = _nothing  # parts whose results it is made of
    tables: tuple[str, ...] = ()  # its Parquet files
    leaves_files: bool = False  # files of each shard beside its tables: it is measured in place, never copied from another root
    fills: tuple[str, ...] = ()  # its keys of metrics.json, where they are not its name
    seeded: Callable[[AnalysisConfig], bool] = _never  # whether the seed changes its numbers
    cost_only: Callable[[AnalysisConfig], tuple[str, ...]] = _nothing  # settings that change no number: left out of the hash
    shared: Callable[[AnalysisConfig], dict[str, Any]] = _no_setting  # settings of other parts that its numbers depend on, its tables not
    rests_on_numbers: bool = False  # whether it is made of the numbers of the parts that it needs too, not of their tables alone
    datasets: Callable[[AnalysisConfig], tuple[str, ...]] = _nothing  # further data sets whose rows it reads
    line: Callable[[Metrics], str | None] = _no_words  # its words in the result line, from the whole metrics.json

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of metrics.json that the part fills."""
        return self.fills or (self.name,)
