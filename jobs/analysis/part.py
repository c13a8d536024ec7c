"""What a part of the analysis is: one object holds everything that `jobs.analyze` must know of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.analysis.layout_clusters_homology import Subject
from jobs.runtime.run_progress import Work
from tda.columns import Columns
from tda.config.analysis import PARTS, AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.store.datasets.embedding_set import EmbeddingSet

Metrics = Mapping[str, Any]
Found = tuple[dict[str, Any], dict[str, Columns]]  # keys of metrics.json, and tables by name
Progress = Callable[[str, int, int], None]  # a part, how many of its blocks are done, and how many there are


def _quiet(_part: str, _done: int, _whole: int) -> None:
    return None


Publish = Callable[[list[str], dict[str, Any], dict[str, Columns]], None]  # parts, their keys of metrics.json, their tables


def _unpublished(_parts: list[str], _keys: dict[str, Any], _tables: dict[str, Columns]) -> None:
    return None


@dataclass(kw_only=True)
class Measuring:
    """The measurement of some parts of one data set under one encoder: what they are measured on, and what they have in common."""

    subject: Subject
    others: Mapping[str, EmbeddingSet]  # data sets on which the classifier is scored
    parts: list[str]
    stored: Callable[[str], Columns]  # reads a table that an earlier run left
    cluster: ClusterConfig
    hashes: Mapping[str, str] = field(default_factory=dict)  # of all parts
    work: Work = field(default_factory=lambda: Work(stage="analyze"))  # counts the parts that are done
    progress: Progress = _quiet  # a long part calls it after each of its blocks
    publish: Publish = _unpublished  # of a part that is done while others are still to be measured
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
    """A part of the analysis. Its settings are the field of its name in `AnalysisConfig`.

    A part with `start` runs as tasks beside the other parts; `finish` waits for them, or measures where nothing was started.
    """

    name: str
    finish: Callable[[Measuring, Any], Found]  # the second argument is what `start` returned
    settings: bool = True  # False: it has none
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
    open_ones: Callable[[AnalysisConfig], dict[str, Any]] = _no_setting  # its settings that may be left open, with what is measured then
    datasets: Callable[[AnalysisConfig], tuple[str, ...]] = _nothing  # further data sets whose rows it reads
    line: Callable[[Metrics], str | None] = _no_words  # its words in the result line, from the whole metrics.json

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of metrics.json that the part fills."""
        return self.fills or (self.name,)

    def __post_init__(self) -> None:
        where = "tda/config/analysis.py"
        if self.name not in PARTS:
            raise ValueError(f"part {self.name!r}: add its name to PARTS in {where}")
        if self.settings is not (self.name in AnalysisConfig.__dataclass_fields__):
            wrong = "has no field: give it one" if self.settings else "has a field: remove it"
            raise ValueError(f"part {self.name!r} has settings={self.settings}, and AnalysisConfig in {where} {wrong}, or change it here")
