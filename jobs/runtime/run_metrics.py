"""Metrics of every stage, which a Ray cluster exports to Prometheus: what a command has done so far, counted in its driver.

| name | kind | tags |
|---|---|---|
| lacuna_stage_done_total | counter: shards, steps of a training, parts of an analysis that are done | job, stage, dataset, encoder |
| lacuna_stage_pairs_total, lacuna_stage_seconds_total | counter: pairs of those, and the time they took | the same |
| lacuna_stage_left, lacuna_stage_failed | gauge: those that this run has to do, and those that came to nothing | the same |
| lacuna_train_loss, lacuna_train_learning_rate | gauge: of a training | the same |

Embedding has more, of its actors: `jobs.embedding.metrics`. A command that uses no Ray exports too where a Ray cluster runs it as a job.
"""

import logging
import os
import sys
import threading
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from jobs.runtime.run_progress import RunProgress, Work

TAGS = ("job", "stage", "dataset", "encoder")
DESCRIBED = {
    "lacuna_stage_done_total": "Shards, steps or parts that are done",
    "lacuna_stage_pairs_total": "Pairs of what is done",
    "lacuna_stage_seconds_total": "Seconds in which it was done",
    "lacuna_stage_left": "Shards, steps or parts that this run has to do",
    "lacuna_stage_failed": "Shards, steps or parts that came to nothing",
    "lacuna_train_loss": "Loss of a training at its last step",
    "lacuna_train_learning_rate": "Learning rate of a training at its last step",
}
SUBMITTED = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by Ray for the command of a job

Make = Callable[[str, str, str, Sequence[str]], Any]  # kind, name, description, tags


class RunMetrics:
    """Counts what was added since the last call. `make` makes a metric of a kind: Counter or Gauge.

    `joins`: the command uses no Ray by itself, so that this may join the cluster that runs it as a job.
    """

    def __init__(self, progress: RunProgress, make: Make | None = None, *, joins: bool = False) -> None:
        self._progress, self._make, self._joins = progress, make or _of_ray, joins
        self._made = dict[str, Any]()
        self._counting = threading.Lock()

    def count(self) -> None:
        """Export the work of the run as it is now. Without a Ray that exports it, nothing happens; no failure ends the run."""
        with suppress(Exception), self._counting:
            if self._make is _of_ray and not (_connected() or (self._joins and _joined())):
                return
            shown = Tally[tuple[str, tuple[str, ...]]]()  # (gauge, tags): the same stage may have work on several references
            for work in self._progress.work():
                for encoder in work.encoders or ("",):
                    tags = (self._progress.job, work.stage, work.dataset, encoder)
                    self._count(work, tags)
                    shown.update({(name, tags): value for name, value in _shown(work).items()})
            for (name, labels), value in shown.items():
                self._metric("Gauge", name).set(value, dict(zip(TAGS, labels, strict=True)))

    def _count(self, work: Work, tags: tuple[str, ...]) -> None:
        for name, value in {"done": work.done, "pairs": work.pairs, "seconds": work.seconds}.items():
            if (added := value - work.exported.get((name, *tags), 0)) > 0:  # Ray refuses to count nothing
                self._metric("Counter", f"lacuna_stage_{name}_total").inc(added, dict(zip(TAGS, tags, strict=True)))
                work.exported[name, *tags] = value

    def _metric(self, kind: str, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._make(kind, name, DESCRIBED[name], TAGS)
        return self._made[name]


def _shown(work: Work) -> dict[str, float]:
    """The gauges of a piece of work."""
    counts = {"lacuna_stage_left": max(0, work.total - work.before - work.done), "lacuna_stage_failed": len(work.failures)}
    return counts | {f"lacuna_{work.stage}_{name}": value for name, value in work.values.items()}


def _of_ray(kind: str, name: str, description: str, tags: Sequence[str]) -> Any:
    from ray.util import metrics

    return getattr(metrics, kind)(name, description, tuple(tags))


def _connected() -> bool:
    """Whether this process has a Ray."""
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


def _joined() -> bool:
    """Join the cluster that runs this command as a job, if one does."""
    if SUBMITTED not in os.environ:
        return False
    from jobs.runtime.session import import_ray

    import_ray()
    import ray

    ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    return True
