"""The chosen parts of one data set under one encoder, measured together: what stands alone starts at once, what rests on it follows."""

from typing import Any

from jobs.analysis.part import Found, Measuring, Part
from jobs.analysis.registry import REGISTRY
from jobs.runtime.run_progress import Work
from tda.config.analysis import AnalysisConfig


def measured(run: Measuring, work: Work | None = None) -> Found:
    """Keys of metrics.json of the parts of `run`, and the tables that go with them; `work` counts the parts that are done."""
    work = work or Work(stage="analyze")
    parts = [part for part in REGISTRY if part.name in run.parts]
    starting = sorted((part for part in parts if part.start), key=lambda part: part.turn)
    pending = {part.name: part.start(run) for part in starting if part.start}
    metrics = dict[str, Any]()
    for part in starting:
        work.began(part.name)
    for part in sorted(parts, key=lambda part: _when(part, run.subject.analysis)):
        found, tables = part.finish(run, pending.get(part.name))
        metrics |= found
        run.tables |= tables
        work.did(part.name)
    return metrics, run.tables


def _when(part: Part, analysis: AnalysisConfig) -> int:
    """Parts that no task was started for are measured while the tasks of others run; what is made of those comes last."""
    if part.start:
        return 1
    return 2 if part.needs(analysis) else 0
