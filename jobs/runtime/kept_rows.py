"""`dataset.keep=@file`: a job of some pairs of a data set alone, which get a name of their own."""

import dataclasses
import sys
from typing import Any, TypeVar

from tda.errors import UserError
from tda.store.datasets.choosing import choose, lines_of
from tda.store.files import absolute

Job = TypeVar("Job", bound=Any)
TAKEN = ("analyze", "export")


def refuse_keep(name: str, job: Any) -> None:
    """Raise UserError where a job of this name is given pairs to keep that it cannot keep apart."""
    keep = getattr(getattr(job, "dataset", None), "keep", None)
    if keep is not None and name not in TAKEN:
        jobs = " and ".join(f"jobs.{one}" for one in TAKEN)
        raise UserError(
            f"dataset.keep={keep} is taken by {jobs}, not by jobs.{name}: give what they have made, dataset.name=NAME-only-DIGITS"
        )


def of_kept_rows(job: Job, encoder: str) -> Job:
    """The job on the selection that `dataset.keep` names, made by the pairs of this encoder; the job itself without one."""
    if job.dataset.keep is None:
        return job
    selection, pairs = choose(absolute(job.root), job.dataset.name, encoder, lines_of(job.dataset.keep))
    print(f"lacuna: {pairs:,} pairs of {job.dataset.name} are the data set {selection.name}", file=sys.stderr, flush=True)
    kept: Job = dataclasses.replace(job, dataset=dataclasses.replace(job.dataset, name=selection.name, keep=None))
    return kept
